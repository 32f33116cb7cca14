"""Baselines beside a deep network's features, on the same photos."""

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from models.repository import Repository
from training.baselines.comparison import compare
from training.recipe import Recipe, Strategy
from training.request import Training
from training.train import train

IMAGES = 12


def test_every_kind_of_feature_is_judged_on_the_same_photos(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name in ("grass", "brick", "gravel"):  # grey textures, 512 x 512
        texture = Image.fromarray(getattr(skimage.data, name)())
        for number in range(IMAGES):
            left, top = generator.integers(0, 512 - 160, 2).tolist()
            path = (
                tmp_path
                / "photos"
                / ("test" if number % 3 == 0 else "train")
                / name
                / f"{number}.png"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            texture.crop((left, top, left + 160, top + 160)).save(path)

    repository = Repository(tmp_path / "models")
    photos = tmp_path / "photos"
    trained = train(
        Training(photos, "lenet5", "none", Recipe(strategy=Strategy.PROBE)),
        repository,
        lambda _: None,
    )

    found = {
        each.name: each
        for each in compare(photos, repository, backbone="lenet5", weights="none", seed=0)
    }

    assert list(found) == [
        "colour histogram",
        "local binary patterns",
        "oriented gradients",
        "visual words in a pyramid",
        "mlp from scratch",
        "lenet5 from scratch",
        "lenet5 features",
        "photos version 1",
    ]
    assert found["local binary patterns"].top1 == 1  # textures are what they are for
    assert found["photos version 1"].top1 == trained.test.calibrated.top1
    assert found["photos version 1"].validated is None
    assert all(0 <= each.balanced_accuracy <= 1 for each in found.values())
