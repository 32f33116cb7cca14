"""Do quicker ways from a JPEG to its crop change a model's answers?

Photos as they are and enlarged to 4 and 12 megapixels are decoded in full and resized by Pillow,
and preprocessed as the product does, with full and with reduced decoding at several margins;
EfficientNet-Lite0 with its real ImageNet weights answers for each. Prints Markdown.

    python benchmarks/scaled_decoding.py [--photos FOLDER]

FOLDER holds photos named `<anything>_<class index>.jpg`, or folders of photos named by
WordNet id. The default is the 20 photos that foolbox ships.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import foolbox
import numpy as np
import numpy.typing as npt
import PIL
import timm
import torch
from PIL import features
from timm.data.imagenet_info import ImageNetInfo

from benchmarks import pillow
from benchmarks.enlarging import QUALITY, enlarge
from models.preprocess import MARGIN, preprocess
from training import weights
from training.backbones import backbone

LITE0 = backbone("efficientnet_lite0")
MEGAPIXELS = (None, 4, 12)
BATCH = 50

Crop = npt.NDArray[np.uint8]


@dataclass
class Run:
    """What one way made of all photos."""

    crops: list[Crop] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, default=Path(foolbox.__file__).parent / "data")
    labelled = labelled_photos(parser.parse_args().photos)
    labels = np.array([label for _, label in labelled])
    model = lite0()
    print(conditions(len(labelled)))
    print("| photos | decoding | answers changed | top-1 | difference in top-1 | CPU ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for megapixels in MEGAPIXELS:
        runs = {way: Run() for way in WAYS}
        for path, _ in labelled:
            data = (
                path.read_bytes() if megapixels is None else enlarge(path.read_bytes(), megapixels)
            )
            for way, run in runs.items():
                start = time.thread_time()
                pixels = WAYS[way](data)
                run.milliseconds.append(1000 * (time.thread_time() - start))
                run.crops.append(pixels)
        name = "as they are" if megapixels is None else f"{megapixels} MP"
        by_pillow = answers(model, runs[PILLOW].crops)
        for way, run in runs.items():
            row = compare(by_pillow, answers(model, run.crops), labels)
            print(
                f"| {name} | {way} | {row} | {statistics.median(run.milliseconds):.1f} |",
                flush=True,
            )


def ours(data: bytes, margin: float | None) -> Crop:
    """The product's crop, with JPEGs decoded down to this margin."""
    return preprocess(data, LITE0.preprocessing, margin=margin).pixels


PILLOW = "full scale, resized by Pillow"
WAYS: dict[str, Callable[[bytes], Crop]] = {
    PILLOW: partial(pillow.crop, steps=LITE0.preprocessing),
    "full scale": partial(ours, margin=None),
    "margin 1": partial(ours, margin=1),
    f"margin {MARGIN} (used)": partial(ours, margin=MARGIN),
    "margin 3": partial(ours, margin=3),
}


def labelled_photos(folder: Path) -> list[tuple[Path, int]]:
    """Photos and their class indices."""
    wnids: list[str] = ImageNetInfo().label_names()
    by_wnid = [
        (path, wnids.index(path.parent.name))
        for path in sorted(folder.glob("n*/*"))
        if path.parent.name in wnids
    ]
    return by_wnid or [
        (path, int(path.stem.rpartition("_")[2])) for path in sorted(folder.glob("imagenet_*.jpg"))
    ]


def lite0() -> torch.nn.Module:
    """EfficientNet-Lite0 with the package's weights."""
    model = LITE0.build(weights.IMAGENET_CLASSES)
    weights.apply(model, weights.load(LITE0, "package"))
    return model


def answers(model: torch.nn.Module, crops: Sequence[Crop]) -> npt.NDArray[np.int64]:
    """Top-1 of each crop."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(crops), BATCH):
            batch = torch.from_numpy(np.stack(crops[start : start + BATCH]))
            found.append(model(batch.permute(0, 3, 1, 2) / 127.5 - 1).argmax(1).numpy())
    return np.concatenate(found)


def compare(
    full: npt.NDArray[np.int64], reduced: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]
) -> str:
    """Table cells: changed answers (Wilson interval), top-1, difference (paired bootstrap)."""
    changed, count = int((full != reduced).sum()), len(labels)
    least, most = wilson(changed, count)
    difference = (reduced == labels).astype(float) - (full == labels)
    draws = np.random.default_rng(0).integers(0, count, (10_000, count))
    low, high = np.quantile(difference[draws].mean(1), (0.025, 0.975))
    return (
        f"{changed} of {count}: {changed / count:.1%} [{least:.1%}, {most:.1%}] "
        f"| {(reduced == labels).mean():.1%} "
        f"| {100 * difference.mean():+.1f} [{100 * low:+.1f}, {100 * high:+.1f}] points"
    )


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95% interval of a proportion (Wilson 1927)."""
    z = statistics.NormalDist().inv_cdf(0.975)
    share, shrink = hits / count, 1 + z * z / count
    centre = (share + z * z / (2 * count)) / shrink
    half = z * (share * (1 - share) / count + (z / (2 * count)) ** 2) ** 0.5 / shrink
    return max(0.0, centre - half), min(1.0, centre + half)


def conditions(count: int) -> str:
    """What the figures depend on."""
    cpu = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {count} photos; JPEG quality {QUALITY}, 4:2:0; {cpu}, "
        f"one thread a photo; Python {platform.python_version()}, Pillow {PIL.__version__}, "
        f"libjpeg-turbo {features.version_feature('libjpeg_turbo')}, torch {torch.__version__}, "
        f"timm {timm.__version__}.\n"
    )


if __name__ == "__main__":
    main()
