"""One look at every image: which can be read, which are alike, and what they all are."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

from models.errors import DataError, ImageError
from models.photo import DEFAULT_LIMITS, decode
from training.data.dataset import Dataset, Sample

HASH_SIDE = 16
"""A perceptual hash has this many bits squared; 64 would not tell textures apart."""

FLAT = 8
"""Grey levels that a small copy of an image must span, or it counts as blank.

A perceptual hash knows no contrast, so that all blank images are alike to it. The flattest
of 1,344 photos of grey metal spans 56 levels.
"""


@dataclass(frozen=True)
class Unreadable:
    """An image that was left out, and why."""

    id: str
    reason: str


@dataclass(frozen=True, eq=False)
class Survey:
    """What is in a data set.

    `dataset` holds the readable images alone. `hashes` is uint8 [N, 32], in their order: a
    perceptual hash of each, or for a blank image the hash of its content. `fingerprint` is
    64 hexadecimal digits that depend on contents and labels, and on no path or order.
    """

    dataset: Dataset
    unreadable: tuple[Unreadable, ...]
    hashes: npt.NDArray[np.uint8]
    fingerprint: str


@dataclass(frozen=True, eq=False)
class _Look:
    sample: Sample
    content: str
    hash: npt.NDArray[np.uint8]


def survey(dataset: Dataset) -> Survey:
    """Read and decode every image once, as the service would.

    Raises:
        DataError: a class is left without a readable image.
    """
    with ThreadPoolExecutor() as pool:
        seen = list(pool.map(_look, dataset.samples))
    looks = [look for look in seen if isinstance(look, _Look)]
    unreadable = tuple(look for look in seen if isinstance(look, Unreadable))
    readable = replace(dataset, samples=tuple(look.sample for look in looks))
    for label, count in readable.counts().items():
        if not count:
            reason = next(
                look.reason
                for sample, look in zip(dataset.samples, seen, strict=True)
                if isinstance(look, Unreadable) and dataset.labels[sample.label] == label
            )
            raise DataError(f"no image of {label} can be read: {reason}")
    return Survey(
        readable, unreadable, np.stack([look.hash for look in looks]), _fingerprint(looks, dataset)
    )


def _look(sample: Sample) -> _Look | Unreadable:
    try:
        data = sample.read()
        photo = decode(data, DEFAULT_LIMITS)
    except (ImageError, OSError) as error:
        return Unreadable(sample.id, str(error))
    content = hashlib.sha256(data)
    return _Look(sample, content.hexdigest(), _perceptual(photo.image, content.digest()))


def _perceptual(photo: Image.Image, content: bytes) -> npt.NDArray[np.uint8]:
    """uint8 [32]: a perceptual hash, or for a blank image that of its content."""
    side = HASH_SIDE * 4  # imagehash's own, which leaves an image of this size as it is
    small = photo.convert("L").resize((side, side), Image.Resampling.LANCZOS)
    if np.ptp(np.asarray(small)) < FLAT:
        return np.frombuffer(content, dtype=np.uint8)
    return np.packbits(imagehash.phash(small, hash_size=HASH_SIDE).hash)


def _fingerprint(looks: Iterable[_Look], dataset: Dataset) -> str:
    lines = sorted(f"{look.content} {dataset.labels[look.sample.label]}\n" for look in looks)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
