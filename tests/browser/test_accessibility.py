"""Both pages by the rules of axe-core (WCAG 2.2 AA among them), at each width, light and dark."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[360, 768, 1440])
def sized(
    request: pytest.FixtureRequest, browser: Browser, site: str, scheme: Any
) -> Iterator[Page]:
    context = browser.new_context(
        base_url=site,
        color_scheme=scheme,
        reduced_motion="reduce",
        viewport={"width": request.param, "height": 800},
    )
    yield context.new_page()
    context.close()


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def test_the_empty_page_breaks_no_rule(sized: Page) -> None:
    sized.goto("/")
    sized.wait_for_selector("html[data-ready]")

    assert violations(sized) == []


@pytest.mark.smoke
def test_the_page_with_all_its_panels_breaks_no_rule(sized: Page, red: Path) -> None:
    sized.goto("/")
    sized.wait_for_selector("html[data-ready]")
    sized.set_input_files("#file", red)
    sized.wait_for_selector("#heat:not([hidden])")
    sized.get_by_role("button", name="Try to fool it").click()
    sized.wait_for_selector(".triptych")
    sized.wait_for_selector(".neighbours")

    assert violations(sized) == []


def test_the_dashboard_breaks_no_rule(sized: Page) -> None:
    sized.goto("/dashboard")
    sized.wait_for_selector("html[data-ready]")
    expect(
        sized.get_by_role("img", name="Nothing yet").or_(sized.locator(".legend")).first
    ).to_be_visible()

    assert violations(sized) == []


def test_everything_that_takes_the_focus_shows_it(start: Page) -> None:
    seen = []
    for _ in range(8):
        start.keyboard.press("Tab")
        focused = start.locator(":focus")
        if focused.get_attribute("id") == "file":  # its label shows it
            focused = start.locator("#drop")
        seen.append(focused.evaluate("each => getComputedStyle(each).outlineStyle"))

    assert set(seen) == {"solid"}


def test_nothing_moves_where_that_is_not_wanted(start: Page, red: Path) -> None:
    start.set_input_files("#file", red)
    start.wait_for_selector(".ranking")

    assert start.evaluate("document.getAnimations().length") == 0
