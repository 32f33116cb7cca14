"""The options and answers of `/explain`."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from models.manifest import MethodName
from service.api.schemas.images import (
    Answer,
    ClassName,
    Failed,
    Options,
    Prediction,
    Probability,
    Timings,
)
from service.core.demand import Priority
from service.core.heatmap import View
from service.core.palettes import PaletteName
from service.core.saliency.parameters import Parameters

MapForm = Literal["numbers", "base64"]


MAX_TARGETS = 16


class ExplainOptions(Options, Parameters):
    """Options of `POST /explain`; which method takes which parameters: docs/explanations.md."""

    priority = Priority.EXPLAIN
    repeated = frozenset({"targets"})

    method: MethodName | None = Field(
        None, description="Saliency method; the bundle's default one if left out."
    )
    target: ClassName = Field(
        None,
        description="Index or label of the class to explain; `top1`, or left out, the top one.",
    )
    targets: Annotated[list[ClassName], Field(min_length=1, max_length=MAX_TARGETS)] | None = Field(
        None,
        description="Several classes instead, each named as a target: the answer has "
        "`explanations`, in this order. In a query, once for each.",
    )
    against: ClassName = Field(
        None, description="Index or label of a class, or `top1`: why the target and not this one?"
    )
    quality: bool = Field(
        default=False, description="Measure how faithful the map is too: 67 passes more for each."
    )
    map: MapForm = Field("numbers", description="How JSON has the map.")
    view: View = Field(
        "overlay",
        description="What a picture shows: the map over the photo, the `map` alone, or the photo "
        "and `beside` it the map over it.",
    )
    colours: PaletteName = Field("ember", description="The palette of a picture.")
    legend: bool = Field(
        default=False, description="Add a strip to a picture that says what its colours mean."
    )

    @model_validator(mode="after")
    def _target_or_targets(self) -> Self:
        if self.target is not None and self.targets is not None:
            raise PydanticCustomError("targets", "target and targets exclude each other")
        return self


class ExplainedClass(Prediction):
    """The class that is explained."""


class SaliencyMap(BaseModel):
    """The map over the model's crop, as rows of numbers or in base64."""

    dtype: Literal["float32", "float16"] = Field(description="float16 in base64")
    shape: tuple[int, int] = Field(description="height, width", examples=[(224, 224)])
    data: list[list[float]] | str = Field(
        description="rows of numbers; or the base64 of row after row, little-endian, divided by "
        "the largest absolute value"
    )
    min: float
    max: float


class MapQuality(BaseModel):
    """What the pixels that a map names are worth to the network, as the target's probability.

    No figure says it all: docs/explanations.md.
    """

    insertion: Probability = Field(
        description="its mean while the map's pixels are uncovered, the highest first; more is "
        "better"
    )
    deletion: Probability = Field(description="the same while they are covered; less is better")
    drop: Probability = Field(
        description="by what share the photo times its map has less; less is better"
    )
    increase: bool = Field(description="whether it has more")
    passes: int


class ExplanationBody(BaseModel):
    """Where the evidence for a class lies."""

    method: str = Field(examples=["gradcam"])
    target: ExplainedClass
    against: ExplainedClass | None = Field(description="the class that the target is held against")
    map: SaliencyMap
    box: tuple[float, float, float, float] | None = Field(
        description="left, top, right, bottom of the object that the map points at, in the upright "
        "photo's pixels"
    )
    passes: int = Field(
        description="images that went through a graph for the map, or for all `targets` together"
    )
    completeness_gap: float | None = Field(
        description="integrated_gradients: by how much the map's sum misses the difference of "
        "score to the baseline, relative to it; null for other methods, or where there is no "
        "difference"
    )
    quality: MapQuality | None = Field(
        None, description="how faithful the map is, where it was asked for and there is one"
    )
    note: str | None = Field(description="what to know about this map")


class ExplainTimings(Timings):
    """As `Timings`; `explain` is the graph's time and what is made of its outputs."""

    explain: float


class Explained(BaseModel):
    """Why one image is seen so."""

    image_id: str
    explanation: ExplanationBody
    timings_ms: ExplainTimings


class Explanation(Explained, Answer):
    """The answer for one image."""


class ExplainedTargets(BaseModel):
    """Why one image is seen so, for each of several classes."""

    image_id: str
    explanations: list[ExplanationBody] = Field(description="in the order of `targets`")
    timings_ms: ExplainTimings


class TargetsExplanation(ExplainedTargets, Answer):
    """The answer for one image and several classes."""


class Explanations(Answer):
    """The answer for several images, in order."""

    results: list[Explained | ExplainedTargets | Failed]
