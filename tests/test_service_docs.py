"""What the service has and its pages do not say fails, and so does the reverse."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from models.errors import SeeWhyError
from service.api.problems import STATUS, describe
from service.app import create_app
from service.jobs.runner import JobsState
from service.predictions.log import LogState
from service.settings import Settings
from service.telemetry import Metrics

DOCS = Path(__file__).parents[1] / "docs"


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
    app = create_app(Settings(admin_key="x"))
    paths = app.openapi()["paths"].items()
    routes = {f"{method.upper()} {path}" for path, methods in paths for method in methods}
    routes |= {"GET /", "GET /dashboard", "GET /docs", "GET /redoc", "GET /openapi.json"}
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
    metrics.watch(list, "cpu", list)
    metrics.watch_log(lambda: LogState(0, 0, None))
    metrics.watch_jobs(lambda: JobsState({}, 0, 0))
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
