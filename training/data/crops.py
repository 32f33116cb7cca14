"""What the network sees of each image, by the one preprocessing function."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from models.manifest import Preprocessing
from models.preprocess import preprocess
from training.data.dataset import Sample


def crops(samples: Sequence[Sample], preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Read, decode and crop images: uint8 [N, H, W, 3], RGB.

    Raises:
        ImageError: an image cannot be decoded; a survey leaves such images out.
        OSError: a file cannot be read.
    """

    def crop(sample: Sample) -> npt.NDArray[np.uint8]:
        return preprocess(sample.read(), preprocessing).pixels

    # Pillow lets other threads run while it decodes.
    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(crop, samples)))
