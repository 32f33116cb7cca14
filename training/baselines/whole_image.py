"""Descriptors of a whole image: its colours, its edges, its texture.

Each takes a crop, uint8 [H, W, 3], RGB.
"""

import numpy as np
import numpy.typing as npt
from skimage.color import rgb2gray
from skimage.feature import hog, local_binary_pattern

Crop = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

COLOURS = 6
"""Bins for each of red, green and blue."""

CELL = 16
"""Pixels along a cell of the histogram of gradients."""

NEIGHBOURS = 8
GRID = 4


def colour_histogram(crop: Crop) -> Floats:
    """How much there is of each colour: [216], square roots of shares.

    Swain & Ballard 1991, "Color indexing"; with square roots, a linear classifier compares
    histograms by Hellinger's distance.
    """
    bins = (crop.reshape(-1, 3).astype(np.int64) * COLOURS) // 256
    cells = bins @ np.array([COLOURS**2, COLOURS, 1])
    counts = np.bincount(cells, minlength=COLOURS**3)
    return np.asarray(np.sqrt(counts / counts.sum()))


def oriented_gradients(crop: Crop) -> Floats:
    """Histograms of gradients' directions in cells of 16 x 16 pixels.

    Dalal & Triggs 2005, "Histograms of oriented gradients for human detection".
    """
    found = hog(rgb2gray(crop), pixels_per_cell=(CELL, CELL), cells_per_block=(2, 2))
    return np.asarray(found, dtype=np.float64)


def binary_patterns(crop: Crop) -> Floats:
    """Histograms of uniform local binary patterns in 4 x 4 parts: [160], square roots of shares.

    Ojala et al. 2002, "Multiresolution gray-scale and rotation invariant texture
    classification with local binary patterns".
    """
    grey = np.round(rgb2gray(crop) * 255).astype(np.uint8)
    patterns = local_binary_pattern(grey, NEIGHBOURS, 1, "uniform").astype(np.int64)
    parts = [
        part for row in np.array_split(patterns, GRID) for part in np.array_split(row, GRID, axis=1)
    ]
    shares = [np.bincount(part.ravel(), minlength=NEIGHBOURS + 2) / part.size for part in parts]
    return np.asarray(np.sqrt(np.concatenate(shares)))
