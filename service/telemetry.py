"""The service's metrics, on a registry that is passed in; docs/metrics.md lists them."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from models.manifest import Graph
from service.core.batching import BatchReport
from service.core.robustness.examination import Verdict
from service.core.serving import ServedModel
from service.runtime.gpus import GpuState

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Everything that is counted. Labels take few values, whatever clients send."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._requests = Counter(
            "seewhy_requests_total",
            "Answered requests; the outcome is ok, or the name of the error.",
            ["route", "model", "outcome"],
            registry=registry,
        )
        self._rejected = Counter(
            "seewhy_rejected_requests_total",
            "Requests turned away because there was too much to do.",
            ["route"],
            registry=registry,
        )
        self._failed_images = Counter(
            "seewhy_failed_images_total",
            "Images that failed alone, in a request that was answered.",
            ["route", "error"],
            registry=registry,
        )
        self._stages = Histogram(
            "seewhy_stage_seconds",
            "Time by stage: of each image read, decode, queue, inference, explain, search, "
            "robustness; "
            "of each request total.",
            ["route", "stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._verdicts = Counter(
            "seewhy_robustness_verdicts_total",
            "Images whose robustness was checked, by verdict.",
            ["model", "verdict"],
            registry=registry,
        )
        self._batch_rows = Histogram(
            "seewhy_batch_rows",
            "Rows of each batch that was run.",
            ["graph"],
            buckets=_ROWS,
            registry=registry,
        )
        self._batch_seconds = Histogram(
            "seewhy_batch_seconds",
            "Time that each batch was run.",
            ["graph"],
            buckets=_SECONDS,
            registry=registry,
        )

        self._batch_limit = Gauge(
            "seewhy_batch_limit_rows",
            "Most rows run at once now; less than planned after the device ran out of memory.",
            ["graph"],
            registry=registry,
        )
        self._out_of_memory = Counter(
            "seewhy_out_of_memory_total",
            "Batches for which the device had not got the memory.",
            ["graph"],
            registry=registry,
        )
        for graph in Graph:  # zero is worth telling
            self._out_of_memory.labels(graph.value)

    def request(self, route: str, model: str, outcome: str, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(route, model, outcome).inc()
        self._stages.labels(route, "total").observe(seconds)
        if outcome == "Overloaded":
            self._rejected.labels(route).inc()

    def failed_image(self, route: str, error: str) -> None:
        """One of several images has an error in its place."""
        self._failed_images.labels(route, error).inc()

    def stage(self, route: str, stage: str, seconds: float) -> None:
        """A stage of an image is over."""
        self._stages.labels(route, stage).observe(seconds)

    def verdict(self, model: str, verdict: Verdict) -> None:
        """An image's robustness was checked."""
        self._verdicts.labels(model, verdict.value).inc()

    def batch(self, graph: Graph, report: BatchReport) -> None:
        """A batch was run, or did not fit into the device's memory."""
        self._batch_limit.labels(graph.value).set(report.limit)
        if report.out_of_memory:
            self._out_of_memory.labels(graph.value).inc()
            return
        self._batch_rows.labels(graph.value).observe(report.rows)
        self._batch_seconds.labels(graph.value).observe(report.seconds)

    def watch(
        self,
        loaded: Callable[[], Sequence[ServedModel]],
        provider: str,
        gpus: Callable[[], Sequence[GpuState]],
    ) -> None:
        """Have every scrape look at the models that are loaded then, their queues, and the GPUs."""
        self.registry.register(_LoadedModels(loaded, provider))
        self.registry.register(_Gpus(gpus))


class _LoadedModels(Collector):
    def __init__(self, loaded: Callable[[], Sequence[ServedModel]], provider: str) -> None:
        self._loaded = loaded
        self._provider = provider

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "seewhy_bundle_info",
            "1 for each loaded bundle, with the provider that runs it.",
            labels=["model", "version", "provider"],
        )
        depth = GaugeMetricFamily(
            "seewhy_queue_rows",
            "Rows let in and not yet answered.",
            labels=["model", "version", "graph"],
        )
        for model in self._loaded():
            name, version = model.bundle.manifest.name, str(model.bundle.manifest.version)
            info.add_metric([name, version, self._provider], 1)
            for graph, rows in model.depths.items():
                depth.add_metric([name, version, graph.value], rows)
        yield info
        yield depth


class _Gpus(Collector):
    def __init__(self, gpus: Callable[[], Sequence[GpuState]]) -> None:
        self._gpus = gpus

    def collect(self) -> Iterator[Metric]:
        used = GaugeMetricFamily(
            "seewhy_device_memory_used_bytes", "Memory of a GPU that is in use.", labels=["device"]
        )
        total = GaugeMetricFamily(
            "seewhy_device_memory_bytes", "Memory of a GPU.", labels=["device"]
        )
        busy = GaugeMetricFamily(
            "seewhy_device_utilization_ratio",
            "Share of the last moments in which a GPU computed.",
            labels=["device"],
        )
        for gpu in self._gpus():
            device = [str(gpu.index)]
            used.add_metric(device, gpu.memory_used)
            total.add_metric(device, gpu.memory_total)
            if gpu.utilization is not None:
                busy.add_metric(device, gpu.utilization)
        yield from (used, total, busy)
