"""What an image is like, on the tiny bundle with a reference written by hand."""

import base64
import shutil
from collections.abc import Callable, Iterator
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from threading import Event

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from starlette.testclient import TestClient

from models import bundle as bundles
from models.bundle import Bundle
from models.errors import BundleInvalid
from models.manifest import Graph
from service.api.schemas.similar import Similar
from service.app import create_app
from service.core.ports import Runner
from service.runtime import loading
from service.runtime.providers import Provider, choose
from service.settings import Settings
from training import thumbnails

SECONDS = 20
RED, GREEN = (250, 0, 0), (0, 250, 0)


def copied(source: Path, target: Path) -> Path:
    """A repository like another, and the folder of its bundle."""
    shutil.copytree(source, target)
    return target / "tiny" / "1"


def write_manifest(directory: Path) -> None:
    fields = bundles.read(directory).manifest.model_dump(mode="json", exclude={"sha256"})
    bundles.write_manifest(directory, fields)


@pytest.fixture(scope="module")
def showing(
    calibrated_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """Serves a bundle that keeps thumbnails of its two images."""
    repository = tmp_path_factory.mktemp("showing") / "repository"
    directory = copied(calibrated_repository, repository)
    crops = np.broadcast_to(
        np.array([RED, GREEN], dtype=np.uint8)[:, np.newaxis, np.newaxis], (2, 224, 224, 3)
    )
    thumbnails.save(directory / "thumbnails.npz", crops)
    write_manifest(directory)
    settings = Settings(repository=repository, provider="cpu", threads=1)
    with TestClient(create_app(settings)) as client:
        yield client


def test_each_neighbour_is_shown_where_the_bundle_keeps_thumbnails(
    showing: TestClient, red_left: bytes
) -> None:
    answer = showing.post("/similar", content=red_left).json()

    Similar.model_validate(answer, extra="forbid")
    assert [each["id"] for each in answer["neighbours"]] == ["red.png", "green.png"]
    for each, colour in zip(answer["neighbours"], (RED, GREEN), strict=True):
        with Image.open(BytesIO(base64.b64decode(each["thumbnail"], validate=True))) as shown:
            assert (shown.format, shown.size) == ("JPEG", (96, 96))
            np.testing.assert_allclose(np.asarray(shown).mean(axis=(0, 1)), colour, atol=8)


def test_a_bundle_without_thumbnails_leaves_them_out(
    calibrated_repository: Path, red_left: bytes
) -> None:
    settings = Settings(repository=calibrated_repository, provider="cpu", threads=1)
    with TestClient(create_app(settings)) as client:
        neighbours = client.post("/similar", content=red_left).json()["neighbours"]

    assert len(neighbours) == 2
    assert all("thumbnail" not in each for each in neighbours)


@pytest.mark.parametrize("top_k", [0, 1001])
def test_no_more_neighbours_are_listed_than_an_answer_can_hold(
    showing: TestClient, red_left: bytes, top_k: int
) -> None:
    assert len(showing.post("/similar?top_k=1000", content=red_left).json()["neighbours"]) == 2

    refused = showing.post(f"/similar?top_k={top_k}", content=red_left)

    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "top_k" in refused.json()["detail"]


def test_a_bundle_with_thumbnails_of_other_images_is_refused(
    tmp_path: Path, calibrated_repository: Path
) -> None:
    directory = copied(calibrated_repository, tmp_path / "repository")
    thumbnails.save(directory / "thumbnails.npz", np.zeros((3, 8, 8, 3), dtype=np.uint8))
    write_manifest(directory)
    settings = Settings(repository=tmp_path / "repository", provider="cpu", threads=1)

    with (
        pytest.raises(BundleInvalid, match="no JPEG of each of the 2 images"),
        TestClient(create_app(settings)),
    ):
        pass


def colourful(source: Path, target: Path, images: int) -> npt.NDArray[np.float16]:
    """Have a bundle know so many images of random colours; their embeddings."""
    directory = copied(source, target)
    embedding = np.random.default_rng(0).uniform(0, 1, (images, 3)).astype(np.float16)
    np.savez(
        directory / "reference.npz",
        embedding=embedding,
        labels=embedding.argmax(axis=1),
        ids=np.array([f"{row}.png" for row in range(images)]),
        predicted=np.array([1, 1, 0, 0]),
        confidence=np.zeros(20, dtype=np.int64),
    )
    write_manifest(directory)
    return embedding


def test_quantized_embeddings_answer_what_all_of_them_would(
    tmp_path: Path,
    calibrated_repository: Path,
    wait_for_graphs: Callable[[TestClient], None],
) -> None:
    embedding = colourful(calibrated_repository, tmp_path / "repository", 3000)
    settings = Settings(
        repository=tmp_path / "repository", provider="cpu", threads=1, similar_search="quantized"
    )
    photo, colour = BytesIO(), (200, 100, 50)
    Image.new("RGB", (32, 32), colour).save(photo, "PNG")

    with TestClient(create_app(settings)) as client:
        wait_for_graphs(client)
        (model,) = client.get("/readyz").json()["models"]
        answer = client.post("/similar?top_k=10", content=photo.getvalue()).json()

    assert model["similar_search"] == {"search": "quantized", "state": "ready", "reason": None}
    search = NearestNeighbors(n_neighbors=10).fit(normalize(embedding.astype(np.float64)))
    # The tiny model squares the share of each colour.
    distances, rows = search.kneighbors(normalize([(np.array(colour) / 255) ** 2]))
    neighbours = answer["neighbours"]
    assert {each["id"] for each in neighbours} == {f"{row}.png" for row in rows[0]}
    np.testing.assert_allclose([each["distance"] for each in neighbours], distances[0], atol=1e-5)


def test_until_the_codes_are_learned_it_classifies_and_says_when_to_come_back(
    tmp_path: Path,
    calibrated_repository: Path,
    red_left: bytes,
    wait_for_graphs: Callable[[TestClient], None],
) -> None:
    colourful(calibrated_repository, tmp_path / "repository", 3000)
    settings = Settings(
        repository=tmp_path / "repository", provider="cpu", threads=1, similar_search="quantized"
    )
    go = Event()

    def open_graph(bundle: Bundle, graph: Graph) -> Runner:
        # The index comes after the graphs that explain.
        assert graph is Graph.MODEL or go.wait(SECONDS)
        return loading.open_graph(bundle, graph, choose(Provider.CPU), threads=1)

    with TestClient(create_app(settings, open_graph=open_graph)) as client:
        assert client.post("/classify", content=red_left).status_code == HTTPStatus.OK
        early = client.post("/similar", content=red_left)
        (model,) = client.get("/readyz").json()["models"]
        go.set()
        wait_for_graphs(client)
        late = client.post("/similar", content=red_left)

    assert early.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert int(early.headers["Retry-After"]) >= 1
    assert "still being made" in early.json()["detail"]
    assert model["similar_search"]["state"] == "loading"
    assert late.status_code == HTTPStatus.OK


def test_readyz_says_that_few_images_are_all_looked_at(showing: TestClient) -> None:
    (model,) = showing.get("/readyz").json()["models"]
    assert model["similar_search"] == {"search": "exact", "state": "ready", "reason": None}


def test_readyz_says_that_a_bundle_knows_no_images(client: TestClient) -> None:
    (model,) = client.get("/readyz").json()["models"]
    assert model["similar_search"] is None
