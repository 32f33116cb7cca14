"""How the pages and their files are served; tests/browser has what they do."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

ROOT = Path(__file__).parents[2]
WEB = ROOT / "service" / "web"
PAGES = {"/": "index.html", "/dashboard": "dashboard.html"}
FILES = sorted(path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_html_under_a_policy_that_lets_nothing_else_in(
    client: TestClient, path: str
) -> None:
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"].split("; ")

    assert answer.text == (WEB / PAGES[path]).read_text(encoding="utf-8")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in policy
    assert {"script-src 'self'", "style-src 'self'", "connect-src 'self'"} <= set(policy)
    assert not re.search(r"unsafe|https?:|\*|data:", answer.headers["Content-Security-Policy"])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", [*PAGES, *(f"/web/{name}" for name in FILES)])
def test_head_answers_as_get_does_without_a_body(client: TestClient, path: str) -> None:
    got, head = client.get(path), client.head(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.content))
    assert head.headers["ETag"] == got.headers["ETag"]


def test_a_file_that_the_client_has_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/web/page.js")
    again = client.get("/web/page.js", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == again.headers["Cache-Control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/web/", "/web/style", "/web/none.js", "/web/..%2fapp.py", "/web/%2e%2e/app.py"]
)
def test_nothing_outside_the_folder_is_served(client: TestClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.json()["type"] == "about:blank"


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_refers_to_is_served_and_no_other_host_is_named(
    client: TestClient, name: str
) -> None:
    if name.endswith(".jpg"):
        return
    text = (WEB / name).read_text(encoding="utf-8")
    referred = [each.removeprefix("./") for each in re.findall(r'(?:href|src)="([^"#]+)"', text)]
    referred += [f"web/{path}" for path in re.findall(r'from "\./([^"]+)"', text)]

    assert [each for each in referred if client.get(f"/{each}").is_error] == []
    assert set(re.findall(r"https?://[^\s\"']+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<style|<script(?![^>]+src)|\son\w+=|style=", text)


def test_the_samples_are_the_documentation_s() -> None:
    for sample in (WEB / "samples").iterdir():
        assert sample.read_bytes() == (ROOT / "docs" / "samples" / sample.name).read_bytes()
