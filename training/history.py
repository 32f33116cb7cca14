"""What a run of training did, epoch by epoch."""

from dataclasses import asdict, dataclass
from typing import Any

from training.learning.rate_finder import Sweep
from training.recipe import Metric
from training.score import Score


@dataclass(frozen=True)
class Epoch:
    """What an epoch did; number 0 is the state before the first one.

    `training_loss` is the mean of what its steps minimised and `training_accuracy` the share
    of their images that were right, NaN before the first; `score` is on the validation images.
    """

    number: int
    training_loss: float
    training_accuracy: float
    score: Score

    @classmethod
    def of(cls, plain: dict[str, Any]) -> "Epoch":
        """The inverse of `dataclasses.asdict`."""
        return cls(**{**plain, "score": Score(**plain["score"])})

    @property
    def figures(self) -> dict[str, float]:
        """Its numbers by name, for a journal."""
        plain = asdict(self)
        validation = {f"validation_{name}": value for name, value in plain.pop("score").items()}
        del plain["number"]
        return {**plain, **validation}


@dataclass(frozen=True)
class History:
    """A run: its epochs, the sweep that found its rate, and the soup that it left, if any."""

    metric: Metric
    epochs: tuple[Epoch, ...]
    sweep: Sweep | None = None
    soup: Score | None = None

    @property
    def best(self) -> Epoch:
        """The epoch with the best score: of equals, the first."""
        return max(self.epochs, key=lambda epoch: epoch.score.by(self.metric))

    @property
    def score(self) -> Score:
        """Of the weights that the run leaves."""
        return self.best.score if self.soup is None else self.soup
