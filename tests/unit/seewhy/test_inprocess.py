"""The client and the service together: what one sends, the other understands."""

import asyncio
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from models.errors import BundleNotFound
from seewhy import AsyncClient, Classified, Failed, ServerError, inprocess
from service.settings import Settings

Result = TypeVar("Result")


class Oracle(Protocol):
    """The tiny model in closed form."""

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.floating]: ...


@pytest.fixture
def pixels() -> npt.NDArray[np.uint8]:
    """A photo of the tiny model's own size, so that preprocessing changes nothing."""
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.fixture
def photo(pixels: npt.NDArray[np.uint8]) -> bytes:
    png = BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    return png.getvalue()


def ask(repository: Path, question: Callable[[AsyncClient], Awaitable[Result]]) -> Result:
    async def scenario() -> Result:
        async with inprocess.service(Settings(repository=repository)) as client:
            return await question(client)

    return asyncio.run(scenario())


def test_classify_gives_the_model_s_probabilities(
    tiny_repository: Path, tiny_model: Oracle, pixels: npt.NDArray[np.uint8], photo: bytes
) -> None:
    powers = np.exp(tiny_model.logits(pixels[np.newaxis])[0])

    found = ask(tiny_repository, lambda client: client.classify(photo, top_k=4))

    by_class = {prediction.index: prediction.probability for prediction in found.predictions}
    assert [by_class[index] for index in range(4)] == pytest.approx(powers / powers.sum(), rel=1e-5)


def test_classify_many_fails_alone_in_place(tiny_repository: Path, photo: bytes) -> None:
    good, bad, again = ask(
        tiny_repository, lambda client: client.classify_many([photo, b"no photo", photo], top_k=1)
    )

    assert isinstance(good, Classified)
    assert len(good.predictions) == 1
    assert isinstance(bad, Failed)
    assert isinstance(again, Classified)
    assert again.predictions == good.predictions


def test_classify_many_takes_a_single_photo_too(tiny_repository: Path, photo: bytes) -> None:
    (found,) = ask(tiny_repository, lambda client: client.classify_many([photo]))

    assert isinstance(found, Classified)


def test_explain_gives_a_map_over_the_crop(tiny_repository: Path, photo: bytes) -> None:
    found = ask(
        tiny_repository, lambda client: client.explain(photo, method="gradient", target="blue")
    )

    assert (found.explanation.method, found.explanation.target.index) == ("gradient", 2)
    assert np.shape(found.explanation.map.data) == found.explanation.map.shape == (32, 32)


def test_heat_map_is_a_png_of_the_photo(tiny_repository: Path, photo: bytes) -> None:
    picture = ask(tiny_repository, lambda client: client.heat_map(photo, target=0))

    with Image.open(BytesIO(picture.png)) as drawn:
        assert (drawn.format, drawn.size) == ("PNG", (32, 32))


def test_no_deadline_of_a_server_ends_a_command(tiny_repository: Path, photo: bytes) -> None:
    async def scenario() -> int:
        hasty = Settings(repository=tiny_repository, timeout_ms=1)
        async with inprocess.service(hasty) as client:
            found = await client.explain(photo, method="smoothgrad", samples=64)
        return found.explanation.passes

    assert asyncio.run(scenario()) == 64


def test_what_is_still_loading_is_asked_again_soon_whatever_a_server_would_say() -> None:
    left = ["60", "60"]

    async def loading(
        _scope: object, _receive: object, send: Callable[..., Awaitable[None]]
    ) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": []}
        if left:
            start |= {"status": 503, "headers": [(b"retry-after", left.pop().encode())]}
        await send(start)
        await send({"type": "http.response.body", "body": b"a heat map"})

    async def scenario() -> bytes:
        async with AsyncClient("http://seewhy", transport=inprocess.Impatient(loading)) as client:
            return (await client.heat_map(b"photo")).png

    assert asyncio.run(scenario()) == b"a heat map"


def test_an_unknown_model_is_a_server_error(tiny_repository: Path, photo: bytes) -> None:
    with pytest.raises(ServerError, match="huge") as caught:
        ask(tiny_repository, lambda client: client.classify(photo, model="huge"))

    assert caught.value.status == 404


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound):
        ask(tmp_path / "nowhere", lambda client: client.classify(b""))
