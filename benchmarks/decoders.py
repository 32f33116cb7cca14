"""Which library decodes JPEGs quickest, and whether the crop that follows is the same.

Each decodes at the scale that `models.photo` chooses, and what it made is resized with the
manifest's filter: another filter would change answers. Prints Markdown.

    pip install simplejpeg opencv-python-headless pyvips-binary pyvips
    python benchmarks/decoders.py FOLDER
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from io import BytesIO
from math import ceil
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pyvips
import simplejpeg
from PIL import Image

from benchmarks import pillow
from benchmarks.enlarging import enlarge
from models import bundle
from models.manifest import Preprocessing
from models.photo import Photo
from models.preprocess import MARGIN, crop_box, preprocess
from models.resizing import resize

BUNDLE = Path(__file__).parents[1] / "models/zoo/efficientnet_lite0/1"
MEGAPIXELS = 12
ROUNDS = 7

Pixels = npt.NDArray[np.uint8]
Decoder = Callable[[bytes, int], Pixels]
"""From encoded bytes and a divisor to uint8 [H, W, 3], RGB."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="a folder of JPEGs")
    paths = sorted(parser.parse_args().photos.rglob("*.jpg"))[:40]
    steps = bundle.read(BUNDLE).manifest.preprocessing
    small = [path.read_bytes() for path in paths]
    print(conditions(len(paths)))
    print("| photos | decoder | CPU ms a photo | of ours | crops equal to the bit | largest gap |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    large = [enlarge(photo, MEGAPIXELS) for photo in small]
    for name, photos in (("as they are", small), (f"{MEGAPIXELS} MP", large)):
        report(name, photos, steps)


def report(name: str, photos: Sequence[bytes], steps: Preprocessing) -> None:
    """Print a row for each decoder; the least of several rounds, taken in turns, counts."""
    ways: dict[str, Callable[[bytes], Pixels]] = {
        "Pillow, as in `models.preprocess`": lambda data: preprocess(data, steps).pixels,
        "Pillow, resized by Pillow": partial(
            pillow.crop, steps=steps, shorter=ceil(MARGIN * steps.resize)
        ),
    }
    for library, decoder in DECODERS.items():
        ways[library] = partial(crop, decoder=decoder, steps=steps)
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, make in ways.items():
            started = time.process_time()
            for photo in photos:
                make(photo)
            times[way].append(1000 * (time.process_time() - started) / len(photos))
    ours, expected = next(iter(times)), [preprocess(photo, steps).pixels for photo in photos]
    for way, make in ways.items():
        found = [make(photo) for photo in photos]
        gaps = [int(np.abs(a.astype(int) - b).max()) for a, b in zip(found, expected, strict=True)]
        share, milliseconds = statistics.mean(gap == 0 for gap in gaps), min(times[way])
        print(
            f"| {name} | {way} | {milliseconds:.2f} | {milliseconds / min(times[ours]):.2f} "
            f"| {share:.0%} | {max(gaps)} |",
            flush=True,
        )


def crop(data: bytes, decoder: Decoder, steps: Preprocessing) -> Pixels:
    """As `preprocess`, of an upright RGB JPEG, with another decoder."""
    size = Image.open(BytesIO(data)).size
    scale = divisor(size, steps)
    image = Image.fromarray(decoder(data, scale))
    height, width = steps.crop
    box = Photo(image, size, "JPEG", scale).place(crop_box(size, steps))
    return np.asarray(resize(image, (width, height), box, steps.resampling))


def divisor(size: tuple[int, int], steps: Preprocessing) -> int:
    """The largest reduction that leaves the margin, as libjpeg has them."""
    least = ceil(MARGIN * steps.resize)
    return max(scale for scale in (1, 2, 4, 8) if scale == 1 or min(size) // scale >= least)


def by_simplejpeg(data: bytes, scale: int) -> Pixels:
    """TurboJPEG by simplejpeg."""
    height, width, *_ = simplejpeg.decode_jpeg_header(data)
    least = {"min_height": height // scale, "min_width": width // scale} if scale > 1 else {}
    decoded: Pixels = simplejpeg.decode_jpeg(data, "RGB", **least)
    return decoded


def by_opencv(data: bytes, scale: int) -> Pixels:
    """OpenCV's own libjpeg-turbo; it decodes to BGR."""
    modes = {
        1: cv2.IMREAD_COLOR_RGB,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }
    decoded = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), modes[scale]), np.uint8)
    return decoded if scale == 1 else np.ascontiguousarray(decoded[..., ::-1])


def by_pyvips(data: bytes, scale: int) -> Pixels:
    """libjpeg-turbo by libvips."""
    image = pyvips.Image.jpegload_buffer(data, shrink=scale)
    decoded: Pixels = image.numpy()
    return decoded


DECODERS: dict[str, Decoder] = {
    "simplejpeg": by_simplejpeg,
    "OpenCV": by_opencv,
    "pyvips": by_pyvips,
}


def conditions(count: int) -> str:
    """What the figures depend on."""
    libraries = (
        "pillow",
        "cykooz-resizer",
        "simplejpeg",
        "opencv-python-headless",
        "pyvips-binary",
    )
    versions = ", ".join(f"{each} {version(each)}" for each in libraries)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {count} photos; {platform.machine()}, one thread; "
        f"Python {platform.python_version()}; {versions}.\n"
    )


if __name__ == "__main__":
    main()
