"""What requests may say and what answers look like; OpenAPI is made from this.

Answers are built as plain dictionaries, which costs less than models do; the API tests
hold them against these schemas.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from models.manifest import MethodName
from service.core.demand import Priority
from service.core.drift import Statistic
from service.core.heatmap import View
from service.core.numbers import NotTruth
from service.core.palettes import PaletteName
from service.core.robustness import examination
from service.core.robustness.norms import Norm
from service.core.saliency.parameters import Parameters
from service.core.serving import State
from service.core.trust import SetRule, Verdict
from service.jobs.job import JobRequest, JobState


def _index_or_label(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str | None):
        raise PydanticCustomError("target", "Input should be a class index or a label")
    return value


Count = Annotated[int, Field(ge=1), NotTruth]
Probability = Annotated[float, Field(ge=0, le=1)]
Level = Literal["fast", "standard", "thorough"]
MapForm = Literal["numbers", "base64"]


class Options(BaseModel):
    """What every request about images may say."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    priority: ClassVar[Priority]
    repeated: ClassVar[frozenset[str]] = frozenset()  # those that a query may have several times

    model: str | None = Field(
        None, min_length=1, description="Name of the model; the default one if left out."
    )
    version: Count | None = Field(None, description="Its version; the current one if left out.")
    timeout_ms: Count | None = Field(
        None, description="After how many milliseconds an answer is of no use."
    )


class VersionQuery(BaseModel):
    """Which version of a model is meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int | None = Field(None, ge=1, description="The current one if left out.")


class ModelQuery(BaseModel):
    """Which model is meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(
        None, min_length=1, description="Name of the model; the default one if left out."
    )
    version: int | None = Field(None, ge=1, description="Its version; the current one if left out.")


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
        None, description="The least probability to accept; the bundle's own if left out."
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

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if self.level is not None and self.checks is not None:
            raise PydanticCustomError("checks", "level and checks exclude each other")
        return self


class EmbedOptions(Options):
    """Options of `POST /embed`."""

    priority = Priority.CLASSIFY


class SimilarOptions(Options):
    """Options of `POST /similar`."""

    priority = Priority.CLASSIFY

    top_k: Count = Field(5, description="How many training images to list.")


ClassName = Annotated[int | str | None, BeforeValidator(_index_or_label)]


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


class Problem(BaseModel):
    """Problem details, RFC 9457."""

    type: str = Field(examples=["urn:seewhy:corrupt-image"])
    title: str = Field(examples=["Corrupt image"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["the JPEG is broken or cut off: image file is truncated"])
    request_id: str


class ModelName(BaseModel):
    """The bundle that answered."""

    name: str = Field(examples=["efficientnet_lite0"])
    version: int = Field(examples=[1])


class Prediction(BaseModel):
    """A class and the probability that the model gives it."""

    label: str = Field(examples=["tabby, tabby cat"])
    index: int = Field(examples=[281])
    probability: Probability = Field(examples=[0.61])


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
    survived: bool = Field(description="whether the served model keeps its answer")
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


class Timings(BaseModel):
    """Milliseconds by stage; `total` counts from the request's first byte to this result."""

    read: float
    decode: float
    queue: float
    inference: float
    total: float


class Place(BaseModel):
    """A score, higher the less an image is like those that are known."""

    score: float
    percentile: float = Field(
        ge=0, le=100, description="of the score, among those of the calibration images"
    )


class OutOfDistribution(Place):
    """The distance to the nearest training images, and the energy of the logits beside it."""

    energy: Place


class RobustnessTimings(Timings):
    """As `Timings`; `robustness` is the time of all checks."""

    robustness: float


class ClassifyTimings(Timings):
    """As `Timings`; `robustness` and `explain` are the times of what was asked for besides."""

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
        None, description="the classes that cannot be ruled out, most probable first"
    )
    ood: OutOfDistribution | None = None
    decision: Verdict | None = Field(None, description="whether to accept it without a human look")
    reason: str | None = Field(None, description="of the decision")
    robustness: RobustnessBody | None = Field(None, description="only where it was asked for")
    explanation: ExplanationBody | None = Field(None, description="only where it was asked for")
    timings_ms: ClassifyTimings


class Failed(BaseModel):
    """Why one image of several has no answer."""

    image_id: str
    error: Problem


class Answer(BaseModel):
    """What every answer says."""

    request_id: str
    model: ModelName


class Classification(Classified, Answer):
    """The answer for one image."""


class Classifications(Answer):
    """The answer for several images, in order."""

    results: list[Classified | Failed]


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


class ImageEmbedding(BaseModel):
    """One image as a vector."""

    image_id: str
    embedding: list[float]
    timings_ms: Timings


class Embedded(ImageEmbedding, Answer):
    """The answer for one image."""


class Embeddings(Answer):
    """The answer for several images, in order."""

    results: list[ImageEmbedding | Failed]


class Neighbour(BaseModel):
    """A training image that is like this one."""

    id: str
    label: str
    index: int
    distance: float = Field(ge=0, le=2, description="between embeddings at length 1")


class SimilarTimings(Timings):
    """As `Timings`; `search` is the search and the wait for it."""

    search: float


class ImageNeighbours(BaseModel):
    """The training images that are most like one image, nearest first."""

    image_id: str
    neighbours: list[Neighbour]
    timings_ms: SimilarTimings


class Similar(ImageNeighbours, Answer):
    """The answer for one image."""


class Similarities(Answer):
    """The answer for several images, in order."""

    results: list[ImageNeighbours | Failed]


class RobustnessChecked(BaseModel):
    """How easily the answer for one image is changed."""

    image_id: str
    prediction: Prediction = Field(description="the answer that is checked")
    robustness: RobustnessBody
    timings_ms: RobustnessTimings


class Robustness(RobustnessChecked, Answer):
    """The answer for one image."""


class Robustnesses(Answer):
    """The answer for several images, in order."""

    results: list[RobustnessChecked | Failed]


class ModelSummary(BaseModel):
    """A model of the repository."""

    name: str
    versions: list[int]
    current: int | None = Field(
        description="the repository's current version; null where that is broken"
    )
    serving: int | None = Field(
        description="the version that answers where a request names none, settled by the first "
        "such request; null before it"
    )
    default: bool = Field(description="whether it is served where a request names no model")
    loaded: list[int] = Field(description="the versions that are loaded now")
    error: str | None = Field(description="why the current version cannot be loaded, if so")


class ModelList(BaseModel):
    """All models of the repository."""

    models: list[ModelSummary]


class ModelDetails(ModelSummary):
    """A model, and the manifest of one of its versions."""

    manifest: dict[str, Any]


class DriftFinding(BaseModel):
    """One statistic of the last window."""

    value: float
    threshold: float = Field(description="what few undisturbed windows exceed")
    drifted: bool


class Drift(BaseModel):
    """How far a model's answers have come from those on its calibration images."""

    model: ModelName
    window: int = Field(description="answers that are compared together")
    gathered: int = Field(description="answers in the window that is not full yet")
    windows: int = Field(description="windows that were compared since the model was loaded")
    drifted_in_a_row: int = Field(description="how many of the last windows had drifted")
    false_alarm_rate: float = Field(
        description="the share of undisturbed windows that count as drifted, at most"
    )
    last: dict[Statistic, DriftFinding] = Field(
        description="the statistics of the last window; empty before it"
    )


class GraphReadiness(BaseModel):
    """One graph of a loaded model."""

    state: State
    provider: str = Field(examples=["cpu"])
    reason: str | None = Field(description="why it failed")


class RunPlan(BaseModel):
    """How many sessions run at once, with how many threads and rows each."""

    sessions: int
    threads: int = Field(description="0: one for each core")
    batch: int


class LoadedModel(ModelName):
    """A loaded model, its graphs, and how the one that classifies is run."""

    plan: RunPlan
    graphs: dict[str, GraphReadiness]


class LogReadiness(BaseModel):
    """Whether answers are remembered."""

    state: Literal["off", "writing", "failed"]
    reason: str | None = Field(None, description="why it failed")


class Readiness(BaseModel):
    """Whether the service can classify, and what else it can do."""

    ready: bool
    provider: str = Field(description="what runs the graphs", examples=["cpu"])
    prediction_log: LogReadiness
    models: list[LoadedModel]


class Health(BaseModel):
    """The process is alive."""

    status: Literal["ok"]


class Feedback(BaseModel):
    """What an image really shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_id: str = Field(description="as the answer of `/classify` gave it")
    label: Annotated[int | str, BeforeValidator(_index_or_label)] = Field(
        description="the index or the label of a class, or one of its synonyms"
    )


class Noted(BaseModel):
    """A label that was noted, beside what the model had said."""

    image_id: str
    model: ModelName
    label: str
    predicted: str
    right: bool


class LiveAccuracy(BaseModel):
    """How often a version was right, of the images whose label is known."""

    model: str
    version: int
    labelled: int = Field(ge=1, description="how many these are")
    right: int
    accuracy: Probability


class LiveAccuracies(BaseModel):
    """Every version's accuracy."""

    versions: list[LiveAccuracy]


class JobBody(BaseModel):
    """A job; times in seconds since 1970."""

    id: str
    state: JobState
    request: JobRequest
    images: int | None = Field(description="how many there are, once they are counted")
    done: int = Field(description="rows so far")
    failed: int = Field(description="rows with an error so far")
    created: float
    finished: float | None
    seconds_left: float | None = Field(description="by the rate so far")
    error: str | None = Field(description="why it failed")


class Jobs(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobBody]
