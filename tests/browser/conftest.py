"""The pages in a real headless Chromium, served by the real application on the tiny bundle."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from threading import Event

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from models import bundle as bundles
from models.bundle import Bundle
from service.app import create_app
from service.settings import Settings
from training import thumbnails

SECONDS = 30

FIELDS = np.zeros((2, 32, 32, 3), dtype=np.uint8)
FIELDS[0, ..., 0] = FIELDS[1, ..., 1] = 250
"""What `calibrated` has learned from: all red, and all green."""

Serve = Callable[[FastAPI], AbstractContextManager[str]]

CALIBRATION = {
    "temperature": 1.0,
    "conformal": {
        "lac": {"thresholds": {"0.9": 1.0}},
        "raps": {"thresholds": {"0.9": 0.999}, "penalty": 0, "k_reg": 1},
    },
    "ood": {
        "energy": [float(q) for q in range(-100, 1)],
        "nearest_neighbour": [q / 100 for q in range(101)],
        "k": 1,
    },
    "decision": {"min_probability": 0.999, "max_ood_percentile": 99},
}


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> Path:
    """The tiny bundle twice: `plain`, and `calibrated` with the images that it learned from."""
    root = tmp_path_factory.mktemp("models")
    fields = tiny_bundle.manifest.model_dump(mode="json", exclude={"sha256"})
    for name, calibration in (("plain", None), ("calibrated", CALIBRATION)):
        directory = root / name / "1"
        shutil.copytree(tiny_bundle.directory, directory)
        if calibration:
            np.savez(
                directory / "reference.npz",
                embedding=np.eye(3, dtype=np.float16)[:2],  # all red, and all green
                labels=np.array([0, 1]),
                ids=np.array(["fields/poppies.png", "fields/grass.png"]),
                predicted=np.array([1, 1, 0, 0]),
                confidence=np.zeros(20, dtype=np.int64),
            )
            thumbnails.save(directory / "thumbnails.npz", FIELDS)
        bundles.write_manifest(directory, {**fields, "name": name, "calibration": calibration})
    return root


@pytest.fixture(scope="session")
def site(repository: Path, serve: Serve) -> Iterator[str]:
    """The service with both models; `calibrated` is the default one."""
    settings = Settings(
        repository=repository, default_model="calibrated", provider="cpu", threads=1
    )
    with serve(create_app(settings)) as address:
        for name in ("calibrated", "plain"):
            _load(address, name)
        yield address


def _load(address: str, name: str) -> None:
    """Have all graphs of a model loaded, so that no request has to wait."""
    photo = BytesIO()
    Image.new("RGB", (32, 32)).save(photo, "PNG")
    pause = Event()
    for _ in range(SECONDS * 20):
        answers = [
            httpx.post(
                f"{address}/explain",
                params={"model": name, "method": method},
                content=photo.getvalue(),
            )
            for method in ("gradient", "gradcam", "occlusion")  # a graph each
        ]
        if all(answer.is_success for answer in answers):
            return
        pause.wait(0.05)
    pytest.fail(f"{name} is still being loaded")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed (Debian's package of that name)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the console calls an error, breaches of the policy too. A test's end wants none."""
    return []


@pytest.fixture
def page(browser: Browser, site: str, complaints: list[str]) -> Iterator[Page]:
    """A new page of 1440 pixels."""
    context = browser.new_context(
        base_url=site,
        viewport={"width": 1440, "height": 900},
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(1000 * SECONDS)
    page = context.new_page()
    page.on("console", lambda said: complaints.extend([said.text] * (said.type == "error")))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def start(page: Page) -> Page:
    """The page about photos, ready for one."""
    page.goto("/")
    page.wait_for_selector("html[data-ready]")
    return page


@pytest.fixture
def red(tmp_path: Path, red_left: bytes) -> Path:
    """A photo, 80 x 40, that is red in its left half and black in its right."""
    path = tmp_path / "it's red.png"
    path.write_bytes(red_left)
    return path
