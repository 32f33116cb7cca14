"""The rules, by promtool; every query of a dashboard or an alert, by a Prometheus that scrapes."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from deploy.grafana.dashboards import DASHBOARDS

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
RULES = FOLDER / "rules.yml"
METRICS = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(
    r"^\| `(?P<name>seewhy_\w+)` \| (?P<type>\w+) \| (?P<labels>[^|]*)\|", re.MULTILINE
)
SECONDS = 60
NEEDS_A_GPU = "seewhy_device_"

Start = Callable[..., AbstractContextManager[str]]
Values = Callable[[str, str], list[float]]

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]


def rules(kind: str) -> dict[str, str]:
    """The expression of each recording rule ("record") or alert ("alert")."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule[kind]: rule["expr"] for group in groups for rule in group["rules"] if kind in rule}


def left_hand_sides(expression: str) -> list[str]:
    """What an alert compares: `a > 1 and b > 2` has a and b."""
    return [re.split(r" (?:>=|>|<|==) ", part)[0] for part in expression.split(" and ")]


PANELS = {
    f"{dashboard.uid}: {panel.title}: {legend}": query
    for dashboard in DASHBOARDS
    for panel in dashboard.panels
    for legend, query in panel.queries.items()
    if NEEDS_A_GPU not in query
}
ALERTS = {
    f"{name} {number}": side
    for name, expression in rules("alert").items()
    for number, side in enumerate(left_hand_sides(expression))
    if NEEDS_A_GPU not in side
}


@pytest.mark.parametrize("command", [["check", "rules"], ["test", "rules"]])
def test_promtool_is_content_with_the_rules(command: list[str]) -> None:
    file = RULES if command[0] == "check" else RULES.with_stem("rules_test")
    subprocess.run(["promtool", *command, str(file)], check=True, timeout=SECONDS)


def test_promtool_is_content_with_the_configuration() -> None:
    config = FOLDER / "prometheus.yml"
    subprocess.run(["promtool", "check", "config", str(config)], check=True, timeout=SECONDS)


def test_every_alert_is_seen_to_fire() -> None:
    tests = yaml.safe_load(RULES.with_stem("rules_test").read_text(encoding="utf-8"))["tests"]
    fired = {
        check["alertname"]
        for test in tests
        for check in test["alert_rule_test"]
        if check.get("exp_alerts")
    }
    assert fired == set(rules("alert"))


@pytest.fixture(scope="module")
def service(
    calibrated_repository: Path, tmp_path_factory: pytest.TempPathFactory, start_service: Start
) -> Iterator[str]:
    """The address of a service that turns the third of three concurrent requests away."""
    log = tmp_path_factory.mktemp("log") / "predictions.sqlite"
    with start_service(
        repository=str(calibrated_repository), queue_size=2, max_images=2, drift_window=50,
        prediction_log=str(log), jobs=str(log.parent / "jobs"),
    ) as address:  # fmt: skip
        yield address


@pytest.fixture(scope="module")
def prometheus(service: str, start_prometheus: Start) -> Iterator[str]:
    with start_prometheus(service) as address:
        yield address


def send_traffic(service: str, image: bytes) -> None:
    """Requests of every kind, several at a time, so that some are turned away."""
    several = [("images", image), ("images", b"no image")]
    with (
        httpx.Client(base_url=f"http://{service}", timeout=SECONDS) as client,
        ThreadPoolExecutor(8) as senders,
    ):
        for path in (
            "/classify",
            "/explain",
            "/classify?robustness=fast",
            "/explain?method=gradient",
        ):
            list(senders.map(lambda _, to=path: client.post(to, content=image), range(16)))
        client.post("/classify", files=several)
        for _ in range(50):  # a window of answers, none of them turned away
            answer = client.post("/classify", content=image).json()
        label = answer["predictions"][0]["index"]
        client.post("/feedback", json={"image_id": answer["image_id"], "label": label})


@pytest.fixture(scope="module")
def watched(prometheus: str, service: str, red_left: bytes, values: Values) -> str:
    """Prometheus' address, once it has seen the traffic that a query needs for an answer."""
    pause, deadline = Event(), SECONDS * 2
    for _ in range(deadline):
        try:
            send_traffic(service, red_left)
            seen = values(prometheus, "seewhy:errors:ratio_rate6h")
        except httpx.TransportError:
            seen = []
        needed = ("rate(seewhy_rejected_requests_total[30s])", "seewhy_drift_statistic")
        if seen and all(values(prometheus, query) for query in needed):
            pause.wait(3)  # for the rules that build on what was just scraped
            return prometheus
        pause.wait(0.5)
    pytest.fail("Prometheus has no answer to the rules")


def test_what_the_service_prints_is_what_is_documented(watched: str, service: str) -> None:
    assert watched  # there has been traffic of every kind
    documented = list(ROW.finditer(METRICS.read_text(encoding="utf-8")))
    types = {row["name"]: row["type"] for row in documented}
    labels = {row["name"]: {*re.findall(r"\w+", row["labels"])} for row in documented}
    printed = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in text_string_to_metric_families(httpx.get(f"http://{service}/metrics").text)
        if not family.name.startswith("process_")
    }
    assert {name: family.type for name, family in printed.items()} == types
    for name, family in printed.items():
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == labels[name]


@pytest.mark.parametrize("query", PANELS.values(), ids=PANELS.keys())
def test_every_panel_has_an_answer(watched: str, values: Values, query: str) -> None:
    assert values(watched, query)


@pytest.mark.parametrize("query", ALERTS.values(), ids=ALERTS.keys())
def test_what_every_alert_compares_has_a_value(watched: str, values: Values, query: str) -> None:
    assert values(watched, query)
