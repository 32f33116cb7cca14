"""The options and answers of `/feedback`."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.api.schemas.images import ModelName, Probability, index_or_label


class Feedback(BaseModel):
    """What an image really shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_id: str = Field(description="as the answer of `/classify` gave it")
    label: Annotated[int | str, BeforeValidator(index_or_label)] = Field(
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
