"""Reading and decoding images ahead of what uses them."""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from models.errors import ImageError
from models.manifest import Preprocessing
from models.photo import Limits
from models.preprocess import preprocess
from service.core.scoring.items import Item

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Readable:
    """What is read at all: an image of at most so many bytes, and of at most so many pixels."""

    max_bytes: int
    limits: Limits


@dataclass(frozen=True, eq=False)
class Decoded:
    """An input's crop, uint8 [H, W, 3], or why there is none.

    `sha256` is that of the encoded bytes, None where they could not be read; `seconds` is what
    reading and decoding took.
    """

    item: Item
    sha256: str | None
    pixels: npt.NDArray[np.uint8] | None
    error: str | None
    seconds: float


def decode(item: Item, preprocessing: Preprocessing, readable: Readable) -> Decoded:
    """Read and decode one input; what is wrong with an image is told in `error`.

    The error's text is the kind of it, a colon and the reason.
    """
    started = time.perf_counter()
    sha256, pixels, error = None, None, None
    try:
        data = item.read(readable.max_bytes)
        sha256 = hashlib.sha256(data).hexdigest()
        pixels = preprocess(data, preprocessing, readable.limits).pixels
    except ImageError as problem:
        error = f"{type(problem).__name__}: {problem}"
    return Decoded(item, sha256, pixels, error, time.perf_counter() - started)


def ahead(
    function: Callable[[T], R], arguments: Iterable[T], *, threads: int, most: int
) -> Iterator[R]:
    """The function's results in order, computed in threads while the caller is busy.

    Args:
        function: called once for each argument.
        arguments: taken when there is room.
        threads: how many calls run at once.
        most: arguments and results held at a time.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for argument in arguments:
                if len(waiting) >= most:
                    yield waiting.popleft().result()
                waiting.append(pool.submit(function, argument))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
