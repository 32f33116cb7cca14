"""Training on photos that are unlike ImageNet's: woven cloth with and without defects."""

from pathlib import Path

import conformal_clip_data
import pytest

from models.repository import Repository
from training.recipe import Balance, Metric, Recipe, Strategy
from training.request import Training
from training.train import train

SIMULATED = Path(conformal_clip_data.__file__).parent / "data" / "textile_images" / "simulated"


@pytest.mark.slow
def test_defects_of_cloth_are_found_by_features_of_imagenet(tmp_path: Path) -> None:
    for name, images in (("nominal", 120), ("global", 60), ("local", 60)):
        (tmp_path / "cloth" / name).mkdir(parents=True)
        for file in sorted((SIMULATED / name).iterdir())[:images]:
            (tmp_path / "cloth" / name / file.name).symlink_to(file)
    recipe = Recipe(
        strategy=Strategy.PROBE, balance=Balance.WEIGHTS, metric=Metric.BALANCED_ACCURACY
    )
    repository = Repository(tmp_path / "models")

    found = train(Training(tmp_path / "cloth", recipe=recipe), repository, lambda _: None)

    # Of all 2000 photos such features tell three in four right; chance is one in three.
    assert found.test.calibrated.balanced_accuracy > 0.55
    assert found.bundle.manifest.labels == ("global", "local", "nominal")
