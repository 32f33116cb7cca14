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
from models.preprocess import upright_photo
from training.data.dataset import Dataset, Sample

HASH_SIDE = 16
"""A perceptual hash has this many bits squared; 64 would not tell textures apart."""


@dataclass(frozen=True)
class Unreadable:
    """An image that was left out, and why."""

    id: str
    reason: str


@dataclass(frozen=True, eq=False)
class Survey:
    """What is in a data set.

    `dataset` holds the readable images alone. `hashes` is uint8 [N, 32], a perceptual hash
    of each in their order. `fingerprint` is 64 hexadecimal digits that depend on contents
    and labels, and on no path or order.
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
            raise DataError(f"no image of {label} can be read: {unreadable[0].reason}")
    return Survey(
        readable, unreadable, np.stack([look.hash for look in looks]), _fingerprint(looks, dataset)
    )


def _look(sample: Sample) -> _Look | Unreadable:
    try:
        data = sample.read()
        photo = upright_photo(data)
    except (ImageError, OSError) as error:
        return Unreadable(sample.id, str(error))
    bits = imagehash.phash(Image.fromarray(photo), hash_size=HASH_SIDE).hash
    return _Look(sample, hashlib.sha256(data).hexdigest(), np.packbits(bits))


def _fingerprint(looks: Iterable[_Look], dataset: Dataset) -> str:
    lines = sorted(f"{look.content} {dataset.labels[look.sample.label]}\n" for look in looks)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
