"""The options and answers of `/robustness`."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from service.api.schemas.images import Answer, Failed, Options, Prediction, Timings
from service.core.demand import Priority
from service.core.numbers import NotTruth
from service.core.robustness import examination, notation
from service.core.robustness.levels import Level
from service.core.robustness.norms import Norm


class RobustnessOptions(Options):
    """Options of `POST /robustness`."""

    priority = Priority.ROBUSTNESS

    level: Level | None = Field(
        None, description="How thoroughly to check; fast where there are no checks either."
    )
    checks: str | None = Field(
        None, description="Which checks instead, as in `pgd@linf:1/255,steps=40; jpeg`."
    )
    seed: Annotated[int, Field(ge=0), NotTruth] = Field(0, description="Of every random choice.")
    picture: bool = Field(
        default=False, description="Add what `Accept: image/png` shows, so that nothing runs twice."
    )

    @property
    def passes(self) -> int:
        """See `Options`."""
        return examination.passes(notation.chosen(self.level, self.checks))

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if self.level is not None and self.checks is not None:
            raise PydanticCustomError("checks", "level and checks exclude each other")
        return self


class Threat(BaseModel):
    """What the attacker may do and knows."""

    norm: Norm
    eps: float | None = Field(description="of the ball; null where the smallest change is sought")
    targeted: bool
    white_box: bool
    attack: str = Field(examples=["pgd, cross-entropy, 20 steps of 0.125 eps, random start"])


class Certificate(BaseModel):
    """What randomised smoothing certifies."""

    radius: float = Field(description="in L2; 0 where it abstains")
    abstains: bool
    sigma: float
    n0: int
    n: int
    alpha: float


class RobustnessCheck(BaseModel):
    """What one check found."""

    check: str = Field(examples=["pgd@linf:1/255"])
    survived: bool | None = Field(
        description="whether the served model keeps its answer; null where the check cannot tell"
    )
    answer: Prediction = Field(description="what it says of the changed image")
    threat: Threat | None = Field(description="null where there is no attacker")
    distance: float | None = Field(
        description="of the changed image as an 8-bit file, in the threat's norm"
    )
    only_in_floats: bool = Field(
        description="the attack fooled the fp32 graphs, but not the served model as an 8-bit image"
    )
    certificate: Certificate | None
    passes: int
    milliseconds: float
    note: str | None


class RobustnessBody(BaseModel):
    """How easily the answer is changed."""

    verdict: examination.Verdict
    reason: str
    checks: list[RobustnessCheck]
    seed: int


class RobustnessPicture(BaseModel):
    """The crop, the change on grey and the changed crop; below, the evidence for both answers."""

    check: str = Field(description="the first that the answer did not survive, else the first")
    amplified: float = Field(description="by what factor the change is")
    png: str = Field(description="base64")


class RobustnessTimings(Timings):
    """As `Timings`; `robustness` is the time of all checks."""

    robustness: float


class RobustnessChecked(BaseModel):
    """How easily the answer for one image is changed."""

    image_id: str
    prediction: Prediction = Field(description="the answer that is checked")
    robustness: RobustnessBody
    picture: RobustnessPicture | None = Field(
        None, description="where it was asked for, and a check makes an image"
    )
    timings_ms: RobustnessTimings


class Robustness(RobustnessChecked, Answer):
    """The answer for one image."""


class Robustnesses(Answer):
    """The answer for several images, in order."""

    results: list[RobustnessChecked | Failed]
