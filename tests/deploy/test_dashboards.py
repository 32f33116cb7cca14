"""The committed dashboards are those that the script writes, and are about documented metrics."""

import re
from pathlib import Path

import pytest

from deploy.grafana.dashboards import DASHBOARDS, FOLDER, Dashboard, rendered

METRICS = Path(__file__).parents[2] / "docs" / "metrics.md"
SUFFIXES = re.compile(r"_(bucket|sum|count)$")


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_the_committed_file_is_what_the_script_writes(dashboard: Dashboard) -> None:
    file = FOLDER / f"{dashboard.uid.removeprefix('seewhy-')}.json"
    assert file.read_text(encoding="utf-8") == rendered(dashboard)


def test_every_metric_of_ours_is_on_a_dashboard() -> None:
    documented = set(
        re.findall(r"^\| `(seewhy_\w+)`", METRICS.read_text(encoding="utf-8"), re.MULTILINE)
    )
    queries = " ".join(
        query
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for query in panel.queries.values()
    )
    shown = {SUFFIXES.sub("", name) for name in re.findall(r"\bseewhy_\w+", queries)}
    assert shown == documented
