"""The options and answers of `/classify`."""

from typing import Annotated

from pydantic import BaseModel, Field

from models.manifest import MethodName
from service.api.schemas.explain import ExplanationBody, MapForm
from service.api.schemas.images import (
    Answer,
    Count,
    Failed,
    Options,
    Prediction,
    Probability,
    Timings,
)
from service.api.schemas.robustness import RobustnessBody
from service.core.demand import Priority
from service.core.numbers import NotTruth
from service.core.robustness import examination, notation
from service.core.robustness.levels import Level
from service.core.trust import Acceptance, SetRule


class ClassifyOptions(Options):
    """Options of `POST /classify`."""

    priority = Priority.CLASSIFY

    top_k: Count = Field(5, description="How many classes to list.")
    coverage: Annotated[float | None, NotTruth, Field(gt=0, lt=1)] = Field(
        None,
        description="How often the prediction set shall hold the true class; 0.9 if left out, or "
        "the largest that the bundle has.",
    )
    sets: SetRule | None = Field(
        None, description="How prediction sets are made: `raps`, if left out, or `lac`."
    )
    min_probability: Annotated[float | None, NotTruth, Field(ge=0, le=1)] = Field(
        None,
        description="The least probability to accept, 1 for none; the bundle's own if left out.",
    )
    max_ood_percentile: Annotated[float | None, NotTruth, Field(ge=0, le=100)] = Field(
        None,
        description="The highest out-of-distribution percentile to accept; the bundle's own if "
        "left out.",
    )
    robustness: Level | None = Field(
        None, description="Check the answer's robustness too, this thoroughly."
    )
    explain: MethodName | None = Field(
        None, description="Explain the top class too, by this saliency method."
    )
    map: MapForm = Field("numbers", description="How the explanation's map is written.")

    @property
    def passes(self) -> int:
        """See `Options`."""
        if self.robustness is None:
            return 0
        return examination.passes(notation.chosen(self.robustness))


class Place(BaseModel):
    """A score, higher the less an image is like those that are known."""

    score: float
    percentile: float = Field(
        ge=0, le=100, description="of the score, among those of the calibration images"
    )


class OutOfDistribution(Place):
    """The distance to the nearest training images, and the energy of the logits beside it."""

    energy: Place


class ClassifyTimings(Timings):
    """As `Timings`; `postprocess` is the way from logits to probabilities, sets and decision.

    `robustness` and `explain` are the times of what was asked for besides.
    """

    postprocess: float
    robustness: float | None = None
    explain: float | None = None


class Classified(BaseModel):
    """What one image shows, and how far to trust it.

    What a bundle has not been calibrated for is left out.
    """

    image_id: str = Field(description="`<request_id>/<position>`")
    predictions: list[Prediction]
    calibrated: bool = Field(description="whether the probabilities were fitted to held-out data")
    coverage: Probability | None = Field(
        None, description="how often such prediction sets hold the true class"
    )
    prediction_set: list[Prediction] | None = Field(
        None,
        description="the classes that cannot be ruled out, most probable first; none where surer "
        "answers suffice for the coverage",
    )
    ood: OutOfDistribution | None = None
    decision: Acceptance | None = Field(
        None, description="whether to accept it without a human look"
    )
    reason: str | None = Field(None, description="of the decision")
    robustness: RobustnessBody | None = Field(None, description="only where it was asked for")
    explanation: ExplanationBody | None = Field(None, description="only where it was asked for")
    timings_ms: ClassifyTimings


class Classification(Classified, Answer):
    """The answer for one image."""


class Classifications(Answer):
    """The answer for several images, in order."""

    results: list[Classified | Failed]
