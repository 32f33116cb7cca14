"""Metrics that are looked up at every scrape: models, queues, drift, GPUs, the log, the jobs."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from service.core.serving import ServedModel
from service.core.status import State
from service.jobs.runner import JobsState
from service.predictions.log import LogState
from service.runtime.gpus import GpuState


class LoadedModels(Collector):
    """The bundles that are loaded, their graphs and their queues."""

    def __init__(self, loaded: Callable[[], Sequence[ServedModel]], provider: str) -> None:
        self._loaded = loaded
        self._provider = provider

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
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
        age = GaugeMetricFamily(
            "seewhy_queue_age_seconds",
            "How long the longest waiting request has waited; 0 where none waits.",
            labels=["model", "version", "graph"],
        )
        seconds = GaugeMetricFamily(
            "seewhy_bundle_load_seconds",
            "How long it took until a bundle could classify.",
            labels=["model", "version"],
        )
        state = GaugeMetricFamily(
            "seewhy_graph_state",
            "1 for the state in which a graph is: loading, ready or failed; 0 for the others.",
            labels=["model", "version", "graph", "state"],
        )
        for model in self._loaded():
            name, version = model.bundle.manifest.name, str(model.bundle.manifest.version)
            info.add_metric([name, version, self._provider], 1)
            seconds.add_metric([name, version], model.load_seconds)
            for graph, rows in model.depths.items():
                depth.add_metric([name, version, graph.value], rows)
            for graph, waited in model.ages.items():
                age.add_metric([name, version, graph.value], waited)
            for graph, status in model.status.items():
                for each in State:
                    labels = [name, version, graph.value, each.value]
                    state.add_metric(labels, status.state is each)
        yield from (info, seconds, state, depth, age)


class Drift(Collector):
    """How far the answers of each loaded model are from its reference."""

    def __init__(self, loaded: Callable[[], Sequence[ServedModel]]) -> None:
        self._loaded = loaded

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        found = GaugeMetricFamily(
            "seewhy_drift_statistic",
            "How far the last window of answers is from the reference.",
            labels=["model", "version", "statistic"],
        )
        threshold = GaugeMetricFamily(
            "seewhy_drift_threshold",
            "What few undisturbed windows exceed.",
            labels=["model", "version", "statistic"],
        )
        in_a_row = GaugeMetricFamily(
            "seewhy_drift_windows",
            "How many of the last windows had drifted, in a row.",
            labels=["model", "version"],
        )
        for model in self._loaded():
            if model.drift is None:
                continue
            name, version = model.bundle.manifest.name, str(model.bundle.manifest.version)
            judged = model.drift.judged
            in_a_row.add_metric([name, version], judged.drifted_in_a_row)
            for statistic, finding in judged.last.items():
                found.add_metric([name, version, statistic], finding.value)
                threshold.add_metric([name, version, statistic], finding.threshold)
        yield from (found, threshold, in_a_row)


class Gpus(Collector):
    """Memory and utilisation of each GPU."""

    def __init__(self, gpus: Callable[[], Sequence[GpuState]]) -> None:
        self._gpus = gpus

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
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


class Log(Collector):
    """How the prediction log is doing."""

    def __init__(self, state: Callable[[], LogState]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        state = self._state()
        yield GaugeMetricFamily(
            "seewhy_prediction_log_up",
            "1 while answers are written to the prediction log, 0 while its disk refuses.",
            state.failure is None,
        )
        rows = CounterMetricFamily(
            "seewhy_prediction_log_rows",
            "Answers that were to be written to the prediction log.",
            labels=["outcome"],
        )
        rows.add_metric(["written"], state.written)
        rows.add_metric(["lost"], state.lost)
        yield rows


class Jobs(Collector):
    """The scoring jobs, which run in processes of their own."""

    def __init__(self, state: Callable[[], JobsState]) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        state = self._state()
        jobs = GaugeMetricFamily("seewhy_jobs", "Jobs that are kept, by state.", labels=["state"])
        for name, count in state.jobs.items():
            jobs.add_metric([name.value], count)
        images = CounterMetricFamily(
            "seewhy_job_images",
            "Images that jobs have scored, or that failed in them.",
            labels=["outcome"],
        )
        images.add_metric(["ok"], state.scored - state.failed)
        images.add_metric(["failed"], state.failed)
        yield from (jobs, images)
