"""Whether the default bundle's maps point at an object whose place is known."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from models import bundle as bundles
from models.golden import to_float
from service.core.localization import object_box
from service.core.network import Network
from service.core.saliency.class_activation import gradcam
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "imagenette600"
BUNDLE = Path(__file__).parents[2] / "models" / "zoo" / "efficientnet_lite0" / "1"
CLASSES = {"n01440764": 0, "n02979186": 482, "n03417042": 569, "n03425413": 571}
SIDE = 96


def photo(path: Path, side: int) -> Image.Image:
    return Image.open(path).convert("RGB").resize((side, side))


def test_gradcam_and_its_box_find_a_planted_object_better_than_the_centre_does() -> None:
    if not PHOTOS.is_dir():
        pytest.skip("needs the photos of ../shared/data")
    bundle, device = bundles.read(BUNDLE), choose(Provider.CPU)
    network = Network(cache(lambda graph: open_graph(bundle, graph, device)), classes=1000)
    rng = np.random.default_rng(0)
    pointed: list[bool] = []
    boxed: list[bool] = []
    centred: list[bool] = []
    for wnid, index in CLASSES.items():
        other = next(name for name in CLASSES if name != wnid)
        objects = sorted(PHOTOS.rglob(f"{wnid}/*"))[:10]
        grounds = sorted(PHOTOS.rglob(f"{other}/*"))[:10]
        for object_, ground in zip(objects, grounds, strict=True):
            left, top = rng.integers(0, 224 - SIDE, size=2).tolist()
            scene = photo(ground, 224).filter(ImageFilter.GaussianBlur(20))
            scene.paste(photo(object_, SIDE), (left, top))
            cotangent = np.eye(1000, dtype=np.float32)[[index]]
            found = gradcam(network, to_float(np.asarray(scene)[np.newaxis])[0], cotangent)
            saliency = found.values[0]
            box = object_box(saliency)
            assert box is not None
            down, across = np.unravel_index(saliency.argmax(), saliency.shape)
            middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            for hits, (x, y) in (
                (pointed, (across, down)),
                (boxed, middle),
                (centred, (112, 112)),
            ):
                hits.append(left <= x < left + SIDE and top <= y < top + SIDE)
    assert len(pointed) == 40
    assert np.mean(pointed) > np.mean(centred) + 0.1
    assert np.mean(boxed) > np.mean(centred) + 0.1
