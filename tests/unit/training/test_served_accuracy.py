"""What users get of a trained model, photo by photo, is what its report promises."""

import asyncio
from pathlib import Path

import pytest

from models.repository import Repository
from seewhy import inprocess
from service.settings import Settings
from training.recipe import Recipe, Strategy
from training.request import Training
from training.train import train

REAL = Path(__file__).parents[4] / "shared" / "data"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hymenoptera", "flowers17", "magnetic_tile"])
def test_the_service_gets_as_many_real_photos_right_as_the_report_says(
    name: str, tmp_path: Path
) -> None:
    if not (REAL / name).exists():
        pytest.skip(f"{name} is not in {REAL}")
    request = Training(REAL / name, recipe=Recipe(strategy=Strategy.PROBE))
    promised = train(request, Repository(tmp_path), lambda _: None).bundle.manifest.metrics["top1"]
    files = sorted((REAL / name / "val").glob("*/*.*"))

    async def right() -> int:
        async with inprocess.service(Settings(repository=tmp_path, default_model=name)) as client:
            answers = [await client.classify(file) for file in files]
        return sum(
            answer.predictions[0].label == file.parent.name
            for answer, file in zip(answers, files, strict=True)
        )

    assert asyncio.run(right()) == round(promised * len(files))
