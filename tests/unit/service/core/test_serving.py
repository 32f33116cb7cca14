import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Barrier, Event, Thread

import numpy as np
import pytest

from models import bundle as bundles
from models.bundle import Bundle
from models.errors import BundleInvalid, GoldenMismatch, NotReady, RuntimeFailure, Unsupported
from models.manifest import Graph
from service.core.batch_run import BatchReport
from service.core.demand import Demand
from service.core.plan import Plan
from service.core.ports import Arrays, Runner
from service.core.serving import OpenGraph, ServedModel
from service.core.status import State

SECONDS = 5


class Named:
    """Answers with the name of its graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def run(self, feeds: Arrays, /) -> Arrays:
        return {"graph": np.array([str(self.graph)] * len(feeds["x"]))}


class Opener:
    """Opens graphs when the test lets it; those in `errors` fail."""

    def __init__(self, errors: Mapping[Graph, Exception] | None = None) -> None:
        self.go = {graph: Event() for graph in Graph}
        self.go[Graph.MODEL].set()
        self.errors = errors or {}

    def __call__(self, bundle: Bundle, graph: Graph) -> Runner:
        assert graph in bundle.manifest.graphs
        assert self.go[graph].wait(SECONDS)
        if graph in self.errors:
            raise self.errors[graph]
        return Named(graph)

    def release_all(self) -> None:
        for event in self.go.values():
            event.set()


def no_report(_: Graph, __: BatchReport) -> None:
    pass


def serve(bundle: Bundle, opener: OpenGraph, plan: Plan | None = None) -> ServedModel:
    return ServedModel(bundle, [opener], plan or Plan(1, 1, 4), 8, no_report, drift_window=50)


def wait_until(condition: Callable[[], bool]) -> None:
    pause = Event()
    for _ in range(SECONDS * 200):
        if condition():
            return
        pause.wait(0.005)
    pytest.fail("waited in vain")


def loaded(model: ServedModel) -> bool:
    return all(status.state is not State.LOADING for status in model.status.values())


def without(bundle: Bundle, *graphs: Graph) -> Bundle:
    kept = {g: spec for g, spec in bundle.manifest.graphs.items() if g not in graphs}
    return Bundle(bundle.directory, bundle.manifest.model_copy(update={"graphs": kept}))


def test_it_classifies_while_the_other_graphs_are_being_loaded(tiny_bundle: Bundle) -> None:
    opener = Opener()
    model = serve(tiny_bundle, opener)
    assert model.classifier.as_runner().run({"x": np.zeros(1)})["graph"].tolist() == ["model"]
    assert {g: s.state for g, s in model.status.items()} == {
        Graph.MODEL: State.READY,
        Graph.GRADIENT: State.LOADING,
        Graph.CAM: State.LOADING,
        Graph.FLOAT: State.LOADING,
    }
    with pytest.raises(NotReady, match=r"cam\.onnx"):
        model.method("gradcam")
    opener.release_all()
    wait_until(lambda: loaded(model))
    assert model.method(None) == "gradcam"
    for graph in (Graph.CAM, Graph.GRADIENT, Graph.FLOAT):
        runner = model.network(Demand()).runner(graph)
        assert runner.run({"x": np.zeros(1)})["graph"].tolist() == [graph]
    model.close()


def test_a_bundle_that_cannot_classify_is_refused(tiny_bundle: Bundle) -> None:
    opener = Opener({Graph.MODEL: GoldenMismatch("wrong")})
    with pytest.raises(GoldenMismatch):
        serve(tiny_bundle, opener)


@pytest.mark.parametrize(("plan", "loaded"), [(Plan(3, 1, 4), 1), (Plan(3, 2, 4), 3)])
def test_sessions_of_one_thread_are_one_run_by_several(
    tiny_bundle: Bundle, plan: Plan, loaded: int
) -> None:
    all_running = Barrier(plan.sessions)
    opened = []

    class Meeting:
        def run(self, feeds: Arrays, /) -> Arrays:
            all_running.wait(SECONDS)
            return feeds

    def open_graph(_: Bundle, graph: Graph) -> Runner:
        opened.append(graph)
        return Meeting()

    model = serve(without(tiny_bundle, Graph.CAM, Graph.GRADIENT, Graph.FLOAT), open_graph, plan)
    answers = [model.classifier.submit({"x": np.zeros(1)}) for _ in range(plan.sessions)]
    for answer in answers:
        answer.result(SECONDS)
    assert opened == [Graph.MODEL] * loaded
    model.close()


def test_while_one_device_is_busy_the_others_do_the_work(tiny_bundle: Bundle) -> None:
    stuck, go = Event(), Event()
    done: list[str] = []

    def opener(device: str) -> OpenGraph:
        class Running:
            def run(self, feeds: Arrays, /) -> Arrays:
                if feeds["x"].item() == 0:
                    stuck.set()
                    assert go.wait(SECONDS)
                done.append(device)
                return {"device": np.array([device])}

        return lambda *_: Running()

    model = ServedModel(
        without(tiny_bundle, Graph.CAM, Graph.GRADIENT, Graph.FLOAT),
        [opener("first"), opener("second"), opener("third")],
        Plan(1, 1, 1),
        8,
        no_report,
        drift_window=50,
    )
    slow = model.classifier.submit({"x": np.zeros(1)})
    assert stuck.wait(SECONDS)
    for _ in range(5):
        model.classifier.submit({"x": np.ones(1)}).result(SECONDS)
    go.set()
    busy = slow.result(SECONDS).outputs["device"].item()
    assert done[-1] == busy
    assert busy not in done[:-1]
    model.close()


def test_every_graph_is_opened_on_every_device(tiny_bundle: Bundle) -> None:
    opened = []

    def opener(device: str) -> OpenGraph:
        def open_graph(_: Bundle, graph: Graph) -> Runner:
            opened.append((device, graph))
            return Named(graph)

        return open_graph

    model = ServedModel(
        tiny_bundle, [opener("a"), opener("b")], Plan(2, 0, 4), 8, no_report, drift_window=50
    )
    wait_until(lambda: loaded(model))
    model.close()
    # Two sessions each of the graph that classifies, for they have threads of their own.
    expected = [(device, graph) for device in "ab" for graph in (Graph.MODEL, *Graph)]
    assert sorted(opened) == sorted(expected)


@pytest.mark.parametrize("error", [GoldenMismatch("wrong"), KeyError("a bug")])
def test_a_graph_that_fails_says_why_and_leaves_the_others(
    tiny_bundle: Bundle, error: Exception
) -> None:
    opener = Opener({Graph.GRADIENT: error})
    opener.release_all()
    model = serve(tiny_bundle, opener)
    wait_until(lambda: loaded(model))
    status = model.status[Graph.GRADIENT]
    assert status.state is State.FAILED
    assert status.reason is not None
    assert error.args[0] in status.reason
    with pytest.raises(RuntimeFailure, match=error.args[0]):
        model.method("gradient")
    assert model.method("gradcam") == "gradcam"
    model.close()


def test_a_method_without_its_graph_is_refused_with_what_is_possible(tiny_bundle: Bundle) -> None:
    opener = Opener()
    opener.release_all()
    model = serve(without(tiny_bundle, Graph.CAM), opener)
    assert "gradient" in model.methods
    with pytest.raises(Unsupported, match="possible methods: gradient, gradient_x_input"):
        model.method("gradcam")
    model.close()


def test_a_bundle_without_gradients_has_no_methods(tiny_bundle: Bundle) -> None:
    bundle = without(tiny_bundle, Graph.CAM, Graph.GRADIENT, Graph.FLOAT)
    model = serve(bundle, Opener())
    with pytest.raises(Unsupported, match="possible methods: none"):
        model.method("gradient")
    model.close()


def test_a_model_in_use_is_closed_once_it_is_not(tiny_bundle: Bundle) -> None:
    opener = Opener()
    opener.release_all()
    model = serve(tiny_bundle, opener)
    model.acquire()
    closing = Thread(target=model.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    assert model.classifier.as_runner().run({"x": np.zeros(1)})["graph"].tolist() == ["model"]
    model.release()
    closing.join(SECONDS)
    assert not closing.is_alive()


def test_closing_stops_the_loading_and_the_queues(tiny_bundle: Bundle) -> None:
    opener = Opener()
    model = serve(tiny_bundle, opener)
    opener.release_all()
    model.close()
    with pytest.raises(NotReady):
        model.classifier.submit({"x": np.zeros(1)})


def test_a_reference_of_another_network_is_refused(
    calibrated_repository: Path, tmp_path: Path
) -> None:
    shutil.copytree(calibrated_repository / "tiny" / "1", tmp_path / "1")
    manifest = bundles.read(tmp_path / "1").manifest
    with np.load(tmp_path / "1" / "reference.npz") as held:
        arrays = {**held, "embedding": np.eye(5, dtype=np.float16)[:2]}
    np.savez(tmp_path / "1" / "reference.npz", **arrays)
    fields = manifest.model_dump(mode="json", exclude={"sha256"})
    altered = bundles.write_manifest(tmp_path / "1", fields)
    with pytest.raises(BundleInvalid, match=r"embeddings of 5 numbers, .* none of model\.onnx"):
        serve(altered, Opener())
