"""The report of a training run, on a telephone and on a desk."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from models.repository import Repository
from training.recipe import Recipe, Strategy
from training.request import Training
from training.train import REPORT, train

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.fixture(scope="module")
def report(noughts_and_ones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a network that was trained, so with all that a report can have."""
    folder = tmp_path_factory.mktemp("trained")
    request = Training(
        noughts_and_ones, "lenet5", "none", Recipe(strategy=Strategy.FINETUNE, epochs=2),
        run=folder / "run",
    )  # fmt: skip
    return train(request, Repository(folder / "models"), print).bundle.directory / REPORT


@pytest.mark.parametrize("width", [pytest.param(390, marks=pytest.mark.smoke), 1440])
def test_the_report_is_no_wider_than_the_screen(browser: Browser, report: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
