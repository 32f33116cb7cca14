"""Reading and decoding one input."""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from models.errors import ImageError
from models.manifest import Preprocessing
from models.photo import Limits
from models.preprocess import Crop, preprocess
from service.core.scoring.items import Item


@dataclass(frozen=True)
class Readable:
    """What is read at all: an image of at most so many bytes, and of at most so many pixels.

    `within` is a folder, links followed, that files have to be below; None for any.
    """

    max_bytes: int
    limits: Limits
    within: Path | None = None


@dataclass(frozen=True, eq=False)
class Decoded:
    """An input's crop, or why there is none.

    `sha256` is that of the encoded bytes, None where they could not be read; `seconds` is what
    reading and decoding took.
    """

    item: Item
    sha256: str | None
    crop: Crop | None
    error: str | None
    seconds: float


def decode(item: Item, preprocessing: Preprocessing, readable: Readable) -> Decoded:
    """Read and decode one input; what is wrong with an image is told in `error`.

    The error's text is the kind of it, a colon and the reason.
    """
    started = time.perf_counter()
    sha256, crop, error = None, None, None
    try:
        data = item.read(readable.max_bytes, readable.within)
        sha256 = hashlib.sha256(data).hexdigest()
        crop = preprocess(data, preprocessing, readable.limits)
    except ImageError as problem:
        error = f"{type(problem).__name__}: {problem}"
    return Decoded(item, sha256, crop, error, time.perf_counter() - started)
