"""What the zoo's check lets pass, and what it names."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
import pytest

from models.manifest import Graph
from service.runtime.providers import Device
from service.runtime.session import OnnxSession, open_session
from training.backbones import backbone
from training.gradient import append_gradient
from training.zoo.accuracy import ImageErrors, summarize
from training.zoo.check import Row, check, random_network

Arrays = Mapping[str, npt.NDArray[np.generic]]


def image_errors(size: float) -> ImageErrors:
    return ImageErrors(median=size * 1e-8, cosine_loss=size * 1e-5)


def with_accuracy(row: Row, **changes: Any) -> Row:
    return replace(row, accuracy=replace(row.accuracy, **changes))


def test_a_row_within_all_limits_has_no_fault(good: Row) -> None:
    assert good.faults == []


@pytest.mark.parametrize("logits", [2e-5, math.nan])
def test_logits_that_are_off_are_named(good: Row, logits: float) -> None:
    (fault,) = with_accuracy(good, logits=logits).faults

    assert "logits" in fault


@pytest.mark.parametrize("graph", [Graph.GRADIENT, Graph.CAM])
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"median_ratio": 2.1}, "median"),
        ({"median_ratio": math.nan}, "median"),
        ({"cosine_p": 1e-4}, "cosine"),
        ({"cosine_p": math.nan}, "cosine"),
        ({"worst_cosine_loss": 2e-2}, "at worst"),
    ],
)
def test_each_limit_that_a_gradient_breaks_is_named(
    good: Row, graph: Graph, changes: dict[str, Any], named: str
) -> None:
    fine = good.accuracy.gradients[Graph.GRADIENT]
    gradients = {Graph.GRADIENT: fine, Graph.CAM: fine, graph: replace(fine, **changes)}

    (fault,) = with_accuracy(good, gradients=gradients).faults

    assert fault.startswith(f"{graph}, ")
    assert named in fault


def test_a_gradient_that_is_wrong_in_float64_is_named(good: Row) -> None:
    (fault,) = replace(good, gradient64=2e-9).faults

    assert "float64 gradient" in fault


def test_ties_that_fall_at_random_are_no_fault(good: Row) -> None:
    generator = np.random.default_rng(0)
    ours, theirs = (
        [image_errors(size) for size in 10 ** generator.normal(scale=0.2, size=12)]
        for _ in range(2)
    )
    ours[0] = image_errors(50)
    gradients = {Graph.GRADIENT: summarize(ours, theirs)}

    assert with_accuracy(good, gradients=gradients).faults == []


def test_errors_that_are_always_larger_are_a_fault(good: Row) -> None:
    sizes = np.linspace(3, 4, 12)

    found = summarize(list(map(image_errors, sizes)), [image_errors(1)] * 12)

    assert found.median_ratio == pytest.approx(3.5)
    faults = with_accuracy(good, gradients={Graph.GRADIENT: found}).faults
    assert [fault.partition(":")[0] for fault in faults] == [
        "gradient, median error",
        "gradient, 1 - cosine",
    ]


def test_a_backbone_with_right_graphs_has_no_fault() -> None:
    row = check("lenet5")

    assert row.faults == []
    assert row.session_megabytes.keys() == set(Graph)
    assert row.accuracy.gradients.keys() == {Graph.GRADIENT, Graph.CAM}


@pytest.mark.parametrize("graph", Graph)
def test_logits_of_any_graph_are_checked(monkeypatch: pytest.MonkeyPatch, graph: Graph) -> None:
    monkeypatch.setattr("training.zoo.check.open_session", tampering(graph, "logits"))

    (fault,) = check("lenet5").faults

    assert "logits" in fault


@pytest.mark.parametrize(
    ("graph", "output"),
    [(Graph.GRADIENT, "input_gradient"), (Graph.CAM, "activation_gradients")],
)
def test_float32_gradients_of_both_graphs_are_checked(
    monkeypatch: pytest.MonkeyPatch, graph: Graph, output: str
) -> None:
    monkeypatch.setattr("training.zoo.check.open_session", tampering(graph, output))

    faults = check("lenet5").faults

    assert f"{graph}, 1 - cosine: 2.0e+00 at worst" in faults
    assert all(fault.startswith(graph) for fault in faults)


def test_a_formula_that_is_wrong_in_the_tenth_digit_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exactly = append_gradient

    def nearly(graph: ir.Graph, *ends: ir.Value) -> ir.Value:
        found = exactly(graph, *ends)
        factor = np.array(1 + 1e-8, found.dtype.numpy() if found.dtype else None)
        scale = ir.Value(name="scale", const_value=ir.tensor(factor))
        graph.register_initializer(scale)
        node = ir.node("Mul", [found, scale])
        graph.append(node)
        node.outputs[0].type, node.outputs[0].shape = found.type, found.shape
        return node.outputs[0]

    monkeypatch.setattr("training.graphs.append_gradient", nearly)

    (fault,) = check("lenet5").faults

    assert fault.startswith("float64 gradient: 1.0e-08")


def test_random_networks_have_no_part_that_does_nothing() -> None:
    network = random_network(backbone("resnet18"))

    for name, tensor in network.module.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert tensor.unique().numel() > 1, name


@dataclass(frozen=True)
class Tampered(OnnxSession):
    """A session with one output of the wrong sign."""

    output: str = ""

    def run(self, feeds: Arrays, /) -> Arrays:
        found = super().run(feeds)
        return {**found, self.output: np.negative(found[self.output].astype(np.float32))}


def tampering(graph: Graph, output: str) -> Any:
    def opened(path: Any, device: Device) -> OnnxSession:
        session = open_session(path, device)
        if path.name != graph.filename:
            return session
        return Tampered(session.session, session.inputs, session.outputs, output)

    return opened
