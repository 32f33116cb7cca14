import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import BundleInvalid, GoldenMismatch, NotReady, RuntimeFailure, Unsupported
from models.manifest import Graph
from service.core.batching import BatchReport
from service.core.ports import Arrays, Runner
from service.core.serving import QueueLimits, ServedModel, State

SECONDS = 5
LIMITS = QueueLimits(max_batch=4, capacity=8)


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
    model = ServedModel(tiny_bundle, opener, LIMITS, no_report)
    assert model.classifier.run({"x": np.zeros(1)})["graph"].tolist() == ["model"]
    assert {g: s.state for g, s in model.status.items()} == {
        Graph.MODEL: State.READY,
        Graph.GRADIENT: State.LOADING,
        Graph.CAM: State.LOADING,
        Graph.FLOAT: State.LOADING,
    }
    with pytest.raises(NotReady, match=r"cam\.onnx"):
        model.explainer("gradcam")
    opener.release_all()
    wait_until(lambda: loaded(model))
    assert model.explainer("gradcam").run({"x": np.zeros(1)})["graph"].tolist() == ["cam"]
    assert model.explainer("gradient").run({"x": np.zeros(1)})["graph"].tolist() == ["gradient"]
    model.close()


def test_a_bundle_that_cannot_classify_is_refused(tiny_bundle: Bundle) -> None:
    opener = Opener({Graph.MODEL: GoldenMismatch("wrong")})
    with pytest.raises(GoldenMismatch):
        ServedModel(tiny_bundle, opener, LIMITS, no_report)


@pytest.mark.parametrize("name", ["model.onnx", "float.onnx", "gradient.onnx", "golden.npz"])
def test_a_bundle_with_an_altered_file_is_refused_whatever_needs_the_file(
    tiny_bundle: Bundle, tmp_path: Path, name: str
) -> None:
    shutil.copytree(tiny_bundle.directory, tmp_path / "copy")
    with (tmp_path / "copy" / name).open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleInvalid, match=f"{name} has been altered"):
        ServedModel(Bundle(tmp_path / "copy", tiny_bundle.manifest), Opener(), LIMITS, no_report)


@pytest.mark.parametrize("error", [GoldenMismatch("wrong"), KeyError("a bug")])
def test_a_graph_that_fails_says_why_and_leaves_the_others(
    tiny_bundle: Bundle, error: Exception
) -> None:
    opener = Opener({Graph.GRADIENT: error})
    opener.release_all()
    model = ServedModel(tiny_bundle, opener, LIMITS, no_report)
    wait_until(lambda: loaded(model))
    status = model.status[Graph.GRADIENT]
    assert status.state is State.FAILED
    assert status.reason is not None
    assert error.args[0] in status.reason
    with pytest.raises(RuntimeFailure, match=error.args[0]):
        model.explainer("gradient")
    assert model.explainer("gradcam").run({"x": np.zeros(1)})["graph"].tolist() == ["cam"]
    model.close()


def test_a_method_without_its_graph_is_refused_with_what_is_possible(tiny_bundle: Bundle) -> None:
    opener = Opener()
    opener.release_all()
    model = ServedModel(without(tiny_bundle, Graph.CAM), opener, LIMITS, no_report)
    assert model.methods == ["gradient"]
    with pytest.raises(Unsupported, match="possible methods: gradient"):
        model.explainer("gradcam")
    model.close()


def test_a_bundle_without_gradients_has_no_methods(tiny_bundle: Bundle) -> None:
    bundle = without(tiny_bundle, Graph.CAM, Graph.GRADIENT, Graph.FLOAT)
    model = ServedModel(bundle, Opener(), LIMITS, no_report)
    with pytest.raises(Unsupported, match="possible methods: none"):
        model.explainer("gradient")
    model.close()


def test_closing_stops_the_loading_and_the_queues(tiny_bundle: Bundle) -> None:
    opener = Opener()
    model = ServedModel(tiny_bundle, opener, LIMITS, no_report)
    opener.release_all()
    model.close()
    with pytest.raises(NotReady):
        model.classifier.submit({"x": np.zeros(1)})
