"""What the metrics say, read by Prometheus's own parser and by promtool."""

import shutil
import subprocess
from unittest.mock import Mock

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from models.errors import (
    DeadlineExceeded,
    NotReady,
    Overloaded,
    TooManyRequests,
    Unavailable,
)
from models.manifest import Graph
from service.core.batch_run import BatchReport
from service.runtime.gpus import GpuState
from service.telemetry import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of one name, by the values of their labels in the labels' order."""
    text = generate_latest(metrics.registry).decode()
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_requests_are_counted_by_route_model_and_outcome(metrics: Metrics) -> None:
    for outcome in ("ok", "ok", "CorruptImage"):
        metrics.request("/classify", "tiny", outcome, 0.02)

    assert samples(metrics, "seewhy_requests_total") == {
        ("tiny", "ok", "/classify"): 2,
        ("tiny", "CorruptImage", "/classify"): 1,
    }
    assert samples(metrics, "seewhy_rejected_requests_total") == {}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Overloaded, "overloaded"),
        (TooManyRequests, "key_limit"),
        (DeadlineExceeded, "deadline"),
        (NotReady, "not_ready"),
    ],
)
def test_what_may_be_answered_later_counts_as_turned_away_by_its_reason(
    metrics: Metrics, error: type[Unavailable], reason: str
) -> None:
    metrics.request("/classify", "tiny", error.__name__, 0.001)

    assert samples(metrics, "seewhy_rejected_requests_total") == {(reason, "/classify"): 1}


def test_every_way_to_be_unavailable_has_a_reason(metrics: Metrics) -> None:
    for error in Unavailable.__subclasses__():
        metrics.request("/classify", "tiny", error.__name__, 0.001)

    rejected = samples(metrics, "seewhy_rejected_requests_total")
    assert sum(rejected.values()) == len(Unavailable.__subclasses__())


def test_images_that_fail_alone_are_counted_by_error(metrics: Metrics) -> None:
    metrics.failed_image("/classify", "CorruptImage")

    assert samples(metrics, "seewhy_failed_images_total") == {("CorruptImage", "/classify"): 1}


def test_a_request_s_time_and_its_stages_are_told_apart(metrics: Metrics) -> None:
    metrics.stage("/classify", "decode", 0.002)
    metrics.request("/classify", "tiny", "ok", 0.02)

    seconds = samples(metrics, "seewhy_stage_seconds_sum")
    assert seconds[("/classify", "decode")] == pytest.approx(0.002)
    assert seconds[("/classify", "total")] == pytest.approx(0.02)


def test_a_batch_counts_its_rows_and_its_time(metrics: Metrics) -> None:
    metrics.batch(Graph.MODEL, BatchReport(rows=7, seconds=0.03, limit=16))

    assert samples(metrics, "seewhy_batch_rows_sum") == {("model",): 7}
    buckets = samples(metrics, "seewhy_batch_rows_bucket")
    assert (buckets[("model", "4.0")], buckets[("model", "8.0")]) == (0, 1)
    assert samples(metrics, "seewhy_batch_seconds_count") == {("model",): 1}


def test_a_scrape_looks_at_the_models_that_are_loaded_then(metrics: Metrics) -> None:
    loaded = Mock(return_value=[])
    metrics.watch(loaded, "cpu", list)
    before = loaded.call_count

    assert samples(metrics, "seewhy_bundle_info") == {}
    assert loaded.call_count > before


def test_gpus_are_asked_at_every_scrape(metrics: Metrics) -> None:
    gpus: list[GpuState] = []
    metrics.watch(list, "cuda", lambda: gpus)
    assert samples(metrics, "seewhy_device_memory_bytes") == {}

    part = GpuState(1, memory_used=2, memory_total=4, utilization=None)
    gpus += [GpuState(0, memory_used=3, memory_total=8, utilization=0.5), part]
    assert samples(metrics, "seewhy_device_memory_used_bytes") == {("0",): 3, ("1",): 2}
    assert samples(metrics, "seewhy_device_memory_bytes") == {("0",): 8, ("1",): 4}
    assert samples(metrics, "seewhy_device_utilization_ratio") == {("0",): 0.5}


def test_a_batch_that_did_not_fit_shows_the_smaller_limit_and_counts_as_no_batch(
    metrics: Metrics,
) -> None:
    metrics.batch(Graph.MODEL, BatchReport(rows=16, seconds=0.03, limit=8, out_of_memory=True))

    assert samples(metrics, "seewhy_out_of_memory_total")[("model",)] == 1
    assert samples(metrics, "seewhy_batch_limit_rows") == {("model",): 8}
    assert samples(metrics, "seewhy_batch_rows_sum") == {}


@pytest.mark.system
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_to_mend(metrics: Metrics) -> None:
    metrics.request("/classify", "tiny", "Overloaded", 0.02)
    metrics.stage("/classify", "decode", 0.002)
    metrics.batch(Graph.MODEL, BatchReport(rows=7, seconds=0.03, limit=16))
    metrics.watch(list, "cpu", list)

    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=generate_latest(metrics.registry),
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
