"""Where in the photo the object lies that a saliency map points at, as a box."""

import numpy as np
import numpy.typing as npt

from service.core.saliency.resampling import blur

Box = tuple[float, float, float, float]

Mask = npt.NDArray[np.bool_]

# Of fifteen pairs, the best for gradients on photos of known place: docs/explanations.md.
_THRESHOLD = 0.4
_BLUR = 0.05


def object_box(saliency: npt.NDArray[np.floating]) -> Box | None:
    """The box around the largest connected part of a map that is bright.

    Simonyan et al. 2013, "Deep inside convolutional networks", section 3.2, spread the bright
    pixels over the object by a graph cut on the photo's colours. Here a Gaussian blur, of 5%
    of the map's shorter side, joins them, and bright is what reaches 40% of the largest value
    (Zhou et al. 2016, section 3.2, threshold class activation maps in the same way, at 20%).

    Args:
        saliency: [H, W], not negative.

    Returns:
        (left, top, right, bottom) in the map's pixels, whole numbers, right and bottom
        just outside the box; None where the map is zero everywhere.
    """
    brightest = saliency.max()
    if brightest == 0:
        return None
    smooth = blur(saliency / brightest, _BLUR * min(saliency.shape))
    return _largest_component(smooth >= _THRESHOLD * smooth.max())


def to_photo(box: Box, map_shape: tuple[int, ...], crop: Box) -> Box:
    """A box in a map's pixels as a box in the photo's pixels.

    Args:
        box: (left, top, right, bottom) in the map's pixels.
        map_shape: the map's (height, width).
        crop: (left, top, right, bottom) of what the map covers, in the photo's pixels.
    """
    left, top, right, bottom = crop
    height, width = map_shape
    across, down = (right - left) / width, (bottom - top) / height
    return (
        left + box[0] * across,
        top + box[1] * down,
        left + box[2] * across,
        top + box[3] * down,
    )


def _largest_component(mask: Mask) -> Box:
    """The box of the most pixels that hang together by their sides; the mask is not empty."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    component = _joined(rows.tolist(), starts.tolist(), ends.tolist())
    largest = component == np.bincount(component, weights=ends - starts).argmax()
    return (
        float(starts[largest].min()),
        float(rows[largest].min()),
        float(ends[largest].max()),
        float(rows[largest].max() + 1),
    )


def _joined(rows: list[int], starts: list[int], ends: list[int]) -> npt.NDArray[np.int64]:
    """The component of each run of pixels, by union-find; runs are in reading order."""
    parents = list(range(len(rows)))

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = run = parents[parents[run]]
        return run

    first = 0
    for run, row in enumerate(rows):
        # What ends before this run, in the row above, ends before the next runs too.
        while rows[first] < row - 1 or (rows[first] == row - 1 and ends[first] <= starts[run]):
            first += 1
        above = first
        while rows[above] == row - 1 and starts[above] < ends[run]:
            parents[root(above)] = root(run)
            above += 1
    return np.array([root(run) for run in range(len(rows))])
