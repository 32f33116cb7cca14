"""The options and answers of `/embed` and `/similar`."""

from pydantic import Base64Bytes, BaseModel, Field

from service.api.schemas.images import Answer, Count, Failed, Options, Timings
from service.core.demand import Priority

MOST_NEIGHBOURS = 1000
"""With thumbnails a few megabytes; all of 100,000 would be hundreds, and hold up other requests."""


class EmbedOptions(Options):
    """Options of `POST /embed`."""

    priority = Priority.CLASSIFY


class SimilarOptions(Options):
    """Options of `POST /similar`."""

    priority = Priority.CLASSIFY

    top_k: Count = Field(5, le=MOST_NEIGHBOURS, description="How many training images to list.")


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
    thumbnail: Base64Bytes | None = Field(
        None,
        description="What the model saw of it: a JPEG of at most 96 pixels a side, in base64; "
        "left out where the bundle keeps none.",
    )


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
