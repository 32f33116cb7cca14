"""SeeWhy, but for decoding and resizing photos as the peers do: what it saves elsewhere.

`benchmarks.serving.closed_loop` starts it, with the peers' folder among those it imports from.
"""

from io import BytesIO

from classifier import decode
from PIL import Image

from models.manifest import Preprocessing
from models.photo import Limits
from models.preprocess import Crop, crop_box
from seewhy.cli import main
from service.api import pipeline


def as_the_peers(data: bytes, preprocessing: Preprocessing, _: Limits) -> Crop:
    """What stands in for `models.preprocess.preprocess`."""
    with Image.open(BytesIO(data)) as image:
        size = image.size
    return Crop(decode(data)[0], size, crop_box(size, preprocessing), "JPEG")


if __name__ == "__main__":
    pipeline.preprocess = as_the_peers
    main()
