"""Takes the README's picture of the page: `python docs/screenshot.py`, while `make serve` runs."""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parent / "samples" / "page.jpg"
ADDRESS = "http://127.0.0.1:8000"


def main() -> None:
    """Show the cat, and take a picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": 1200, "height": 862}, reduced_motion="reduce")
        page.goto(ADDRESS)
        page.wait_for_selector("html[data-ready]")
        page.get_by_role("button", name="A cat").click()
        page.wait_for_selector("#heat:not([hidden])")
        page.wait_for_selector(".ranking")
        page.screenshot(path=PICTURE, type="jpeg", quality=88)
        browser.close()


if __name__ == "__main__":
    main()
