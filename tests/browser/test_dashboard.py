"""The dashboard at `/dashboard`, fed by the real `/metrics`."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from playwright.sync_api import Page, expect

from service.app import create_app
from service.settings import Settings

pytestmark = [pytest.mark.system, pytest.mark.slow]

Serve = Callable[[FastAPI], AbstractContextManager[str]]


@pytest.fixture
def fresh(repository: Path, serve: Serve) -> Iterator[str]:
    """A service that nobody has asked anything."""
    settings = Settings(repository=repository, default_model="plain", provider="cpu", threads=1)
    with serve(create_app(settings)) as address:
        yield address


def watch(page: Page, site: str) -> None:
    page.goto(f"{site}/dashboard")
    page.wait_for_selector("html[data-ready]")


def ask(site: str, colour: str, times: int) -> None:
    """Classify photos of one colour."""
    photo = BytesIO()
    Image.new("RGB", (32, 32), colour).save(photo, "PNG")
    with httpx.Client() as client:
        for _ in range(times):
            client.post(f"{site}/classify", content=photo.getvalue()).raise_for_status()


def test_a_service_that_was_not_asked_says_so(page: Page, fresh: str) -> None:
    watch(page, fresh)

    expect(page.locator("#classes")).to_have_text("No photo has been classified yet.")
    for tile in ("p50", "p99", "failed"):
        expect(page.locator(f"#{tile}")).to_have_text("\N{EN DASH}")


@pytest.mark.smoke
def test_throughput_latency_and_failures_show_while_they_happen(page: Page, fresh: str) -> None:
    watch(page, fresh)
    ask(fresh, "red", 3)
    httpx.post(f"{fresh}/classify", content=b"no photo")

    expect(page.locator("#failed")).to_have_text("25%")
    expect(page.locator("#rate")).not_to_have_text("0")
    expect(page.locator("#throughput [role=img]")).to_have_attribute(
        "aria-label", re.compile(r"Now: /classify \d")
    )
    expect(page.locator("#latency [role=img]")).to_have_attribute(
        "aria-label", re.compile(r"Now: p50 [\d.]+ m?s, p95 [\d.]+ m?s, p99 [\d.]+ m?s")
    )
    assert page.locator("#latency path.series").count() == 3


def test_classes_and_confidence_show_now_against_ever(page: Page, fresh: str) -> None:
    ask(fresh, "red", 3)
    watch(page, fresh)
    ask(fresh, "lime", 1)

    green = page.locator("#classes li").first
    expect(green).to_have_text(re.compile("green100%"))
    expect(green).to_contain_text("25% since the service began")
    expect(page.locator("#classes li").nth(1)).to_contain_text("75% since the service began")
    expect(page.locator("#confidence li")).to_have_count(10)
    expect(page.locator("#confidence li").first).to_have_text(re.compile("90 to 100%100%"))


def test_a_shift_of_what_comes_in_shows(page: Page, fresh: str) -> None:
    ask(fresh, "red", 60)
    watch(page, fresh)
    classes = page.locator("#drift li").first
    expect(classes).to_contain_text("needs 50 photos now and before")
    ask(fresh, "lime", 60)

    expect(classes).to_contain_text("shifted")
    expect(page.locator("#drift li").nth(1)).to_contain_text("steady")


def test_a_models_own_window_stands_against_what_it_learned(
    page: Page, repository: Path, serve: Serve
) -> None:
    settings = Settings(
        repository=repository, default_model="calibrated", provider="cpu", threads=1,
        drift_window=50,
    )  # fmt: skip
    with serve(create_app(settings)) as address:
        watch(page, address)
        expect(page.locator("#drift li")).to_have_count(2)
        ask(address, "red", 50)  # half of what it learned is green

        expect(page.locator("#drift li").nth(2)).to_contain_text("calibrated version 1: ")
        expect(page.locator("#drift li").nth(2)).to_contain_text("shifted")


def test_a_service_that_does_not_answer_is_told_and_waited_for(
    page: Page, site: str, complaints: list[str]
) -> None:
    page.route("**/metrics", lambda route: route.abort(), times=1)
    page.goto(f"{site}/dashboard")

    expect(page.get_by_role("alert")).to_contain_text("The service does not answer")
    expect(page.get_by_role("alert")).to_be_hidden()
    assert len(complaints) == 1
    complaints.clear()


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_everything_fits_at_every_width(page: Page, site: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    watch(page, site)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
