"""What processing, storing and sending does to images."""

from io import BytesIO

import numpy as np
from PIL import Image

from service.core.robustness.bilinear import mirrored, repeated, sampled
from service.core.robustness.corruptions.gaussian import smoothed
from service.core.robustness.corruptions.pixels import Pixels, pixels

_SIDE = 244
"""In whose shares ImageNet-C's stretching is given; it meant 224."""


def contrast(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Draw every pixel towards the image's mean colour."""
    mean = (image / 255).mean(axis=(0, 1))
    return pixels((image / 255 - mean) * (0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1] + mean)


def elastic_transform(image: Pixels, severity: int, generator: np.random.Generator) -> Pixels:
    """Stretch the image as a whole, then every part of it otherwise.

    ImageNet-C's severities are no order: the first two shear, the others ripple.
    """
    share, deviation, most = (
        (2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)
    )[severity - 1]  # fmt: skip
    size = np.array(image.shape[:2])
    middle, reach = size // 2, min(size) // 3
    corners = middle + reach * np.array([[1, 1], [1, -1], [-1, -1]])
    moved = corners + generator.uniform(-most * _SIDE, most * _SIDE, (3, 2)).astype(np.float32)
    # From where the corners have moved to, back to where they were.
    affine = np.linalg.solve(np.column_stack([moved, np.ones(3)]), corners)
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float64)
    across, down = np.moveaxis(np.stack([columns, rows, np.ones(size)], axis=-1) @ affine, -1, 0)
    sheared = sampled(image[np.newaxis] / 255, down, across, mirrored)
    spread = (deviation * _SIDE, deviation * _SIDE)
    across, down = (
        share
        * _SIDE
        * smoothed(generator.uniform(-1, 1, size), spread, border="symmetric", reach=3)
        for _ in range(2)
    )
    return pixels(sampled(sheared, rows + down, columns + across, repeated)[0])


def pixelate(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Store fewer pixels."""
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[severity - 1]
    whole = Image.fromarray(image)
    few = whole.resize((int(whole.width * share), int(whole.height * share)), Image.Resampling.BOX)
    return np.asarray(few.resize(whole.size, Image.Resampling.NEAREST))


def jpeg_compression(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Store as a JPEG of low quality."""
    jpeg = BytesIO()
    Image.fromarray(image).save(jpeg, "JPEG", quality=(25, 18, 15, 10, 7)[severity - 1])
    return np.asarray(Image.open(jpeg))
