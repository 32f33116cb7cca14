"""Where in the photo the object lies that a saliency map points at, as a box."""

import numpy as np
import numpy.typing as npt

from service.core.saliency.resampling import blur, enlarge_and_blur

Box = tuple[float, float, float, float]

Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]

# Of fifteen pairs, the best for gradients on photos of known place: docs/explanations.md.
_THRESHOLD = 0.4
_BLUR = 0.05


def object_box(
    saliency: npt.NDArray[np.floating], coarse: npt.NDArray[np.floating] | None = None
) -> Box | None:
    """The box around the largest connected part of a map that is bright.

    Simonyan et al. 2013, "Deep inside convolutional networks", section 3.2, spread the bright
    pixels over the object by a graph cut on the photo's colours. Here a Gaussian blur, of 5%
    of the map's shorter side, joins them, and bright is what reaches 40% of the largest value
    (Zhou et al. 2016, section 3.2, threshold class activation maps in the same way, at 20%).

    Args:
        saliency: [H, W], not negative.
        coarse: [h, w] of which that is the enlargement, where it is one; the box is the same,
            and found sooner.

    Returns:
        (left, top, right, bottom) in the map's pixels, whole numbers, right and bottom
        just outside the box; None where the map is zero everywhere.
    """
    brightest = saliency.max()
    if brightest == 0:
        return None
    sigma = _BLUR * min(saliency.shape)
    if coarse is None:
        smooth = blur(saliency / brightest, sigma)
    else:
        smooth = enlarge_and_blur(coarse / brightest, saliency.shape, sigma)
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
    # Between dark columns at both sides, every run of pixels begins and ends within its row.
    height, width = mask.shape
    framed = np.zeros((height, width + 2), dtype=np.bool_)
    framed[:, 1:-1] = mask
    pixels = framed.ravel()
    edges = np.flatnonzero(pixels[1:] != pixels[:-1])
    starts, ends = edges[::2], edges[1::2]
    component = _joined(starts, ends, width + 2)
    largest = component == np.bincount(component, weights=ends - starts).argmax()
    rows, columns = np.divmod(starts[largest], width + 2)
    return (
        float(columns.min()),
        float(rows[0]),
        float((ends[largest] % (width + 2)).max()),
        float(rows[-1] + 1),
    )


def _joined(starts: Positions, ends: Positions, stride: int) -> Positions:
    """The component of each run of pixels, as the first run in it, by union-find.

    Runs are in reading order, their ends positions in a grid with rows of `stride` pixels.
    """
    # In the row above, those that neither end before a run begins nor begin after its end.
    firsts = np.searchsorted(ends, starts - stride, side="right")
    afters = np.searchsorted(starts, ends - stride, side="left")
    parents = np.where(firsts < afters, firsts, np.arange(len(starts))).tolist()

    def root(run: int) -> int:
        while parents[run] != run:
            parents[run] = run = parents[parents[run]]
        return run

    # Where a run touches several, it joins them.
    for run in np.flatnonzero(afters - firsts > 1).tolist():
        for above in range(firsts[run] + 1, afters[run]):
            earlier, later = sorted((root(run), root(above)))
            parents[later] = earlier
    # A run's parent comes before it, and so has been led to its root already.
    for run, parent in enumerate(parents):
        parents[run] = parents[parent]
    return np.array(parents)
