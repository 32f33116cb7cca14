"""A bundle that answers: its graphs, each behind its own queue."""

import logging
import time
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from threading import Condition, Lock, Thread

import numpy as np
import numpy.typing as npt

from models import bundle as bundles
from models.bundle import Bundle
from models.errors import NotReady, RuntimeFailure, Unsupported
from models.manifest import Calibration, Graph, MethodName
from service.core import trust
from service.core.batch_run import BatchReport
from service.core.batching import BatchQueue
from service.core.demand import Demand
from service.core.drift_watch import DriftWatch
from service.core.network import Network
from service.core.noise import Noise, on_host
from service.core.plan import Plan
from service.core.ports import Runner
from service.core.retrieval import Search
from service.core.saliency.methods import METHODS, possible
from service.core.similar_index import SimilarIndex
from service.core.status import State, Status
from service.core.training_images import known_of, reference_of, thumbnails_of
from service.core.trust import Novelty
from service.core.workers import yield_to_others

logger = logging.getLogger(__name__)


OpenGraph = Callable[[Bundle, Graph], Runner]
"""Loads and checks one graph; raises a `SeeWhyError` where it cannot."""

Report = Callable[[Graph, BatchReport], None]

_WISHES = 64
"""Kinds of requests whose terms are kept: most ask alike."""

_FOLLOWING = (Graph.CAM, Graph.GRADIENT, Graph.FLOAT)


class ServedModel:
    """One bundle, classifying from the start; the graphs that explain follow, then the index.

    Safe to use from several threads. `reference` is the bundle's, if it has one; `known` is
    what images are compared with, where the bundle is calibrated for that; `terms` are those of
    `trust.terms` for what a request asks; `index` is what is searched for similar ones, and
    `thumbnails` shows them, where the bundle keeps any; `drift` compares answers with the
    reference, if there is one; `methods` are the saliency methods that can explain the bundle.
    """

    def __init__(
        self,
        bundle: Bundle,
        openers: Sequence[OpenGraph],
        plan: Plan,
        capacity: int,
        report: Report,
        *,
        drift_window: int,
        search: Search = Search.AUTO,
        noise: Noise = on_host,
    ) -> None:
        """Load `model.onnx`, and begin to load what follows in the background.

        Args:
            bundle: its files are taken to be verified.
            openers: one a device, each loads a graph there.
            plan: how each device runs `model.onnx`. It runs the others in one session each.
            capacity: most rows let into each queue and not yet answered.
            report: called after each batch of a graph.
            drift_window: answers that are compared with the reference together.
            search: how similar images are found.
            noise: where noisy images are drawn.

        Raises:
            BundleError: the bundle cannot be used.
            NotInstalled: the search that was asked for needs faiss, which is not there.
            RuntimeFailure: the runtime cannot load or run its graph.
        """
        started = time.perf_counter()
        self.bundle = bundle
        self.plan = plan
        self.methods = possible(bundle.manifest)
        self._head = bundles.cam_weights(bundle)
        self.reference = reference_of(bundle)
        self.index = None if self.reference is None else SimilarIndex(self.reference, search)
        self.thumbnails = thumbnails_of(bundle, self.reference)
        self.known = known_of(bundle, self.reference)
        self.terms = lru_cache(_WISHES)(partial(trust.terms, self.calibration))
        self._openers = openers
        self._capacity = capacity
        self._report = report
        self._noise = noise
        self._lock = Lock()
        self._closed = False
        self._users = 0
        self._unused = Condition()
        self._queues: dict[Graph, BatchQueue] = {}
        self._status: dict[Graph, Status] = {}
        # A session of one thread has none of its own: its callers run it, all at once.
        loaded = 1 if plan.threads == 1 else plan.sessions
        runners = [run for _ in range(loaded) for run in self._open(Graph.MODEL)]
        runners *= plan.sessions // loaded
        # While such a caller waits for the interpreter, its core has nothing to do.
        reserve = runners if plan.decodes else []
        self.classifier = self._start_queue(runners, Graph.MODEL, reserve)
        self.load_seconds = time.perf_counter() - started
        self._later = [graph for graph in _FOLLOWING if graph in bundle.manifest.graphs]
        for graph in self._later:
            self._status[graph] = Status(State.LOADING)
        self._loader = Thread(target=self._load_others, name=f"load {bundle}", daemon=True)
        self._loader.start()
        self.drift = None if self.reference is None else DriftWatch(self.reference, drift_window)

    @property
    def calibration(self) -> Calibration | None:
        """What was fitted to held-out data, if anything was."""
        return self.bundle.manifest.calibration

    @property
    def temperature(self) -> float:
        """What divides the logits; 1 where the bundle is not calibrated."""
        return 1.0 if self.calibration is None else self.calibration.temperature

    def novelty(
        self, logits: npt.NDArray[np.floating], embedding: npt.NDArray[np.floating] | None
    ) -> Novelty | None:
        """Where an image lies among those that are known; None where the bundle cannot tell.

        Args:
            logits: [K].
            embedding: [D]; None where the graph has no such output.
        """
        if self.known is None or embedding is None:
            return None
        return trust.place(logits, embedding, self.known)

    @property
    def status(self) -> dict[Graph, Status]:
        """The state of each graph that serves or will serve."""
        with self._lock:
            return dict(self._status)

    @property
    def depths(self) -> dict[Graph, int]:
        """The rows let in and not yet answered, for each graph that is ready."""
        with self._lock:
            return {graph: queue.depth for graph, queue in self._queues.items()}

    @property
    def ages(self) -> dict[Graph, float]:
        """How long the longest waiting request has waited, in seconds, for the same graphs."""
        with self._lock:
            return {graph: queue.age for graph, queue in self._queues.items()}

    def method(self, asked: MethodName | None) -> MethodName:
        """The saliency method that is asked for, by default the bundle's own.

        Raises:
            Unsupported: the bundle has not got what the method needs, or names no default.
            NotReady: the graph is still being loaded.
            RuntimeFailure: the graph could not be loaded.
        """
        name = asked or self.bundle.manifest.default_explanation
        if name is None:
            raise Unsupported(
                f"{self.bundle} names no default method; possible methods: {self._listed}"
            )
        if name not in self.methods:
            raise Unsupported(
                f"{self.bundle} cannot be explained by {name!r}; possible methods: {self._listed}"
            )
        self.runner(METHODS[name].graph)
        return name

    @property
    def _listed(self) -> str:
        return ", ".join(self.methods) or "none"

    def network(self, demand: Demand) -> Network:
        """The bundle's graphs as functions, run by its queues as a request with this demand."""
        return Network(
            partial(self.runner, demand=demand),
            classes=len(self.bundle.manifest.labels),
            head=self._head,
            batch=self.plan.batch,
            noise=self._noise,
            proceed=demand.check,
        )

    def runner(self, graph: Graph, demand: Demand | None = None) -> Runner:
        """The queue before one of the graphs, as a request with this demand uses it.

        Raises:
            Unsupported: the bundle has not got it.
            NotReady: the graph is still being loaded.
            RuntimeFailure: the graph could not be loaded.
        """
        with self._lock:
            status = self._status.get(graph)
            if status is None:
                raise Unsupported(f"{self.bundle} has no {graph.filename}")
            if status.state is State.READY:
                return self._queues[graph].as_runner(demand)
        if status.state is State.LOADING:
            raise NotReady(f"{graph.filename} of {self.bundle} is still being loaded")
        raise RuntimeFailure(f"this cannot be computed: {status.reason}")

    def acquire(self) -> None:
        """A request is going to use the model: it is not closed before `release`."""
        with self._unused:
            self._users += 1

    def release(self) -> None:
        """A request has used the model."""
        with self._unused:
            self._users -= 1
            self._unused.notify_all()

    @property
    def in_use(self) -> bool:
        """Whether a request is using the model."""
        with self._unused:
            return self._users > 0

    def close(self) -> None:
        """Wait until no request uses the model, refuse what comes, end the threads."""
        with self._unused:
            self._unused.wait_for(lambda: not self._users)
        with self._lock:
            self._closed = True
        self._loader.join()
        if self.drift is not None:
            self.drift.close()
        for queue in self._queues.values():
            queue.close()

    def _start_queue(
        self, runners: Sequence[Runner], graph: Graph, reserve: Sequence[Runner] = ()
    ) -> BatchQueue:
        queue = BatchQueue(
            runners,
            name=f"{self.bundle.manifest.name} {graph}",
            max_batch=self.plan.batch,
            capacity=self._capacity,
            reserve=reserve,
            background=graph is not Graph.MODEL,
            report=lambda batch: self._report(graph, batch),
        )
        with self._lock:
            self._queues[graph] = queue
            self._status[graph] = Status(State.READY)
        return queue

    def _load_others(self) -> None:
        # The threads that a session starts inherit this priority.
        yield_to_others()
        for graph in self._later:
            if self._closed:
                return
            try:
                runners = self._open(graph)
            except Exception as error:  # or the state would be "loading" for ever
                logger.exception("%s of %s is not served", graph.filename, self.bundle)
                with self._lock:
                    self._status[graph] = Status(State.FAILED, str(error))
            else:
                self._start_queue(runners, graph)
        if self.index is not None and not self._closed:
            self.index.load()

    def _open(self, graph: Graph) -> list[Runner]:
        """A session on each device."""
        return [open_graph(self.bundle, graph) for open_graph in self._openers]
