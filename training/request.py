"""What a user asks to be trained."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from models.manifest import Precision
from training.recipe import Recipe, Strategy

RUNS = Path("runs")
"""Where checkpoints go, a folder for each bundle's name."""

MAX_DROP = 0.5
"""Points of accuracy that fewer bits may cost."""


@dataclass(frozen=True)
class Training:
    """What to train.

    `weights` is as `training.weights.load` takes it, `recipe` says how to train, and `name` is
    the bundle's, by default the data's. `run` is the folder of checkpoints, if the network is
    trained: by default in `runs`; with `resume` it is gone on with. `full_report` has what takes
    long measured on all held-out images instead of a few; `thumbnails` has the bundle keep small
    pictures of those that are learned from. `budget` is the time, in seconds, that
    the strategy `auto` may fill. `model.onnx` is stored in `precision`, and refused where that
    loses more than `max_drop` points of accuracy. The bundle is refused too where an attack leaves
    less accuracy than `min_robust_accuracy` says, each as in `pgd@linf:1/255=0.3`.
    """

    data: Path
    backbone: str = "efficientnet_lite0"
    weights: str = "package"
    recipe: Recipe = field(default_factory=Recipe)
    name: str | None = None
    seed: int = 0
    run: Path | None = None
    resume: bool = False
    full_report: bool = False
    budget: float = 600
    precision: Precision = Precision.FP32
    max_drop: float = MAX_DROP
    min_robust_accuracy: tuple[str, ...] = ()
    thumbnails: bool = False

    @property
    def bundle_name(self) -> str:
        """The name that the bundle gets."""
        data = self.data.resolve()
        given = data.name if data.is_dir() else data.stem
        plain = re.sub(r"[^a-z0-9]+", "_", given.lower()).strip("_")
        return plain if self.name is None else self.name

    @property
    def folder(self) -> Path:
        """Where its checkpoints go."""
        return RUNS / self.bundle_name if self.run is None else self.run

    @property
    def starting_weights(self) -> str:
        """What the network knows before it learns."""
        return "none" if self.recipe.strategy is Strategy.SCRATCH else self.weights

    @property
    def identity(self) -> str:
        """The options that what is learned depends on; files stand without their folders."""
        return shlex.join(self._learning)

    @property
    def command(self) -> str:
        """The command that trains this again; files stand without their folders."""
        options = [] if self.name is None else ["--name", self.name]
        options += [] if self.precision is Precision.FP32 else ["--precision", self.precision]
        options += [] if self.max_drop == MAX_DROP else ["--max-drop", f"{self.max_drop:g}"]
        for each in self.min_robust_accuracy:
            options += ["--min-robust-accuracy", each]
        options += ["--full-report"] if self.full_report else []
        options += ["--thumbnails"] if self.thumbnails else []
        data = self.data.resolve().name
        return shlex.join(["seewhy", "train", data, *self._learning, *options])

    @property
    def _learning(self) -> list[str]:
        options = ["--backbone", self.backbone, "--weights", Path(self.starting_weights).name]
        options += self.recipe.options
        return options if self.seed == 0 else [*options, "--seed", str(self.seed)]
