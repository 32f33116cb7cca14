"""The service's metrics, on a registry that is passed in; docs/metrics.md lists them."""

from collections.abc import Callable, Sequence
from functools import cache, partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from models.manifest import Graph
from service.core.batch_run import BatchReport
from service.core.classification import Prediction
from service.core.robustness.examination import Verdict
from service.core.serving import ServedModel
from service.core.trust import Assessment
from service.gauges import Drift, Gpus, Jobs, LoadedModels, Log
from service.jobs.runner import JobsState
from service.predictions.log import LogState
from service.runtime.gpus import GpuState

_SECONDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0
)  # fmt: skip
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)
_PROBABILITIES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_PERCENTILES = (5, 10, 25, 50, 75, 90, 95, 99, 100)

_REASONS = {
    "Overloaded": "overloaded",
    "TooManyRequests": "key_limit",
    "DeadlineExceeded": "deadline",
    "NotReady": "not_ready",
}
"""Why a request is turned away that may be answered later, by its outcome."""


# The library takes longer to find what is counted for some labels than to count.


def _counter(
    registry: CollectorRegistry, name: str, documentation: str, labels: Sequence[str]
) -> Callable[..., Counter]:
    """A counter, to be called with its labels' values."""
    return cache(Counter(name, documentation, labels, registry=registry).labels)


def _histogram(
    registry: CollectorRegistry,
    name: str,
    documentation: str,
    labels: Sequence[str],
    buckets: Sequence[float],
) -> Callable[..., Histogram]:
    """A histogram, to be called with its labels' values."""
    return cache(Histogram(name, documentation, labels, registry=registry, buckets=buckets).labels)


class _Traffic:
    """Requests, and the way of their images."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(_counter, registry)
        self.requests = counter(
            "seewhy_requests_total",
            "Answered requests; the outcome is ok, or the name of the error.",
            ["route", "model", "outcome"],
        )
        self.rejected = counter(
            "seewhy_rejected_requests_total",
            "Requests turned away with nothing wrong with them, by reason.",
            ["route", "reason"],
        )
        self.failed_images = counter(
            "seewhy_failed_images_total",
            "Images that failed alone, in a request that was answered.",
            ["route", "error"],
        )
        self.stages = _histogram(
            registry,
            "seewhy_stage_seconds",
            "Time by stage: of each image read, decode, queue, inference, postprocess, explain, "
            "search, robustness; of each request total.",
            ["route", "stage"],
            _SECONDS,
        )
        self.decoded = counter(
            "seewhy_decoded_images_total", "Images that were decoded, by format.", ["format"]
        )


class _Answers:
    """What was said of images."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(_counter, registry)
        histogram = partial(_histogram, registry)
        self.predictions = counter(
            "seewhy_predictions_total",
            "Answers of /classify, by the most probable class.",
            ["model", "label"],
        )
        self.confidence = histogram(
            "seewhy_confidence_ratio",
            "Probability of the most probable class, of each answer of /classify.",
            ["model"],
            buckets=_PROBABILITIES,
        )
        self.novelty = histogram(
            "seewhy_ood_percentile",
            "Out-of-distribution percentile of each answer of /classify.",
            ["model"],
            buckets=_PERCENTILES,
        )
        self.decisions = counter(
            "seewhy_decisions_total",
            "Answers of /classify that can be accepted, or ask for a human look.",
            ["model", "decision"],
        )
        self.explanations = counter(
            "seewhy_explanations_total", "Explanations, by method.", ["model", "method"]
        )
        self.verdicts = counter(
            "seewhy_robustness_verdicts_total",
            "Images whose robustness was checked, by verdict.",
            ["model", "verdict"],
        )
        self.feedback = counter(
            "seewhy_feedback_total",
            "Images whose label was given, by whether the answer of /classify was right.",
            ["model", "outcome"],
        )


class _Batches:
    """What the graphs ran."""

    def __init__(self, registry: CollectorRegistry) -> None:
        histogram = partial(_histogram, registry)
        self.rows = histogram(
            "seewhy_batch_rows", "Rows of each batch that was run.", ["graph"], buckets=_ROWS
        )
        self.seconds = histogram(
            "seewhy_batch_seconds", "Time that each batch was run.", ["graph"], buckets=_SECONDS
        )
        limit = Gauge(
            "seewhy_batch_limit_rows",
            "Most rows run at once now; less than planned after the device ran out of memory.",
            ["graph"],
            registry=registry,
        )
        self.limit = cache(limit.labels)
        self.out_of_memory = _counter(
            registry,
            "seewhy_out_of_memory_total",
            "Batches for which the device had not got the memory.",
            ["graph"],
        )
        for graph in Graph:  # zero is worth telling
            self.out_of_memory(graph.value)


class _Models:
    """Models that come and go."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.limit = Gauge(
            "seewhy_memory_limit_bytes",
            "The process's memory beyond which idle models are given up; 0 without a limit.",
            registry=registry,
        )
        self.given_up = _counter(
            registry,
            "seewhy_models_given_up_total",
            "Idle models that were given up because of the memory limit.",
            ["model"],
        )
        self.load_failures = Counter(
            "seewhy_bundle_load_failures_total",
            "Times that a bundle could not be loaded; the log says which and why.",
            registry=registry,
        )


class Metrics:
    """Everything that is counted. Labels take few values, whatever clients send."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # Beside each counter and histogram, the library would print when it began.
        disable_created_metrics()
        self.registry = registry
        self._traffic = _Traffic(registry)
        self._answers = _Answers(registry)
        self._batches = _Batches(registry)
        self._models = _Models(registry)

    def request(self, route: str, model: str, outcome: str, seconds: float) -> None:
        """A request was answered."""
        self._traffic.requests(route, model, outcome).inc()
        self._traffic.stages(route, "total").observe(seconds)
        if reason := _REASONS.get(outcome):
            self._traffic.rejected(route, reason).inc()

    def failed_image(self, route: str, error: str) -> None:
        """One of several images has an error in its place."""
        self._traffic.failed_images(route, error).inc()

    def stage(self, route: str, stage: str, seconds: float) -> None:
        """A stage of an image is over."""
        self._traffic.stages(route, stage).observe(seconds)

    def decoded(self, form: str) -> None:
        """An image was decoded."""
        self._traffic.decoded(form.lower()).inc()

    def answered(self, model: str, best: Prediction, assessment: Assessment | None) -> None:
        """An image was classified; `assessment` is None where the bundle is not calibrated."""
        self._answers.predictions(model, best.label).inc()
        self._answers.confidence(model).observe(best.probability)
        if assessment is None:
            return
        if assessment.novelty is not None:
            self._answers.novelty(model).observe(assessment.novelty.nearest_neighbour.percentile)
        if assessment.decision is not None:
            self._answers.decisions(model, assessment.decision.verdict.value).inc()

    def explained(self, model: str, method: str) -> None:
        """An image was explained."""
        self._answers.explanations(model, method).inc()

    def verdict(self, model: str, verdict: Verdict) -> None:
        """An image's robustness was checked."""
        self._answers.verdicts(model, verdict.value).inc()

    def feedback(self, model: str, *, right: bool) -> None:
        """The label of an image was given."""
        self._answers.feedback(model, "right" if right else "wrong").inc()

    def batch(self, graph: Graph, report: BatchReport) -> None:
        """A batch was run, or did not fit into the device's memory."""
        self._batches.limit(graph.value).set(report.limit)
        if report.out_of_memory:
            self._batches.out_of_memory(graph.value).inc()
            return
        self._batches.rows(graph.value).observe(report.rows)
        self._batches.seconds(graph.value).observe(report.seconds)

    def memory_limit(self, limit: int) -> None:
        """Idle models are given up beyond so many bytes."""
        self._models.limit.set(limit)

    def given_up(self, model: str) -> None:
        """An idle model was given up because of the memory limit."""
        self._models.given_up(model).inc()

    def load_failed(self) -> None:
        """A bundle could not be loaded."""
        self._models.load_failures.inc()

    def watch(
        self,
        loaded: Callable[[], Sequence[ServedModel]],
        provider: str,
        gpus: Callable[[], Sequence[GpuState]],
    ) -> None:
        """Have every scrape look at the models that are loaded then, their queues, and the GPUs."""
        self.registry.register(LoadedModels(loaded, provider))
        self.registry.register(Drift(loaded))
        self.registry.register(Gpus(gpus))

    def watch_log(self, state: Callable[[], LogState]) -> None:
        """Have every scrape look how the prediction log is doing."""
        self.registry.register(Log(state))

    def watch_jobs(self, state: Callable[[], JobsState]) -> None:
        """Have every scrape look how the jobs are doing."""
        self.registry.register(Jobs(state))
