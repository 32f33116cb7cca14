"""How a network is trained: everything that a user may choose, with what it is by default."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from service.core.robustness.norms import Norm


class Strategy(StrEnum):
    """What is trained, and from what."""

    AUTO = "auto"
    PROBE = "probe"
    FINETUNE = "finetune"
    SCRATCH = "scratch"


class Schedule(StrEnum):
    """How the learning rate falls after its warm-up."""

    COSINE = "cosine"
    STEP = "step"
    ONE_CYCLE = "one-cycle"
    CONSTANT = "constant"


class Loss(StrEnum):
    """What is minimised; see `training.learning.losses`."""

    CROSS_ENTROPY = "cross-entropy"
    FOCAL = "focal"
    SQUARED = "mse"


class Balance(StrEnum):
    """What is done about classes with few images; see `training.learning.balance`."""

    AUTO = "auto"
    NONE = "none"
    WEIGHTS = "weights"
    SAMPLING = "sampling"

    @property
    def even(self) -> bool:
        """Whether all classes count alike, however few images they have."""
        return self in {Balance.WEIGHTS, Balance.SAMPLING}


class Metric(StrEnum):
    """What says which epoch is the best; see `training.score`."""

    LOG_LOSS = "log-loss"
    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balanced-accuracy"


Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def flag(name: str) -> str:
    """A field's option on the command line."""
    return f"--{name.replace('_', '-')}"


class Recipe(BaseModel):
    """A field is an option of `seewhy train` of the same name; its description is the help."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategy: Strategy = Field(
        Strategy.AUTO,
        description="Fit a classifier alone, train the network from there, or from nothing; "
        "auto chooses by the photos.",
    )
    depth: Annotated[str, Field(pattern=r"^(head|full|\d+)$")] = Field(
        "full", description="What is trained: head, N blocks next to it too, or full."
    )
    gradual: bool = Field(
        default=False, description="Thaw one block more with each epoch, from the head down."
    )
    epochs: Count = Field(8, description="How often each image is seen.")
    batch: Count = Field(32, description="Images of a pass, in each process.")
    accumulate: Count = Field(1, description="Passes of a step, their gradients summed.")
    optimizer: str = Field("AdamW", description="A class of torch.optim.")
    rate: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Peak learning rate of the head; found by a sweep if not given.",
    )
    decay: Share = Field(0.9, description="What it is multiplied by from block to block down.")
    momentum: Share = Field(0.9, description="Of optimisers that take one.")
    nesterov: bool = Field(default=False, description="Nesterov's momentum, with SGD.")
    schedule: Schedule = Field(Schedule.COSINE, description="How the rate falls.")
    warm_up: Share = Field(0.1, description="Share of the steps in which it rises.")
    weight_decay: Amount = Field(0.01, description="L2 penalty.")
    l1: Amount = Field(0.0, description="L1 penalty.")
    dropout: Share = Field(0.0, description="Share of the head's inputs that is dropped.")
    stochastic_depth: Share = Field(0.0, description="How often the last branch is skipped.")
    loss: Loss = Field(Loss.CROSS_ENTROPY, description="What is minimised.")
    label_smoothing: Share = Field(0.0, description="Share of a target given to all classes.")
    focus: Amount = Field(2.0, description="Gamma of the focal loss.")
    balance: Balance = Field(
        Balance.AUTO, description="How rare classes are made up for; auto by how rare they are."
    )
    augment: tuple[str, ...] = Field(
        ("flip",), description="What is done to images at random, in this order; repeat it."
    )
    mixup: Amount = Field(0.0, description="Alpha of mixup; 0 for none.")
    cutmix: Amount = Field(0.0, description="Alpha of CutMix; 0 for none.")
    noise: Amount = Field(0.0, description="Sigma of Gaussian noise, for randomised smoothing.")
    adversarial: Norm | None = Field(
        None, description="Train on PGD examples of this norm instead."
    )
    eps: Amount = Field(4 / 255, description="Their size, of pixels in [0, 1].")
    attack_steps: Count = Field(3, description="Their steps.")
    ema: Share = Field(0.0, description="Decay of the weights' moving average; 0 for none.")
    clip: Amount = Field(0.0, description="Most that a gradient's norm may be; 0 for no limit.")
    metric: Metric = Field(
        Metric.LOG_LOSS, description="What says which classifier and epoch is the best."
    )
    soup: Count = Field(1, description="Best epochs to average, where that is better.")
    patience: int | None = Field(
        None, ge=1, description="Epochs without a better one, after which training stops."
    )
    compile: bool = Field(default=False, description="Compile the network (torch.compile).")

    @field_validator("adversarial", "noise")
    @classmethod
    def _learned_by_training(cls, value: Norm | float | None, info: ValidationInfo) -> Any:
        """A probe learns from images as they are."""
        if value and info.data.get("strategy") is Strategy.PROBE:
            raise ValueError("only a network that is trained learns it, and no --strategy probe")
        return value

    @property
    def hardened(self) -> bool:
        """Whether attacked or noisy images are learned from."""
        return self.adversarial is not None or self.noise > 0

    @property
    def choices(self) -> dict[str, Any]:
        """Every choice by name; where no network is trained, those that a probe knows."""
        every = self.model_dump(mode="json")
        if self.strategy is not Strategy.PROBE:
            return every
        return {name: every[name] for name in ("strategy", "balance", "metric")}

    @property
    def options(self) -> list[str]:
        """The options of `seewhy train` that ask for it: those that differ from the defaults."""
        words: list[str] = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value == field.default:
                continue
            if isinstance(value, bool):
                words += [flag(name)]
            else:
                each = value if isinstance(value, tuple) else (value,)
                words += [word for one in each for word in (flag(name), str(one))]
        return words
