"""The manifest: everything about a bundle that is not a tensor."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MOST_VERSION = 999_999_999

SCHEMA_VERSION: Literal[1] = 1

NAME_PATTERN = r"^[a-z0-9][a-z0-9_.-]*$"


class Graph(StrEnum):
    """The ONNX graphs of a bundle; DESIGN's table of files says what each computes."""

    MODEL = "model"
    FLOAT = "float"
    CAM = "cam"
    GRADIENT = "gradient"

    @property
    def filename(self) -> str:
        """The graph's file inside the bundle."""
        return f"{self.value}.onnx"


class Precision(StrEnum):
    """What the weights of `model.onnx` are stored in; the other graphs are always float32."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


MethodName = Literal[
    "gradient", "gradient_x_input", "smoothgrad", "integrated_gradients",
    "gradcam", "gradcam++", "hirescam", "layercam", "xgradcam",
    "cam", "eigencam", "scorecam", "occlusion", "rise",
]  # fmt: skip
"""The saliency methods, `service.core.saliency`."""


class Resampling(StrEnum):
    """Resampling filters, named as Pillow names them.

    Nearest and box are left out: no classifier is trained with them, and their weights jump,
    so that rounding alone decides which pixel they take.
    """

    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


class Frozen(BaseModel):
    """A value object: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


PositiveInt = Annotated[int, Field(ge=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Scale = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]


class Preprocessing(Frozen):
    """From a decoded photo to the uint8 crop that `model.onnx` takes.

    The shorter side is resized to `resize` pixels (aspect kept), then `crop` is cut from
    the centre. `mean` and `std` (RGB, for pixels in [0, 1]) are applied inside the graphs
    and stand here for the reader.
    """

    resize: PositiveInt
    crop: tuple[PositiveInt, PositiveInt] = Field(description="height, width")
    resampling: Resampling
    mean: tuple[Finite, Finite, Finite]
    std: tuple[Scale, Scale, Scale]

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if max(self.crop) > self.resize:
            raise ValueError(f"crop {self.crop} is larger than the resized photo ({self.resize})")
        return self


class TensorSpec(Frozen):
    """A graph's input or output; "N" marks the batch dimension."""

    name: str
    dtype: Literal["uint8", "float16", "float32", "int64"]
    shape: tuple[PositiveInt | Literal["N"], ...]


class GraphSpec(Frozen):
    """What goes into a graph and what comes out, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def shape(self, name: str) -> tuple[int | Literal["N"], ...] | None:
        """The shape of an input or output; None where there is none of that name."""
        shapes = {each.name: each.shape for each in (*self.inputs, *self.outputs)}
        return shapes.get(name)


class Tolerances(Frozen):
    """How far a provider may be from the golden outputs.

    `logits` is the largest relative L2 error; `gradient_cosine` the smallest cosine. In a
    bundle of fp16 or int8, `rounded` is the largest relative L2 error of any output of
    `model.onnx`, and the others hold for the graphs that stay float32.
    """

    logits: float = Field(default=1e-4, gt=0, lt=1)
    gradient_cosine: float = Field(default=0.999, gt=0, le=1)
    rounded: float | None = Field(default=None, gt=0, lt=1)


class CamWeights(Frozen):
    """Where a pooled linear head's weight lies in `weights.bin`: float32 [K, C], row-major."""

    weight: str
    offset: int = Field(ge=0)
    shape: tuple[PositiveInt, PositiveInt]


class ExplainedLayer(Frozen):
    """The layer whose activations [N, C, h, w] the CAM family weighs.

    `cam` is set where the logits are linear in the spatial mean of these activations
    (global average pooling, then one linear layer).
    """

    name: str
    channels: PositiveInt
    grid: tuple[PositiveInt, PositiveInt] = Field(description="height, width")
    cam: CamWeights | None = None


class Provenance(Frozen):
    """Where a bundle comes from."""

    backbone: str
    weights: str = Field(description="source of the weights")
    licence: str = Field(description="licence of the weights")
    created_by: str = Field(description="the command that makes this bundle again")
    parameters: PositiveInt
    seed: int
    data_fingerprint: str | None = None
    noise: float = Field(
        default=0.0, ge=0, description="sigma of the Gaussian noise that the network learned under"
    )
    libraries: dict[str, str]


def _not_falling(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(later < earlier for earlier, later in pairwise(values)):
        raise ValueError("quantiles do not fall")
    return values


def _rising_with_coverage(thresholds: dict[str, float]) -> dict[str, float]:
    ordered = [thresholds[coverage] for coverage in sorted(thresholds, key=float)]
    if ordered != sorted(ordered):
        raise ValueError("a threshold does not fall where the coverage rises")
    return thresholds


Coverage = Annotated[str, Field(pattern=r"^0\.[0-9]*[1-9]$")]
Quantiles = Annotated[
    tuple[Finite, ...], Field(min_length=101, max_length=101), AfterValidator(_not_falling)
]


class Lac(Frozen):
    """Prediction sets of the least ambiguous kind: `service.core.conformal.lac_scores`."""

    thresholds: Annotated[
        dict[Coverage, Annotated[Finite, Field(ge=0, le=1)]],
        Field(min_length=1, description="the largest score in a set, by coverage"),
        AfterValidator(_rising_with_coverage),
    ]


class Raps(Frozen):
    """Regularized adaptive prediction sets: `service.core.conformal.raps_scores`."""

    thresholds: Annotated[
        dict[Coverage, Annotated[Finite, Field(ge=-1)]],
        Field(min_length=1, description="the largest score in a set, by coverage"),
        AfterValidator(_rising_with_coverage),
    ]
    penalty: Finite = Field(ge=0, description="lambda in the paper: for each rank past k_reg")
    k_reg: PositiveInt = Field(description="ranks that go free")


class Conformal(Frozen):
    """Conformal prediction sets in both ways, for the same coverages."""

    lac: Lac
    raps: Raps

    @model_validator(mode="after")
    def _has_the_same_coverages(self) -> Self:
        if self.lac.thresholds.keys() != self.raps.thresholds.keys():
            raise ValueError("lac and raps have the same coverages")
        return self


class OutOfDistribution(Frozen):
    """The 0th to 100th percentile of each score of `service.core.ood` on calibration data."""

    energy: Quantiles
    nearest_neighbour: Quantiles
    k: PositiveInt = Field(description="which nearest neighbour counts")


class Decision(Frozen):
    """When an answer is accepted without a human look."""

    min_probability: float = Field(ge=0, le=1, description="the least; 1 accepts none")
    max_ood_percentile: float = Field(ge=0, le=100)


class Calibration(Frozen):
    """What was fitted on held-out data; a bundle without it is not calibrated."""

    temperature: Finite = Field(gt=0)
    conformal: Conformal | None = None
    ood: OutOfDistribution | None = None
    decision: Decision | None = None


class Squeezing(Frozen):
    """How well feature squeezing tells attacked images from others.

    Half of the evaluation's images fitted the threshold, the other half judged it.
    """

    threshold: float = Field(ge=0, le=2, description="disagreement above which an image is suspect")
    images: PositiveInt = Field(description="that judged it")
    false_alarms: float = Field(ge=0, le=1, description="share of them that is suspect as it is")
    attack: str
    detection_rate: float | None = Field(
        ge=0, le=1, description="share of those it fooled that is suspect; null: it fooled none"
    )


class Manifest(Frozen):
    """`manifest.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(pattern=NAME_PATTERN, max_length=100)
    version: int = Field(ge=1, le=MOST_VERSION)
    labels: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    preprocessing: Preprocessing
    graphs: dict[Graph, GraphSpec]
    opset: PositiveInt
    precision: Precision
    tolerances: Tolerances
    explained_layer: ExplainedLayer | None
    default_explanation: MethodName | None
    provenance: Provenance
    metrics: dict[str, Finite]
    calibration: Calibration | None
    squeezing: Squeezing | None
    sha256: dict[FileName, Sha256] = Field(description="of every other file, by name")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if Graph.MODEL not in self.graphs:
            raise ValueError("a bundle serves model.onnx, and this one has none")
        serving = self.graphs[Graph.MODEL]
        image, logits = serving.shape("image"), serving.shape("logits")
        if image != ("N", *self.preprocessing.crop, 3):
            raise ValueError(
                f"a crop of {self.preprocessing.crop} does not fit images of shape {image}"
            )
        if logits != ("N", len(self.labels)):
            raise ValueError(f"{len(self.labels)} labels do not fit logits of shape {logits}")
        missing = [g.filename for g in self.graphs if g.filename not in self.sha256]
        if missing:
            raise ValueError(f"no sha256 for {', '.join(missing)}")
        layer = self.explained_layer
        if layer is not None:
            grid = ("N", layer.channels, *layer.grid)
            if serving.shape("activations") != grid:
                raise ValueError(f"the explained layer does not fit activations of shape {grid}")
            if layer.cam is not None and layer.cam.shape != (len(self.labels), layer.channels):
                raise ValueError(f"a weight of shape {layer.cam.shape} does not fit the layer")
        if (self.precision is Precision.FP32) != (self.tolerances.rounded is None):
            raise ValueError("a tolerance for what is rounded goes with fp16 and int8 alone")
        return self
