"""What is not documented fails, and so does what is documented and not there."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from models.errors import SeeWhyError
from service.api.problems import STATUS, describe
from service.app import create_app
from service.settings import Settings
from service.telemetry import Metrics

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def page() -> str:
    return (DOCS / "service.md").read_text(encoding="utf-8")


def table(text: str, heading: str) -> list[list[str]]:
    """The rows of the table under a heading, as cells without their backquotes."""
    section = re.split(r"^#+ ", text.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def problem_type(kind: type[SeeWhyError]) -> tuple[int, str]:
    problem = describe(kind("x"), "")
    return problem["status"], problem["type"].removeprefix("urn:seewhy:")


def test_every_route_is_documented(page: str) -> None:
    app = create_app(Settings())
    paths = app.openapi()["paths"].items()
    routes = {f"{method.upper()} {path}" for path, methods in paths for method in methods}
    routes |= {"GET /docs", "GET /redoc", "GET /openapi.json"}
    assert {row[0] for row in table(page, "## Routes")} == routes


def test_every_setting_is_documented_with_its_default(page: str) -> None:
    documented = {row[0]: row[1] for row in table(page, "## Settings")}
    fields = Settings.model_fields
    assert set(documented) == {f"SEEWHY_{name.upper()}" for name in fields}
    for name, field in fields.items():
        default = "unset" if field.default is None else str(field.default)
        if name != "repository":
            assert documented[f"SEEWHY_{name.upper()}"] == default


def test_every_metric_is_documented_with_its_type() -> None:
    text = (DOCS / "metrics.md").read_text(encoding="utf-8")
    metrics = Metrics(CollectorRegistry())
    metrics.watch(list, "cpu")
    registered = {
        family.name + ("_total" if family.type == "counter" else ""): family.type
        for family in metrics.registry.collect()
    }
    documented = {row[0]: row[1] for row in table(text, "# Metrics")}
    assert documented == registered


def test_every_error_that_a_client_can_cause_is_documented(page: str) -> None:
    documented = {
        (int(row[0]), kind.strip(" `"))
        for row in table(page, "## Errors")
        for kind in row[1].split(",")
    }
    assert documented <= {problem_type(kind) for kind in STATUS}
    causes = [kind for kind, status in STATUS.items() if status < 500 and not kind.__subclasses__()]
    assert documented >= {problem_type(kind) for kind in causes}


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEWHY_MAX_IMAGES", "7")
    monkeypatch.setenv("SEEWHY_PROVIDER", "cpu")
    settings = Settings()
    assert (settings.max_images, settings.provider) == (7, "cpu")


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "70000"), ("PROVIDER", "rocm"), ("MAX_BATCH", "0")]
)
def test_settings_out_of_range_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SEEWHY_{name}", value)
    with pytest.raises(ValueError, match=name.lower()):
        Settings()


def test_a_queue_that_the_largest_request_never_fits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"queue_size\n.*at least max_images, 32"):
        Settings(queue_size=8)
    with pytest.raises(ValueError, match=r"queue_size\n.*at least max_images, 300"):
        Settings(max_images=300)
    assert Settings(queue_size=8, max_images=8).queue_size == 8
