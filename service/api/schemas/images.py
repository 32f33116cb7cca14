"""What requests about images, and their answers, have in common."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from service.core.demand import Priority
from service.core.numbers import NotTruth


def index_or_label(value: Any) -> Any:
    """Refuse what pydantic would make an integer or a text of."""
    if isinstance(value, bool) or not isinstance(value, int | str | None):
        raise PydanticCustomError("target", "Input should be a class index or a label")
    return value


Count = Annotated[int, Field(ge=1), NotTruth]
Probability = Annotated[float, Field(ge=0, le=1)]


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

    @property
    def passes(self) -> int:
        """The most passes through a graph that the checks of one image may take.

        Raises:
            InvalidRequest: a check is malformed.
        """
        return 0


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


ClassName = Annotated[int | str | None, BeforeValidator(index_or_label)]


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


class Timings(BaseModel):
    """Milliseconds by stage; `total` counts from the request's first byte to this result."""

    read: float
    decode: float
    queue: float
    inference: float
    total: float


class Failed(BaseModel):
    """Why one image of several has no answer."""

    image_id: str
    error: Problem


class Answer(BaseModel):
    """What every answer says."""

    request_id: str
    model: ModelName
