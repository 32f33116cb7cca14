"""Oracle: the tiny model's closed forms on the crop that the model saw."""

import base64
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from starlette.testclient import TestClient

from service.api.schemas.classify import Classifications
from service.api.schemas.explain import Explanation, Explanations, TargetsExplanation
from service.core.saliency.methods import METHODS


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    data = BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="module")
def noise() -> npt.NDArray[np.uint8]:
    """A photo of the crop's own size, which preprocessing leaves as it is."""
    return np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("target", range(4))
def test_the_gradient_map_is_the_closed_form(
    client: TestClient, tiny_model: Any, noise: npt.NDArray[np.uint8], target: int
) -> None:
    response = client.post(f"/explain?method=gradient&target={target}", content=png(noise))
    assert response.status_code == 200
    Explanation.model_validate(response.json(), extra="forbid")
    explanation = response.json()["explanation"]
    one_hot = np.eye(4)[[target]]
    expected = np.abs(tiny_model.input_gradient(noise[None], one_hot, np.zeros(1))[0]).max(axis=0)
    found = np.array(explanation["map"]["data"], dtype=explanation["map"]["dtype"])
    assert list(found.shape) == explanation["map"]["shape"] == [32, 32]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * expected.max())
    assert explanation["method"] == "gradient"
    assert explanation["passes"] == 1


def test_the_top_class_is_explained_by_the_bundles_own_method(
    client: TestClient, red_left: bytes
) -> None:
    answer = client.post("/explain", content=red_left).json()
    explanation = answer["explanation"]
    assert explanation["method"] == "gradcam"
    assert (explanation["target"]["label"], explanation["target"]["index"]) == ("red", 0)
    assert explanation["note"] is None
    assert answer["image_id"] == f"{answer['request_id']}/0"
    predicted = client.post("/classify", content=red_left).json()["predictions"][0]
    assert explanation["target"]["probability"] == pytest.approx(predicted["probability"])


def test_the_box_is_in_the_photos_own_pixels(client: TestClient, red_left: bytes) -> None:
    box = client.post("/explain", content=red_left).json()["explanation"]["box"]
    # The crop covers columns 20 to 60 of 80; red ends at column 40.
    left, top, right, bottom = box
    assert 20 <= left < 25
    assert 35 < right < 45
    assert 0 <= top < 5
    assert 35 < bottom <= 40


def test_a_class_can_be_named_by_its_label(client: TestClient, red_left: bytes) -> None:
    target = client.post("/explain?target=gray", content=red_left).json()["explanation"]["target"]
    assert target["index"] == 3


def test_a_map_in_base64_is_the_map_in_numbers(
    client: TestClient, noise: npt.NDArray[np.uint8]
) -> None:
    path = "/explain?method=gradient_x_input&signed=true"
    numbers = client.post(path, content=png(noise)).json()["explanation"]["map"]
    answer = client.post(f"{path}&map=base64", content=png(noise)).json()
    Explanation.model_validate(answer, extra="forbid")
    coded = answer["explanation"]["map"]
    assert coded["dtype"] == "float16"
    values = np.frombuffer(base64.b64decode(coded["data"]), "<f2").astype(np.float64)
    found = values.reshape(coded["shape"]) * max(-coded["min"], coded["max"])
    np.testing.assert_allclose(found, numbers["data"], rtol=1e-3, atol=1e-5 * coded["max"])


def test_the_top_class_has_a_word(client: TestClient, red_left: bytes) -> None:
    explanation = client.post("/explain?target=gray&against=top1", content=red_left).json()[
        "explanation"
    ]
    assert explanation["target"]["index"] == 3
    assert explanation["against"]["label"] == "red"


def test_an_all_zero_map_in_base64_is_zeros(client: TestClient) -> None:
    black = png(np.zeros((40, 40, 3), dtype=np.uint8))
    found = client.post("/explain?target=red&map=base64", content=black).json()
    assert not any(base64.b64decode(found["explanation"]["map"]["data"]))


def test_an_all_zero_map_says_so(client: TestClient) -> None:
    black = png(np.zeros((40, 40, 3), dtype=np.uint8))
    explanation = client.post("/explain?target=red", content=black).json()["explanation"]
    assert explanation["box"] is None
    assert "zero everywhere" in explanation["note"]
    picture = client.post("/explain?target=red", content=black, headers={"Accept": "image/png"})
    assert "zero everywhere" in picture.headers["X-SeeWhy-Note"]


@pytest.mark.parametrize("method", ["gradient", "gradcam"])
def test_the_picture_shows_the_heat_over_the_whole_photo(
    client: TestClient, red_left: bytes, method: str
) -> None:
    response = client.post(
        f"/explain?method={method}", content=red_left, headers={"Accept": "image/png"}
    )
    assert response.headers["Content-Type"] == "image/png"
    with Image.open(BytesIO(response.content)) as image:
        assert (image.format, image.size) == ("PNG", (80, 40))
        drawn = np.asarray(image, dtype=np.int16)
    # Green, which the red photo has not got, is the colour map's alone.
    assert drawn[20, 28, 1] > drawn[20, 8, 1] + 50
    assert drawn[20, 28, 1] > drawn[20, 70, 1] + 50


def test_the_picture_is_drawn_as_asked(client: TestClient, red_left: bytes) -> None:
    query = "/explain?method=gradcam&view=beside&colours=grey&legend=true"
    response = client.post(query, content=red_left, headers={"Accept": "image/png"})
    with Image.open(BytesIO(response.content)) as image:
        assert image.size == (160, 70)
        drawn = np.asarray(image, dtype=np.int16)
    assert (drawn[:40, :80] == np.asarray(Image.open(BytesIO(red_left)))).all()
    assert np.ptp(drawn[40:54], axis=2).max() <= 1  # the bar is grey


def test_classify_explains_each_of_several_images(client: TestClient, red_left: bytes) -> None:
    files = [("images", red_left), ("images", b"text"), ("images", red_left)]
    path = "/classify?explain=gradient&map=base64&robustness=fast"
    answer = client.post(path, files=files).json()
    Classifications.model_validate(answer, extra="forbid")
    alone = client.post("/explain?method=gradient&map=base64", content=red_left).json()
    first, broken, last = answer["results"]
    assert first["explanation"] == last["explanation"] == alone["explanation"]
    assert "error" in broken
    assert {"robustness", "explain"} <= first["timings_ms"].keys()


def test_classify_refuses_a_method_that_the_bundle_has_not_got(
    client: TestClient, red_left: bytes
) -> None:
    response = client.post("/classify?explain=cam", content=red_left)
    assert response.status_code == 422
    assert "possible methods: gradient, " in response.json()["detail"]


def test_the_quality_is_answered_where_it_is_asked_for(client: TestClient, red_left: bytes) -> None:
    path = "/explain?method=gradcam&quality=true"
    answer = client.post(f"{path}&targets=red&targets=blue", content=red_left).json()
    TargetsExplanation.model_validate(answer, extra="forbid")
    red, blue = answer["explanations"]
    assert red["quality"]["insertion"] > red["quality"]["deletion"]
    assert red["quality"]["passes"] == 67
    assert blue["quality"] is None  # there is no blue, and the map is zero
    picture = client.post(path, content=red_left, headers={"Accept": "image/png"})
    assert picture.status_code == 422


@pytest.mark.parametrize("option", ["view=above", "colours=jet", "legend=perhaps"])
def test_an_unknown_way_to_draw_is_refused(
    client: TestClient, red_left: bytes, option: str
) -> None:
    response = client.post(f"/explain?{option}", content=red_left)
    assert response.status_code == 422
    assert option.partition("=")[0] in response.json()["detail"]


@pytest.mark.parametrize("method", [name for name in METHODS if name != "cam"])
def test_every_method_answers_by_the_schema(
    client: TestClient, noise: npt.NDArray[np.uint8], method: str
) -> None:
    response = client.post("/explain", params={"method": method}, content=png(noise))
    assert response.status_code == 200, response.text
    explanation = Explanation.model_validate(response.json(), extra="forbid").explanation
    assert explanation.method == method
    assert explanation.map.shape == (32, 32)
    assert explanation.map.min >= 0


def test_a_contrast_is_the_difference_of_two_classes(
    client: TestClient, tiny_model: Any, noise: npt.NDArray[np.uint8]
) -> None:
    path = "/explain?method=gradient&target=red&against=green"
    explanation = client.post(path, content=png(noise)).json()["explanation"]
    cotangent = np.array([[1, -1, 0, 0]])
    gradient = tiny_model.input_gradient(noise[None], cotangent, np.zeros(1))[0]
    expected = np.abs(gradient).max(axis=0)
    np.testing.assert_allclose(
        explanation["map"]["data"], expected, rtol=1e-3, atol=1e-4 * expected.max()
    )
    assert explanation["against"]["label"] == "green"


def several(client: TestClient, image: bytes, how: str, targets: list[Any]) -> Any:
    """Asks for several targets in a query, or in a JSON body."""
    if how == "query":
        return client.post("/explain", params={"targets": targets}, content=image)
    body = {"images": [{"data": base64.b64encode(image).decode()}], "targets": targets}
    return client.post("/explain", json=body)


@pytest.mark.parametrize("how", ["query", "json"])
def test_several_targets_have_their_maps_in_order(
    client: TestClient, noise: npt.NDArray[np.uint8], how: str
) -> None:
    image = png(noise)
    answer = several(client, image, how, ["blue", 0, "top1"]).json()
    TargetsExplanation.model_validate(answer, extra="forbid")
    top = client.post("/classify", content=image).json()["predictions"][0]["index"]
    for target, found in zip([2, 0, top], answer["explanations"], strict=True):
        alone = client.post("/explain", params={"target": target}, content=image).json()
        assert found["target"] == alone["explanation"]["target"]
        np.testing.assert_allclose(
            found["map"]["data"], alone["explanation"]["map"]["data"], rtol=1e-4
        )


@pytest.mark.parametrize("how", ["query", "json"])
def test_too_many_targets_are_refused(client: TestClient, red_left: bytes, how: str) -> None:
    response = several(client, red_left, how, [0] * 17)
    assert response.status_code == 422
    assert "targets" in response.json()["detail"]


def test_a_list_far_too_long_is_refused(client: TestClient, red_left: bytes) -> None:
    assert several(client, red_left, "json", [0] * 10_000).status_code == 422


def test_a_picture_of_several_targets_is_refused(client: TestClient, red_left: bytes) -> None:
    accept = {"Accept": "image/png"}
    response = client.post("/explain?targets=red&targets=blue", content=red_left, headers=accept)
    assert response.status_code == 422
    assert "one map" in response.json()["detail"]


def test_one_target_and_several_exclude_each_other(client: TestClient, red_left: bytes) -> None:
    response = client.post("/explain?targets=red&target=blue", content=red_left)
    assert response.status_code == 422
    assert "exclude" in response.json()["detail"]


def test_a_signed_map_has_both_signs_and_integrated_gradients_add_up(
    client: TestClient, tiny_model: Any, noise: npt.NDArray[np.uint8]
) -> None:
    path = "/explain?method=integrated_gradients&signed=true&steps=64&target=red"
    explanation = client.post(path, content=png(noise)).json()["explanation"]
    black = np.zeros_like(noise)
    high, low = tiny_model.logits(np.stack([noise, black]))[:, 0]
    assert explanation["map"]["min"] < 0 < explanation["map"]["max"]
    assert np.sum(explanation["map"]["data"]) == pytest.approx(high - low, rel=1e-2)
    assert explanation["completeness_gap"] < 1e-3
    assert explanation["passes"] == 66


def test_integrated_gradients_say_where_they_do_not_add_up(
    client: TestClient, noise: npt.NDArray[np.uint8]
) -> None:
    path = "/explain?method=integrated_gradients&target=red&against=green&steps="
    coarse, fine = (
        client.post(f"{path}{steps}", content=png(noise)).json()["explanation"] for steps in (1, 64)
    )
    assert coarse["completeness_gap"] > 0.05
    assert f"{coarse['completeness_gap']:.1%}" in coarse["note"]
    assert fine["completeness_gap"] < 0.05
    assert fine["note"] is None


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("method=guided", "method"),
        ("method=smoothgrad&samples=0", "samples"),
        ("method=smoothgrad&samples=true", "samples"),
        ("method=smoothgrad&sigma=nan", "sigma"),
        ("method=rise&masks=100000", "masks"),
        ("method=rise&masks=1", "masks"),
        ("method=integrated_gradients&baseline=pink", "baseline"),
        ("method=gradcam&samples=4", "gradcam takes no parameter 'samples'"),
        ("method=occlusion&window=33", "larger than the crop"),
        ("method=cam", "possible methods: gradient, "),
    ],
)
def test_what_a_method_cannot_do_is_refused(
    client: TestClient, red_left: bytes, query: str, said: str
) -> None:
    response = client.post(f"/explain?{query}", content=red_left)
    assert response.status_code == 422
    assert said in response.json()["detail"]


def test_several_images_are_explained_in_order_and_a_bad_one_fails_alone(
    client: TestClient, red_left: bytes
) -> None:
    files = [("images", red_left), ("images", b"text"), ("images", red_left)]
    answer = client.post("/explain", files=files).json()
    Explanations.model_validate(answer, extra="forbid")
    assert ["error" in result for result in answer["results"]] == [False, True, False]


def test_a_picture_of_several_images_is_refused(client: TestClient, red_left: bytes) -> None:
    files = [("images", red_left), ("images", red_left)]
    response = client.post("/explain", files=files, headers={"Accept": "image/png"})
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("target", ["4", "purple", "-1"])
def test_an_unknown_class_is_refused(client: TestClient, red_left: bytes, target: str) -> None:
    response = client.post("/explain", params={"target": target}, content=red_left)
    assert response.status_code == 422
    assert response.json()["title"] == "Unknown class"


def test_of_several_images_those_whose_top_class_is_held_against_itself_fail_alone(
    client: TestClient, red_left: bytes, noise: npt.NDArray[np.uint8]
) -> None:
    noisy = png(noise)
    top = client.post("/classify", content=noisy).json()["predictions"][0]["label"]
    assert top != "red"
    files = [("images", red_left), ("images", noisy)]
    first, second = client.post("/explain?against=red", files=files).json()["results"]
    assert "target and against are the same class, 'red'" in first["error"]["detail"]
    assert second["explanation"]["against"]["label"] == "red"


def test_a_class_that_the_target_is_held_against_is_not_called_the_target(
    client: TestClient, red_left: bytes
) -> None:
    response = client.post("/explain?against=purple", content=red_left)
    assert response.json()["detail"].startswith("'purple' is no class of this model")
