"""The Grafana dashboards as a list of questions; writes dashboards/*.json.

python deploy/grafana/dashboards.py
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"

PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
WIDTH, HEIGHT, COLUMNS = 8, 8, 24


@dataclass(frozen=True)
class Panel:
    """A question, and the queries that answer it: PromQL by legend."""

    title: str
    queries: dict[str, str]
    unit: str
    kind: str = "timeseries"
    largest: float | None = None


@dataclass(frozen=True)
class Dashboard:
    """Panels under a title; `uid` is part of the dashboard's address."""

    uid: str
    title: str
    panels: list[Panel] = field(default_factory=list)


CLASSIFY = 'route="/classify"'
RATE = "$__rate_interval"


def quantiles(histogram: str, percents: tuple[int, ...]) -> dict[str, str]:
    """Percentiles of a histogram: its name with `_bucket`, and a selector if need be."""
    return {
        f"p{percent}": f"histogram_quantile({percent / 100:g}, sum by (le) "
        f"(rate({histogram}[{RATE}])))"
        for percent in percents
    }


def stage_quantiles(selector: str) -> dict[str, str]:
    """The 50th, 95th and 99th percentile of a stage."""
    return quantiles(f"seewhy_stage_seconds_bucket{{{selector}}}", (50, 95, 99))


OVERVIEW = Dashboard(
    "seewhy-overview",
    "SeeWhy: overview",
    [
        Panel(
            "Requests",
            {"{{route}}": f"sum by (route) (rate(seewhy_requests_total[{RATE}]))"},
            "reqps",
        ),
        Panel(
            "Share of requests that failed",
            {
                "over 5 minutes": "seewhy:errors:ratio_rate5m",
                "over an hour": "seewhy:errors:ratio_rate1h",
            },
            "percentunit",
            largest=1,
        ),
        Panel("How long /classify takes", stage_quantiles(f'{CLASSIFY}, stage="total"'), "s"),
        Panel(
            "Outcomes that are not ok",
            {
                "{{route}} {{outcome}}": "sum by (route, outcome) "
                f'(rate(seewhy_requests_total{{outcome!="ok"}}[{RATE}]))'
            },
            "reqps",
        ),
        Panel(
            "Where a request's time goes",
            {
                "{{stage}}": "sum by (stage) "
                f'(rate(seewhy_stage_seconds_sum{{{CLASSIFY}, stage!="total"}}[{RATE}]))'
                " / on () group_left sum "
                f'(rate(seewhy_stage_seconds_count{{{CLASSIFY}, stage="total"}}[{RATE}]))'
            },
            "s",
        ),
        Panel(
            "Images that failed alone",
            {"{{error}}": f"sum by (error) (rate(seewhy_failed_images_total[{RATE}]))"},
            "ops",
        ),
        Panel(
            "Images decoded",
            {"{{format}}": f"sum by (format) (rate(seewhy_decoded_images_total[{RATE}]))"},
            "ops",
        ),
        Panel(
            "What is served",
            {"{{model}} {{version}} on {{provider}}": "seewhy_bundle_info"},
            "short",
            kind="stat",
        ),
        Panel(
            "Seconds until it could classify",
            {"{{model}} {{version}}": "seewhy_bundle_load_seconds"},
            "s",
            kind="stat",
        ),
        Panel(
            "Graphs that are ready",
            {"{{model}} {{version}} {{graph}}": 'seewhy_graph_state{state="ready"}'},
            "short",
            kind="stat",
        ),
        Panel(
            "Bundles that could not be loaded",
            {"since the service began": "sum(seewhy_bundle_load_failures_total)"},
            "short",
            kind="stat",
        ),
    ],
)

CAPACITY = Dashboard(
    "seewhy-capacity",
    "SeeWhy: capacity",
    [
        Panel("Images waiting", {"{{model}} {{graph}}": "seewhy_queue_rows"}, "short"),
        Panel(
            "How long the first in the queue has waited",
            {"{{model}} {{graph}}": "seewhy_queue_age_seconds"},
            "s",
        ),
        Panel(
            "How long images wait",
            stage_quantiles('stage="queue"'),
            "s",
        ),
        Panel(
            "Turned away",
            {
                "{{route}} {{reason}}": "sum by (route, reason) "
                f"(rate(seewhy_rejected_requests_total[{RATE}]))"
            },
            "reqps",
        ),
        Panel(
            "Images in a batch",
            {
                "{{graph}}": f"sum by (graph) (rate(seewhy_batch_rows_sum[{RATE}])) / "
                f"sum by (graph) (rate(seewhy_batch_rows_count[{RATE}]))"
            },
            "short",
        ),
        Panel(
            "Most images in a batch, and batches without memory",
            {
                "{{graph}} at most": "seewhy_batch_limit_rows",
                "{{graph}} without memory": "sum by (graph) "
                f"(increase(seewhy_out_of_memory_total[{RATE}]))",
            },
            "short",
        ),
        Panel(
            "How long a batch takes",
            {
                "{{graph}}": f"sum by (graph) (rate(seewhy_batch_seconds_sum[{RATE}])) / "
                f"sum by (graph) (rate(seewhy_batch_seconds_count[{RATE}]))"
            },
            "s",
        ),
        Panel(
            "Images run",
            {"{{graph}}": f"sum by (graph) (rate(seewhy_batch_rows_sum[{RATE}]))"},
            "ops",
        ),
        Panel(
            "Processor time",
            {"cores": f"sum(rate(process_cpu_seconds_total[{RATE}]))"},
            "short",
        ),
        Panel(
            "Memory, and the limit beyond which idle models are given up",
            {
                "resident": "sum(process_resident_memory_bytes)",
                "limit, 0 for none": "sum(seewhy_memory_limit_bytes)",
            },
            "bytes",
        ),
        Panel(
            "Models given up",
            {"given up": "sum(increase(seewhy_models_given_up_total[1h])) or vector(0)"},
            "short",
        ),
        Panel("Jobs", {"{{state}}": "sum by (state) (seewhy_jobs)"}, "short"),
        Panel(
            "Images that jobs scored",
            {"{{outcome}}": f"sum by (outcome) (rate(seewhy_job_images_total[{RATE}]))"},
            "ops",
        ),
        Panel(
            "GPU memory",
            {
                "GPU {{device}}, used": "seewhy_device_memory_used_bytes",
                "GPU {{device}}, there is": "seewhy_device_memory_bytes",
            },
            "bytes",
        ),
        Panel(
            "GPU",
            {"GPU {{device}}": "seewhy_device_utilization_ratio"},
            "percentunit",
            largest=1,
        ),
        Panel("Open files", {"open": "sum(process_open_fds)"}, "short"),
    ],
)

QUALITY = Dashboard(
    "seewhy-quality",
    "SeeWhy: model quality",
    [
        Panel(
            "What is seen",
            {"{{label}}": f"topk(10, sum by (label) (rate(seewhy_predictions_total[{RATE}])))"},
            "ops",
        ),
        Panel(
            "How sure the answers are",
            quantiles("seewhy_confidence_ratio_bucket", (5, 25, 50)),
            "percentunit",
            largest=1,
        ),
        Panel(
            "Decisions",
            {
                "{{model}} {{decision}}": "sum by (model, decision) "
                f"(rate(seewhy_decisions_total[{RATE}]))"
            },
            "ops",
        ),
        Panel(
            "Share of answers that ask for a human look",
            {"{{model}}": "seewhy:review:ratio_rate5m"},
            "percentunit",
            largest=1,
        ),
        Panel(
            "How unlike the training images the images are (percentile)",
            quantiles("seewhy_ood_percentile_bucket", (50, 90, 99)),
            "short",
            largest=100,
        ),
        Panel(
            "Explanations",
            {"{{method}}": f"sum by (method) (rate(seewhy_explanations_total[{RATE}]))"},
            "ops",
        ),
        Panel(
            "Robustness verdicts",
            {
                "{{model}} {{verdict}}": "sum by (model, verdict) "
                f"(rate(seewhy_robustness_verdicts_total[{RATE}]))"
            },
            "ops",
        ),
        Panel(
            "Drift, in parts of its threshold",
            {
                "{{model}} {{version}} {{statistic}}": "seewhy_drift_statistic"
                " / seewhy_drift_threshold"
            },
            "percentunit",
        ),
        Panel(
            "Windows in a row that had drifted",
            {"{{model}} {{version}}": "seewhy_drift_windows"},
            "short",
        ),
        Panel(
            "Right, of the images whose label was given in the last day",
            {
                "{{model}}": 'sum by (model) (increase(seewhy_feedback_total{outcome="right"}[1d]))'
                " / sum by (model) (increase(seewhy_feedback_total[1d]))"
            },
            "percentunit",
            largest=1,
        ),
        Panel(
            "Answers for the prediction log, and whether it is written",
            {
                "{{outcome}}": f"sum by (outcome) (rate(seewhy_prediction_log_rows_total[{RATE}]))",
                "{{instance}} is written": "seewhy_prediction_log_up",
            },
            "short",
        ),
    ],
)

DASHBOARDS = (OVERVIEW, QUALITY, CAPACITY)


def rendered(dashboard: Dashboard) -> str:
    """A dashboard as Grafana reads it."""
    page: dict[str, Any] = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["seewhy"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "panels": [_panel(number, panel) for number, panel in enumerate(dashboard.panels)],
    }
    return json.dumps(page, indent=1) + "\n"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number * WIDTH, COLUMNS)
    return {
        "id": number + 1,
        "title": panel.title,
        "type": panel.kind,
        "datasource": PROMETHEUS,
        "gridPos": {"x": column, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "max": panel.largest},
            "overrides": [],
        },
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": PROMETHEUS,
                "expr": expr,
                "legendFormat": legend,
            }
            for place, (legend, expr) in enumerate(panel.queries.items())
        ],
    }


def main() -> None:
    """Write every dashboard."""
    for dashboard in DASHBOARDS:
        path = FOLDER / f"{dashboard.uid.removeprefix('seewhy-')}.json"
        path.write_text(rendered(dashboard), encoding="utf-8")


if __name__ == "__main__":
    main()
