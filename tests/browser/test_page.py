"""The page at `/`: every way in, and every panel."""

import base64
import json
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from service.app import create_app
from service.core.palettes import colours
from service.settings import Settings

pytestmark = [pytest.mark.system, pytest.mark.slow]

Serve = Callable[[FastAPI], AbstractContextManager[str]]

LOADING_MS = 60_000


def pick(page: Page, photo: Path) -> None:
    """Choose a photo and wait for its answer and its heat map."""
    page.set_input_files("#file", photo)
    page.wait_for_selector(".ranking")
    page.wait_for_selector("#heat:not([hidden])")


def transfer(page: Page, event: str, photo: Path) -> None:
    """Have a photo dropped or pasted, as the browser would tell the page."""
    page.evaluate(
        """([event, data]) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], "photo.png", { type: "image/png" }));
          const options = { bubbles: true, cancelable: true };
          document.body.dispatchEvent(
            event === "paste"
              ? new ClipboardEvent(event, { ...options, clipboardData: transfer })
              : new DragEvent(event, { ...options, dataTransfer: transfer }),
          );
        }""",
        [event, base64.b64encode(photo.read_bytes()).decode()],
    )


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_photo_that_is_dropped_or_pasted_is_answered(start: Page, red: Path, event: str) -> None:
    transfer(start, event, red)

    expect(start.locator(".ranking li").first).to_contain_text("red")
    expect(start.locator("#announcement")).to_contain_text("red,")


@pytest.mark.smoke
def test_a_photo_that_is_picked_is_ranked_as_the_api_ranks_it(
    start: Page, site: str, red: Path
) -> None:
    pick(start, red)
    answer = httpx.post(f"{site}/classify", content=red.read_bytes()).json()
    shown = start.locator(".row-name").all_inner_texts()

    assert [name.split()[0].strip(",") for name in shown] == [
        each["label"].split(",")[0] for each in answer["predictions"]
    ]
    track = start.locator(".bar-track").first.bounding_box()
    bar = start.locator(".bar-fill").first.bounding_box()
    assert track
    assert bar
    share = answer["predictions"][0]["probability"]
    assert bar["width"] / track["width"] == pytest.approx(share, abs=0.01)


def test_a_sample_is_answered(start: Page) -> None:
    start.get_by_role("button", name="A coffee").click()

    expect(start.locator(".ranking li")).to_have_count(4)
    expect(start.locator("#name")).to_have_text("coffee.jpg")


def test_a_calibrated_model_shows_its_set_its_decision_and_how_unusual_the_photo_is(
    start: Page, site: str, red: Path
) -> None:
    pick(start, red)
    answer = httpx.post(f"{site}/classify", content=red.read_bytes()).json()

    members = [each["label"].split(",")[0] for each in answer["prediction_set"]]
    assert start.locator(".chips li").all_inner_texts() == members
    assert answer["decision"] == "review"
    expect(start.locator(".badge.review")).to_have_text("Have a look")
    expect(start.locator("#answer .verdict")).to_contain_text(answer["reason"])
    unusual = f"more unusual than {answer['ood']['percentile']:.0f}% of known photos"
    expect(start.locator("#answer")).to_contain_text(unusual)


def test_of_an_empty_set_the_page_says_why(start: Page, red: Path) -> None:
    def emptied(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, json=response.json() | {"prediction_set": []})

    start.route("**/classify?*", emptied)
    pick(start, red)

    expect(start.locator(".set")).to_contain_text("surer answers than this one suffice")
    assert start.locator(".chips li").count() == 0


def test_another_model_answers_when_it_is_chosen(start: Page, red: Path) -> None:
    pick(start, red)
    start.locator("#model").select_option("plain")

    expect(start.locator("#answer")).to_contain_text("not calibrated")
    expect(start.locator("#similar")).to_be_hidden()
    assert start.locator(".chips, .badge").count() == 0


def test_the_heat_map_over_the_photo_is_the_picture_that_the_service_draws(
    start: Page, site: str, red: Path
) -> None:
    pick(start, red)
    options = {"method": "gradcam"}
    start.locator("#method").select_option("gradcam")
    expect(start.locator("#explained")).to_contain_text("Grad-CAM,")
    start.wait_for_selector("#explained:not([aria-busy])")
    url = start.evaluate("document.getElementById('heat').toDataURL()")
    ours = np.asarray(Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))

    answer = httpx.post(
        f"{site}/explain", params=options, content=red.read_bytes(), headers={"Accept": "image/png"}
    )
    drawn = np.asarray(Image.open(BytesIO(answer.content)), dtype=float)
    photo = np.asarray(Image.open(red), dtype=float)
    heat = (drawn - 0.4 * photo) / 0.6  # the service lays it over with opacity 0.6
    assert ours.shape == heat.shape
    # Colours are mixed between pixels here, values there; there the box is drawn too.
    assert np.median(np.abs(ours - heat)) < 4
    assert (ours[:, -15:] == colours("ember")[0]).all()  # right of the crop


def test_a_class_that_is_clicked_is_explained(start: Page, red: Path) -> None:
    pick(start, red)
    start.get_by_role("button", name="green").click()

    expect(start.locator("#explained")).to_contain_text("speak for green")
    expect(start.get_by_label("Class")).to_have_value("green")


def test_one_class_is_held_against_another(start: Page, red: Path) -> None:
    pick(start, red)
    start.get_by_label("Rather than").fill("blue")
    start.get_by_label("Rather than").press("Tab")

    expect(start.locator("#explained")).to_contain_text("rather than blue")


def test_every_method_that_the_model_can_be_explained_by_is_offered(
    start: Page, site: str, red: Path
) -> None:
    pick(start, red)
    possible = httpx.get(f"{site}/models/calibrated").json()["methods"]
    offered = start.locator("#method option").evaluate_all("all => all.map(each => each.value)")

    assert offered == ["", *possible]
    expect(start.locator("#method option").first).to_have_text("The model's own, Grad-CAM")


def test_a_method_s_parameters_are_offered_and_asked(start: Page, red: Path) -> None:
    pick(start, red)
    expect(start.get_by_role("group", name="Parameters")).to_be_hidden()  # Grad-CAM has none
    start.locator("#method").select_option("smoothgrad")
    expect(start.get_by_label("Random seed")).to_have_value("0")
    start.get_by_label("Noisy copies").fill("3")
    start.get_by_label("Noisy copies").press("Tab")

    expect(start.locator("#explained")).to_contain_text("SmoothGrad, 3 passes")
    asked = start.locator(".command code").nth(1)
    expect(asked).to_contain_text("/explain?model=calibrated&method=smoothgrad&samples=3'")
    start.get_by_role("button", name="A coffee").click()
    expect(start.locator("#name")).to_have_text("coffee.jpg")
    expect(asked).to_contain_text("samples=3'")
    start.locator("#method").select_option("integrated_gradients")
    start.get_by_label("From a photo that is").select_option("blurred")
    expect(asked).to_contain_text("&method=integrated_gradients&baseline=blurred'")
    expect(start.locator("#explained")).to_contain_text("its sum misses the score by")


def test_a_parameter_out_of_its_range_is_told_in_words(
    start: Page, red: Path, complaints: list[str]
) -> None:
    pick(start, red)
    start.locator("#method").select_option("rise")
    start.get_by_label("Random masks").fill("9999")
    start.get_by_label("Random masks").press("Tab")

    alert = start.get_by_role("alert").filter(visible=True)
    expect(alert).to_contain_text("masks: Input should be less than or equal to 8192")
    assert all("status of 422" in said for said in complaints)
    complaints.clear()


def test_a_signed_map_is_warm_where_it_speaks_for_a_class_and_cold_where_against_it(
    start: Page, site: str, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    photo = tmp_path / "noise.png"
    Image.fromarray(noise).save(photo)  # of the crop's own size
    pick(start, photo)
    start.locator("#method").select_option("gradient_x_input")
    start.get_by_label("Show what speaks against it too").check()
    start.get_by_label("Class").fill("red")
    start.get_by_label("Class").press("Tab")
    expect(start.locator("#explained")).to_contain_text("for red (")
    expect(start.locator("#explained")).to_contain_text("the cold ones against it")
    expect(start.locator("#least")).to_have_text("against")
    url = start.evaluate("document.getElementById('heat').toDataURL()")
    drawn = Image.open(BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")

    options = {"method": "gradient_x_input", "signed": "true", "target": "red"}
    answer = httpx.post(f"{site}/explain", params=options, content=photo.read_bytes()).json()
    values = np.array(answer["explanation"]["map"]["data"])
    warmth = np.subtract(*np.asarray(drawn, dtype=int).transpose(2, 0, 1)[[0, 2]])
    clear = np.abs(values) > 0.3 * np.abs(values).max()
    assert (np.sign(values) == np.sign(warmth))[clear].all()
    assert {-1, 1} <= set(np.sign(values[clear]))


def test_the_slider_sets_the_opacity_of_the_heat_map(start: Page, red: Path) -> None:
    pick(start, red)
    slider = start.get_by_label("Opacity of the heat map")
    slider.focus()
    slider.press("Home")
    slider.press("ArrowRight")

    expect(start.locator("#heat")).to_have_css("opacity", "0.01")


def test_an_unknown_class_is_told_in_words(start: Page, red: Path, complaints: list[str]) -> None:
    pick(start, red)
    start.get_by_label("Class").fill("purple")
    start.get_by_label("Class").press("Enter")

    alert = start.get_by_role("alert").filter(visible=True)
    expect(alert).to_contain_text("'purple' is no class of this model")
    expect(start.locator("#heat")).to_be_hidden()
    assert complaints
    assert all("status of 422" in said for said in complaints)
    complaints.clear()


def test_a_file_that_is_no_photo_is_told_in_words(
    start: Page, tmp_path: Path, complaints: list[str]
) -> None:
    (tmp_path / "letter.png").write_text("Dear reader")
    start.set_input_files("#file", tmp_path / "letter.png")

    expect(start.locator("#answer [role=alert]")).to_contain_text("Unsupported format")
    expect(start.locator("#photo")).to_have_attribute(
        "alt", "letter.png: this browser cannot show it"
    )
    assert all("status of 415" in said for said in complaints)
    complaints.clear()


def test_a_photo_that_the_browser_cannot_draw_is_answered_without_the_map(
    start: Page, red: Path, tmp_path: Path
) -> None:
    with Image.open(red) as photo:
        photo.save(tmp_path / "red.tiff")
    start.set_input_files("#file", tmp_path / "red.tiff")

    expect(start.locator(".ranking li").first).to_contain_text("red")
    expect(start.locator("#explained .note")).to_contain_text("The map is not drawn")
    expect(start.locator("#heat")).to_be_hidden()


@pytest.mark.smoke
def test_an_attack_shows_the_original_the_change_the_outcome_and_the_new_answer(
    start: Page, site: str, red: Path
) -> None:
    pick(start, red)
    start.locator("#attack").select_option("fgsm")
    eps = start.get_by_label("Largest change of a pixel, eps")
    eps.fill("16")
    start.get_by_role("button", name="Try to fool it").click()

    checks = {"checks": "fgsm@linf:16/255"}
    answer = httpx.post(f"{site}/robustness", params=checks, content=red.read_bytes()).json()
    (check,) = answer["robustness"]["checks"]
    captions = start.locator(".triptych figcaption")
    expect(captions).to_have_count(3)
    expect(captions.nth(0)).to_contain_text(f"Original{answer['prediction']['label']}")
    expect(captions.nth(1)).to_contain_text("amplified")
    expect(captions.nth(2)).to_contain_text(f"Adversarial{check['answer']['label'].split(',')[0]}")
    expect(start.locator("#attacked .badge")).to_have_class(
        f"badge {answer['robustness']['verdict']}"
    )


def test_similar_images_are_listed_nearest_first(start: Page, site: str, red: Path) -> None:
    pick(start, red)
    answer = httpx.post(f"{site}/similar", content=red.read_bytes()).json()

    rows = start.locator(".neighbours li")
    expect(rows).to_have_count(len(answer["neighbours"]))
    for place, each in enumerate(answer["neighbours"]):
        expect(rows.nth(place)).to_contain_text(each["label"])
        expect(rows.nth(place)).to_contain_text(each["id"])
        expect(rows.nth(place)).to_contain_text(f"{each['distance']:.2f}")


def test_similar_images_are_shown_where_the_model_keeps_thumbnails(start: Page, red: Path) -> None:
    pick(start, red)

    pictures = start.locator(".neighbours img")
    expect(pictures).to_have_count(2)
    for place, (name, colour) in enumerate(
        [("fields/poppies.png", [250, 0, 0]), ("fields/grass.png", [0, 250, 0])]
    ):
        picture = pictures.nth(place)
        expect(picture).to_have_attribute("alt", f"What the model saw of {name}")
        expect(picture).to_have_js_property("complete", value=True)
        drawn = picture.evaluate(
            """(image) => {
              const context = document.createElement("canvas").getContext("2d");
              context.drawImage(image, 0, 0);
              return [...context.getImageData(16, 16, 1, 1).data.slice(0, 3)];
            }"""
        )
        assert drawn == pytest.approx(colour, abs=8)


def test_similar_images_without_thumbnails_are_named_alone(
    start: Page, site: str, red: Path
) -> None:
    answer = httpx.post(f"{site}/similar", content=red.read_bytes()).json()
    for each in answer["neighbours"]:
        del each["thumbnail"]
    start.route("**/similar?*", lambda route: route.fulfill(json=answer))
    pick(start, red)

    expect(start.locator(".neighbours li")).to_have_count(2)
    expect(start.locator(".neighbours img")).to_have_count(0)


def test_every_curl_line_asks_what_the_page_asked(start: Page, site: str, red: Path) -> None:
    pick(start, red)
    start.locator("#method").select_option("gradcam++")
    expect(start.locator("#explained")).to_contain_text("Grad-CAM++")
    lines = start.locator(".command code").all_inner_texts()

    words = [shlex.split(line) for line in lines]
    assert [each[-1] for each in words] == [
        f"{site}/classify?model=calibrated",
        f"{site}/explain?model=calibrated&method=gradcam%2B%2B",
        f"{site}/robustness?model=calibrated&checks=pgd%40linf%3A1%2F255",
        f"{site}/similar?model=calibrated",
    ]
    assert all(each[:4] == ["curl", "-s", "-H", "Content-Type: image/png"] for each in words)
    assert all(each[4:6] == ["--data-binary", "@it's red.png"] for each in words)


def test_a_curl_line_is_copied(start: Page, red: Path) -> None:
    pick(start, red)
    start.get_by_role("button", name="Copy: What is it?").click()

    expect(start.get_by_role("button", name="Copy: What is it?")).to_have_text("Copied")
    copied = start.evaluate("navigator.clipboard.readText()")
    assert copied == start.locator(".command code").first.inner_text()


def test_panels_appear_only_where_the_service_offers_them(page: Page, site: str, red: Path) -> None:
    document = httpx.get(f"{site}/openapi.json").json()
    for route in ("/robustness", "/similar"):
        del document["paths"][route]
    options = document["paths"]["/explain"]["post"]["parameters"]
    options[:] = [each for each in options if each["name"] != "against"]
    page.route("**/openapi.json", lambda route: route.fulfill(json=document))
    page.goto("/")
    page.wait_for_selector("html[data-ready]")
    pick(page, red)

    for panel in ("#robustness", "#similar", "#against-field"):
        expect(page.locator(panel)).to_be_hidden()
    expect(page.locator(".command")).to_have_count(2)


def test_a_model_that_is_still_being_loaded_is_waited_for(
    start: Page, red: Path, complaints: list[str]
) -> None:
    problem = {"type": "urn:seewhy:not-ready", "title": "Not ready", "detail": "wait"}
    headers = {"Content-Type": "application/problem+json", "Retry-After": "1"}
    start.route(
        "**/explain?*",
        lambda route: route.fulfill(status=503, headers=headers, body=json.dumps(problem)),
        times=1,
    )
    pick(start, red)

    assert [said for said in complaints if "status of 503" in said] == complaints != []
    complaints.clear()


def test_a_key_is_asked_for_where_the_service_wants_one(
    browser: Browser, serve: Serve, repository: Path, red: Path
) -> None:
    settings = Settings(
        repository=repository,
        default_model="plain",
        provider="cpu",
        threads=1,
        api_keys={"a-long-secret": 8},
    )
    with serve(create_app(settings)) as site:
        page = browser.new_page(base_url=site)
        page.goto("/")
        page.get_by_label("API key").fill("a-long-secret")
        page.get_by_role("button", name="Use it").click()
        page.wait_for_selector("html[data-ready]")
        pick(page, red)

        expect(page.locator(".command code").first).to_contain_text("Bearer $SEEWHY_API_KEY")
        page.close()


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_everything_fits_at_every_width(start: Page, red: Path, width: int) -> None:
    start.set_viewport_size({"width": width, "height": 800})
    pick(start, red)
    start.get_by_role("button", name="Try to fool it").click()
    start.wait_for_selector(".triptych")

    assert start.evaluate("document.documentElement.scrollWidth") <= width
    photo = start.locator("#frame").bounding_box()
    assert photo
    assert photo["x"] >= 0
    assert photo["x"] + photo["width"] <= width


def test_the_keyboard_alone_is_enough(start: Page) -> None:
    start.keyboard.press("Tab")
    expect(start.locator(":focus")).to_have_text("Skip to the content")
    for _ in range(20):
        start.keyboard.press("Tab")
        if start.locator(":focus").get_attribute("data-sample") == "cat.jpg":
            break
    start.keyboard.press("Enter")
    start.wait_for_selector("#heat:not([hidden])")
    start.get_by_role("button", name="Try to fool it").focus()
    start.keyboard.press("Enter")

    expect(start.locator(".triptych")).to_be_visible()


def test_what_is_shown_is_from_the_latest_photo(start: Page, red: Path) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    start.route("**/classify?*", hold, times=1)
    start.get_by_role("button", name="A cat").click()
    start.wait_for_timeout(100)
    pick(start, red)
    assert len(held) == 1
    held[0].continue_()
    start.wait_for_timeout(500)

    expect(start.locator("#name")).to_have_text(red.name)
    expect(start.locator(".ranking li").first).to_contain_text("red")


@pytest.mark.smoke
def test_the_default_model_sees_a_cat_and_is_fooled(browser: Browser, serve: Serve) -> None:
    with serve(create_app(Settings(provider="cpu", threads=1))) as site:
        page = browser.new_page(base_url=site)
        page.set_default_timeout(LOADING_MS)
        page.goto("/")
        page.wait_for_selector("html[data-ready]")
        page.get_by_role("button", name="A cat").click()
        expect(page.locator(".ranking li").first).to_contain_text("cat", timeout=LOADING_MS)
        page.wait_for_selector("#heat:not([hidden])")
        page.get_by_role("button", name="Try to fool it").click()

        page.wait_for_selector(".badge.fragile")
        page.close()
