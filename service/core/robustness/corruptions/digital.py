"""What storing and sending does to images."""

from io import BytesIO

import numpy as np
from PIL import Image

from service.core.robustness.corruptions.pixels import Pixels, pixels


def contrast(image: Pixels, severity: int, _: np.random.Generator) -> Pixels:
    """Draw every pixel towards the image's mean colour."""
    mean = (image / 255).mean(axis=(0, 1))
    return pixels((image / 255 - mean) * (0.4, 0.3, 0.2, 0.1, 0.05)[severity - 1] + mean)


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
