"""How easily an answer is changed: the tiny model's logits are known in closed form."""

import asyncio
import base64
from collections.abc import Mapping
from io import BytesIO
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from starlette.testclient import TestClient
from starlette.types import Message

from models.bundle import Bundle
from models.manifest import Graph
from service.api.schemas.classify import Classification
from service.api.schemas.robustness import Robustness, Robustnesses
from service.app import create_app
from service.core.ports import Arrays, Runner
from service.core.serving import ServedModel
from service.settings import Settings

Pixels = npt.NDArray[np.uint8]


def png(pixels: Pixels) -> bytes:
    data = BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="module")
def undecided() -> Pixels:
    """A crop that is hardly more red than green, and not blue."""
    pixels = np.full((32, 32, 3), (130, 128, 40), dtype=np.uint8)
    pixels[::2] += 3
    return pixels


def checked(client: TestClient, image: bytes, **options: Any) -> dict[str, Any]:
    response = client.post("/robustness", params=options, content=image)
    assert response.status_code == 200, response.text
    Robustness.model_validate(response.json(), extra="forbid")
    answer: dict[str, Any] = response.json()
    return answer


def test_an_answer_that_hangs_by_a_thread_is_fragile(
    client: TestClient, tiny_model: Any, undecided: Pixels
) -> None:
    answer = checked(client, png(undecided), checks="pgd@linf:2/255")

    assert answer["prediction"]["label"] == "red"
    assert answer["robustness"]["verdict"] == "fragile"
    (found,) = answer["robustness"]["checks"]
    assert not found["survived"]
    assert found["answer"]["label"] == "green"
    # Red two levels darker, the others two lighter: no point of the ball is less red.
    worst = undecided + np.array([-2, 2, 2])
    logits = tiny_model.logits(worst[np.newaxis].astype(np.uint8))[0]
    expected = np.exp(logits) / np.exp(logits).sum()
    assert found["answer"]["probability"] == pytest.approx(expected[1], abs=1e-3)
    assert found["distance"] == pytest.approx(2 / 255, rel=1e-4)
    assert answer["robustness"]["reason"].startswith("pgd@linf:2/255 turns 'red' into 'green'")


def test_every_check_states_its_threat_model(client: TestClient, undecided: Pixels) -> None:
    asked = "pgd@l2:0.1,steps=7,restarts=2,loss=margin; square:0.02,queries=50; jpeg"
    pgd, square, jpeg = checked(client, png(undecided), checks=asked)["robustness"]["checks"]

    assert (pgd["threat"]["norm"], pgd["threat"]["eps"]) == ("l2", 0.1)
    assert "margin, 7 steps" in pgd["threat"]["attack"]
    assert pgd["threat"]["white_box"]
    assert not square["threat"]["white_box"]
    assert "50 queries" in square["threat"]["attack"]
    assert jpeg["threat"] is None


def test_passes_are_counted_image_by_image(client: TestClient, red_left: bytes) -> None:
    asked = "pgd@linf:1/255,steps=7,restarts=3; pgd@linf:1/255,steps=4,loss=margin; jpeg"
    first, second, third = checked(client, red_left, checks=asked)["robustness"]["checks"]

    assert first["passes"] == 3 * (7 + 1) + 1
    assert second["passes"] == 2 * 4 + 1 + 1
    assert third["passes"] == 1


def test_a_sure_answer_is_robust(client: TestClient, red_left: bytes) -> None:
    answer = checked(client, red_left)

    assert answer["robustness"]["verdict"] == "robust"
    assert [each["check"] for each in answer["robustness"]["checks"]] == ["fgsm@linf:1/255", "jpeg"]
    assert {"read", "decode", "robustness", "total"} <= set(answer["timings_ms"])


def test_what_does_not_survive_rounding_is_said_to_be_only_in_floats(
    client: TestClient, undecided: Pixels
) -> None:
    near = undecided.copy()
    near[..., 1] = near[..., 0]
    near[0, 0, 0] += 1  # red by less than a level of one pixel

    answer = checked(client, png(near), checks="pgd@linf:0.5/255")

    # No other 8-bit image lies within half a level.
    (found,) = answer["robustness"]["checks"]
    assert found["only_in_floats"]
    assert found["survived"]
    assert found["distance"] == 0


def test_a_photo_that_does_not_look_attacked_survives_squeezing(
    client: TestClient, red_left: bytes
) -> None:
    answer = checked(client, red_left, checks="squeezing,threshold=1")["robustness"]

    (found,) = answer["checks"]
    assert found["survived"]
    assert found["passes"] == 5
    assert "an attacker who knows of squeezing can evade it" in found["note"]


def test_a_target_is_aimed_at(client: TestClient, undecided: Pixels) -> None:
    asked = "pgd@linf:60/255,target=blue"
    (found,) = checked(client, png(undecided), checks=asked)["robustness"]["checks"]

    assert found["threat"]["targeted"]
    assert (found["survived"], found["answer"]["label"]) == (False, "blue")


def test_one_seed_makes_one_answer(client: TestClient, undecided: Pixels) -> None:
    asked = "smoothing,sigma=0.1,n=100; noise,draws=3"
    first, again = (
        checked(client, png(undecided), checks=asked, seed=5)["robustness"] for _ in range(2)
    )

    for found in (*first["checks"], *again["checks"]):
        del found["milliseconds"]
    assert first == again
    assert first["seed"] == 5
    assert first["checks"][0]["certificate"]["n"] == 100


def test_the_picture_shows_before_the_change_and_after(
    client: TestClient, undecided: Pixels
) -> None:
    response = client.post(
        "/robustness", params={"checks": "pgd@linf:2/255"}, content=png(undecided),
        headers={"Accept": "image/png"},
    )  # fmt: skip

    assert response.headers["Content-Type"] == "image/png"
    assert "amplified 63.5 times" in response.headers["X-SeeWhy-Note"]
    with Image.open(BytesIO(response.content)) as image:
        drawn = np.asarray(image).astype(int)
    before, change, after = (drawn[:32, left : left + 32] for left in (0, 40, 80))
    np.testing.assert_array_equal(before, undecided)
    np.testing.assert_allclose(change, 128 + 63.5 * (after - before), atol=0.51)
    assert np.abs(after - before).max() == 2


def test_the_numbers_have_the_picture_where_it_is_asked_for(
    client: TestClient, undecided: Pixels
) -> None:
    asked = {"checks": "jpeg; pgd@linf:2/255"}
    alone = client.post(
        "/robustness", params=asked, content=png(undecided), headers={"Accept": "image/png"}
    )
    answer = checked(client, png(undecided), **asked, picture=True)

    assert answer["picture"]["check"] == "pgd@linf:2/255"  # jpeg does not change the answer
    assert answer["picture"]["amplified"] == 63.5
    assert base64.b64decode(answer["picture"]["png"]) == alone.content
    assert "picture" not in checked(client, png(undecided), **asked)


def test_numbers_without_an_image_have_no_picture(client: TestClient, red_left: bytes) -> None:
    assert "picture" not in checked(client, red_left, checks="smoothing,n=10", picture=True)


def test_the_picture_shows_the_evidence_for_both_answers(
    client: TestClient, undecided: Pixels
) -> None:
    def pixels(path: str, photo: Pixels, **options: str) -> npt.NDArray[np.int64]:
        response = client.post(
            path, params=options, content=png(photo), headers={"Accept": "image/png"}
        )
        assert response.status_code == 200, response.text
        with Image.open(BytesIO(response.content)) as image:
            return np.asarray(image).astype(int)

    drawn = pixels("/robustness", undecided, checks="pgd@linf:2/255")
    after = drawn[:32, 80:].astype(np.uint8)

    assert drawn.shape == (72, 112, 3)
    explained = (
        pixels("/explain", undecided, target="red"),
        pixels("/explain", after, target="green"),
    )
    np.testing.assert_array_equal(drawn[40:, :32], explained[0])
    np.testing.assert_array_equal(drawn[40:, 80:], explained[1])
    assert (drawn[40:, 40:72] == 255).all()


def test_a_picture_needs_a_check_that_makes_an_image(client: TestClient, red_left: bytes) -> None:
    response = client.post(
        "/robustness", params={"checks": "smoothing,n=10"}, content=red_left,
        headers={"Accept": "image/png"},
    )  # fmt: skip
    assert response.status_code == 422
    assert "none of the checks makes an image" in response.json()["detail"]


def test_a_classification_has_the_verdict_where_it_is_asked_for(
    client: TestClient, red_left: bytes
) -> None:
    answer = client.post("/classify?robustness=fast", content=red_left).json()

    Classification.model_validate(answer, extra="forbid")
    assert answer["predictions"][0]["label"] == "red"
    assert answer["robustness"]["verdict"] == "robust"
    assert answer["timings_ms"]["robustness"] > 0
    assert "robustness" not in client.post("/classify", content=red_left).json()


def test_several_images_are_checked_in_order_and_a_bad_one_fails_alone(
    client: TestClient, red_left: bytes
) -> None:
    files = [("images", red_left), ("images", b"text"), ("images", red_left)]
    answer = client.post("/robustness", files=files).json()

    Robustnesses.model_validate(answer, extra="forbid")
    assert ["error" in result for result in answer["results"]] == [False, True, False]


def test_verdicts_are_counted(client: TestClient, red_left: bytes) -> None:
    def count() -> float:
        text = client.get("/metrics").text
        name = 'seewhy_robustness_verdicts_total{model="tiny",verdict="robust"}'
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    before = count()
    checked(client, red_left)
    client.post("/classify?robustness=fast", content=red_left)

    assert count() == before + 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"checks": "pgd@linf:2"}, "eps: Input should be less than or equal to 1"),
        ({"checks": "pgd@linf:0"}, "eps: Input should be greater than 0"),
        ({"checks": "pgd@linf:x"}, "'x' is no number or fraction"),
        ({"checks": "pgd@linf:1/0"}, "'1/0' is no number or fraction"),
        ({"checks": "pgd,steps=0"}, "steps: Input should be greater than or equal to 1"),
        ({"checks": "pgd@l3:0.1"}, "norm: Input should be 'linf' or 'l2'"),
        ({"checks": "pgd,speed=1"}, "speed: Extra inputs are not permitted (its parameters:"),
        ({"checks": "pgd,steps"}, "'steps' is no PARAMETER=VALUE"),
        ({"checks": "carlini"}, "there is no check 'carlini'; possible ones: fgsm, pgd"),
        ({"checks": "squeezing"}, "no threshold was measured for this model: give one"),
        ({"checks": "squeezing,threshold=3"}, "threshold: Input should be less than or equal to 2"),
        ({"checks": "jpeg; jpeg"}, "check 'jpeg' is there more than once"),
        ({"checks": "pgd,target=red"}, "target 'red' is the answer already"),
        ({"checks": "pgd,target=purple"}, "'purple' is no class of this model"),
        ({"checks": "pgd,steps=100000"}, "100002 passes"),
        ({"checks": "pgd,steps=1,restarts=1000"}, "restarts: Input should be less than or equal"),
        ({"checks": "corruptions,severity=6"}, "severity: Input should be less than or equal to 5"),
        ({"checks": "jpeg", "level": "fast"}, "level and checks exclude each other"),
        ({"level": "extreme"}, "level"),
        ({"seed": -1}, "seed"),
    ],
)  # fmt: skip
def test_what_cannot_be_checked_is_refused_with_what_to_change(
    client: TestClient, red_left: bytes, options: Mapping[str, Any], said: str
) -> None:
    response = client.post("/robustness", params=dict(options), content=red_left)

    assert response.status_code == 422
    assert said in response.json()["detail"]


class Fake:
    """A model of zeros that runs `heard` whenever the gradient is asked for."""

    def __init__(self, heard: Any) -> None:
        self._heard = heard

    def run(self, feeds: Arrays, /) -> Arrays:
        logits = np.tile(np.array([1, 0, 0, 0], dtype=np.float32), (len(feeds["image"]), 1))
        if "softmax_weight" not in feeds:
            return {"logits": logits}
        self._heard()
        return {"logits": logits, "input_gradient": np.zeros_like(feeds["image"])}


def wait_until_loaded(model: ServedModel) -> None:
    pause = Event()
    while any(status.state == "loading" for status in model.status.values()):
        pause.wait(0.01)


def test_a_client_that_leaves_stops_the_work(settings: Settings, red_left: bytes) -> None:
    steps = 5000
    runs = 0

    async def leave_after_the_first_gradient() -> list[Message]:
        loop, begun = asyncio.get_running_loop(), asyncio.Event()

        def heard() -> None:
            nonlocal runs
            runs += 1
            loop.call_soon_threadsafe(begun.set)

        def open_graph(_: Bundle, __: Graph) -> Runner:
            return Fake(heard)

        app = create_app(settings, open_graph=open_graph)
        messages: list[Message] = [{"type": "http.request", "body": red_left}]
        sent: list[Message] = []

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await begun.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            await asyncio.sleep(0)
            sent.append(message)

        async with app.router.lifespan_context(app):
            (model,) = app.state.parts.catalogue.loaded()
            await asyncio.to_thread(wait_until_loaded, model)
            scope = {
                "type": "http", "method": "POST", "path": "/robustness", "headers": [],
                "query_string": f"checks=pgd,steps={steps}".encode(),
            }  # fmt: skip
            await app(scope, receive, send)
        return sent

    sent = asyncio.run(leave_after_the_first_gradient())

    assert sent[0]["status"] == 499
    assert 0 < runs < steps


def test_of_several_images_those_that_are_the_target_already_fail_alone(
    client: TestClient, red_left: bytes
) -> None:
    blue = BytesIO()
    Image.new("RGB", (40, 40), "blue").save(blue, "PNG")
    files = [("images", red_left), ("images", blue.getvalue())]
    answer = client.post("/robustness?checks=pgd,steps=2,target=red", files=files).json()
    first, second = answer["results"]
    assert "target 'red' is the answer already" in first["error"]["detail"]
    assert second["robustness"]["verdict"]
