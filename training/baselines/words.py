"""An image as a bag of visual words: which small patterns it has, and roughly where.

Sivic & Zisserman 2003, "Video Google"; in a spatial pyramid: Lazebnik et al. 2006, "Beyond
bags of features".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage.color import rgb2gray
from skimage.feature import SIFT
from sklearn.cluster import MiniBatchKMeans

WORDS = 200
LEVELS = (1, 2)
"""Parts along a side of each level of the pyramid."""

DIMENSIONS = 128


@dataclass(frozen=True, eq=False)
class Keypoints:
    """Local patterns: `descriptors` [M, 128], and `places` [M, 2], row and column in [0, 1)."""

    descriptors: npt.NDArray[np.float64]
    places: npt.NDArray[np.float64]


def keypoints(crop: npt.NDArray[np.uint8]) -> Keypoints:
    """Scale-invariant features of a crop, uint8 [H, W, 3], and perhaps none.

    Lowe 2004, "Distinctive image features from scale-invariant keypoints", with the square
    roots of Arandjelovic & Zisserman 2012, "Three things everyone should know to improve
    object retrieval".
    """
    detector = SIFT()
    try:
        detector.detect_and_extract(rgb2gray(crop))
    except RuntimeError:  # how scikit-image says that there are none
        return Keypoints(np.zeros((0, DIMENSIONS)), np.zeros((0, 2)))
    counts = np.asarray(detector.descriptors, dtype=np.float64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return Keypoints(np.sqrt(shares), detector.keypoints / np.array(crop.shape[:2]))


def vocabulary(found: Sequence[Keypoints], *, seed: int) -> MiniBatchKMeans:
    """Cluster the descriptors of training images into words.

    Args:
        found: of each training image.
        seed: of the clusters.
    """
    descriptors = np.concatenate([each.descriptors for each in found])
    if not len(descriptors):  # one word, which no image has
        descriptors = np.zeros((1, DIMENSIONS))
    words = MiniBatchKMeans(min(WORDS, len(descriptors)), n_init=1, random_state=seed)
    return words.fit(descriptors)


def pyramid(found: Keypoints, words: MiniBatchKMeans) -> npt.NDArray[np.float64]:
    """Square roots of each word's share in each part of each level: [5 * words]."""
    count = words.n_clusters
    if not len(found.places):
        return np.zeros(count * sum(level**2 for level in LEVELS))
    assigned = words.predict(found.descriptors).astype(np.int64)
    histograms = []
    for level in LEVELS:
        row, column = np.minimum((found.places * level).astype(np.int64), level - 1).T
        cells = (row * level + column) * count + assigned
        histograms.append(np.bincount(cells, minlength=count * level**2))
    shares = np.concatenate(histograms) / len(assigned)
    return np.asarray(np.sqrt(shares), dtype=np.float64)
