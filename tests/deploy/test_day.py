"""A day in miniature: undisturbed traffic, then darkened photos, watched through Prometheus."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from threading import Event

import httpx
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from models.repository import Repository
from training.recipe import Recipe, Strategy
from training.request import Training
from training.train import train

SECONDS, WINDOW, HOURS = 60, 50, 4

Start = Callable[..., AbstractContextManager[str]]
Values = Callable[[str, str], list[float]]

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Handwritten noughts and ones, shuffled: each writer's stand together in scikit-learn."""
    pixels, labels = load_digits(n_class=2, return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return pixels[order], labels[order]


@pytest.fixture
def service(
    digits: tuple[np.ndarray, np.ndarray], tmp_path: Path, start_service: Start
) -> Iterator[str]:
    """Serves what was trained on those that do not come in by day."""
    for number, (pixels, label) in enumerate(zip(*digits, strict=True)):
        if number >= HOURS * WINDOW:
            path = tmp_path / "photos" / str(label) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(pixels))
    recipe = Recipe(strategy=Strategy.PROBE)
    request = Training(tmp_path / "photos", "lenet5", "none", recipe)
    train(request, Repository(tmp_path / "models"), print)
    with start_service(repository=str(tmp_path / "models"), drift_window=WINDOW) as address:
        yield address


def encoded(pixels: np.ndarray) -> bytes:
    photo = BytesIO()
    grey = Image.fromarray((pixels.reshape(8, 8) * 15).astype(np.uint8))
    grey.resize((32, 32), Image.Resampling.BICUBIC).save(photo, "PNG")
    return photo.getvalue()


def hour(client: httpx.Client, photos: list[bytes]) -> None:
    """A window of photos to classify, some of them explained and tested, and a broken one."""
    for number, photo in enumerate(photos):
        client.post("/classify", content=photo).raise_for_status()
        if number % 10 == 0:
            client.post("/explain?method=gradient", content=photo).raise_for_status()
            client.post("/robustness?level=fast", content=photo).raise_for_status()
    assert client.post("/classify", content=b"no photo").is_client_error


def until(holds: Callable[[], bool]) -> bool:
    """Whether something comes true within the time that a scrape and a rule take."""
    pause = Event()
    return any(holds() or pause.wait(0.5) for _ in range(2 * SECONDS))


@pytest.mark.smoke
def test_darkness_is_noticed_and_nothing_else_is(
    service: str,
    digits: tuple[np.ndarray, np.ndarray],
    start_prometheus: Start,
    values: Values,
) -> None:
    day = [encoded(pixels) for pixels in digits[0][: HOURS * WINDOW]]
    night = [encoded(pixels / 2) for pixels in digits[0][: 2 * WINDOW]]
    with start_prometheus(service) as prometheus:
        client = httpx.Client(base_url=f"http://{service}", timeout=SECONDS)
        assert until(lambda: answers(client)), "the service does not answer"

        for start in range(0, len(day), WINDOW):
            hour(client, day[start : start + WINDOW])
        counted = 'sum(seewhy_requests_total{route="/classify",outcome="ok"})'
        assert until(lambda: values(prometheus, counted) == [len(day)])
        assert firing(prometheus) == set()

        for start in range(0, len(night), WINDOW):
            hour(client, night[start : start + WINDOW])
        assert until(lambda: "SeeWhyDrift" in firing(prometheus))
        assert firing(prometheus) == {"SeeWhyDrift"}


def answers(client: httpx.Client) -> bool:
    try:
        graphs = client.get("/readyz").json()["models"][0]["graphs"]
    except httpx.TransportError:
        return False
    return all(graph["state"] == "ready" for graph in graphs.values())


def firing(prometheus: str) -> set[str]:
    found = httpx.get(f"{prometheus}/api/v1/alerts", timeout=SECONDS).raise_for_status().json()
    return {
        alert["labels"]["alertname"]
        for alert in found["data"]["alerts"]
        if alert["state"] == "firing"
    }
