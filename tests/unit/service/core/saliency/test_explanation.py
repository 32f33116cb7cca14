"""Oracle: the tiny model's closed forms in float64."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from models.bundle import Bundle
from models.errors import InvalidRequest, RuntimeFailure
from models.golden import to_float
from models.manifest import MethodName
from service.core.network import Network
from service.core.ports import Arrays
from service.core.saliency.explanation import Explanation, explain
from service.core.saliency.parameters import Parameters
from service.core.targets import Question, Target
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose

RED, GREEN = Target(0, "red"), Target(1, "green")
CROP = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)


class Broken:
    """A network gone wrong."""

    def run(self, feeds: Arrays, /) -> Arrays:
        nothing: npt.NDArray[np.float32] = np.full_like(feeds["image"], np.nan)
        return {"logits": np.zeros((1, 4)), "input_gradient": nothing}


@pytest.fixture(scope="module")
def network(tiny_bundle: Bundle) -> Network:
    device = choose(Provider.CPU)
    return Network(cache(lambda graph: open_graph(tiny_bundle, graph, device)), classes=4)


def test_each_question_has_its_map_in_order(network: Network, tiny_model: Any) -> None:
    questions = [Question(RED), Question(GREEN), Question(RED, against=GREEN)]
    found = explain(network, CROP, questions, "gradient", Parameters())
    cotangents = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [1, -1, 0, 0]])
    expected = tiny_model.input_gradient(CROP[None].repeat(3, axis=0), cotangents, np.zeros(3))
    for each, question, gradient in zip(found, questions, expected, strict=True):
        assert each.question == question
        np.testing.assert_allclose(each.map, np.abs(gradient).max(axis=0), rtol=1e-4)
        assert each.map.dtype == np.float32
        assert (each.method, each.passes, each.signed, each.gap) == ("gradient", 3, False, None)


def test_parameters_reach_the_method(network: Network) -> None:
    few = Parameters(steps=2, signed=True)
    (found,) = explain(network, CROP, [Question(RED)], "integrated_gradients", few)
    assert (found.passes, found.signed) == (4, True)
    assert found.gap is not None


def test_a_parameter_that_the_method_does_not_take_is_refused(network: Network) -> None:
    with pytest.raises(InvalidRequest, match="gradient takes no parameter"):
        explain(network, CROP, [Question(RED)], "gradient", Parameters(steps=2))


@pytest.mark.parametrize("name", ["gradcam", "cam", "eigencam", "scorecam"])
@pytest.mark.parametrize("measured", [False, True])
def test_a_layer_that_was_seen_changes_neither_map_nor_quality(
    pooled: Any,
    name: MethodName,
    measured: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    crop = np.random.default_rng(2).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    layer = pooled.network.activations(to_float(crop[np.newaxis]))[0]

    def explained(network: Network) -> Explanation:
        questions = [Question(GREEN)]
        (found,) = explain(network, crop, questions, name, Parameters(), measured=measured)
        return found

    found = explained(replace(pooled.network, seen=layer))
    expected = explained(pooled.network)
    np.testing.assert_allclose(found.map, expected.map, rtol=1e-5, atol=1e-7)
    assert found.passes == expected.passes - 1
    assert found.quality == expected.quality


def test_a_map_that_is_not_finite_is_an_error() -> None:
    broken = Network(lambda _: Broken(), classes=4)
    with pytest.raises(RuntimeFailure, match="not finite"):
        explain(broken, CROP, [Question(RED)], "gradient", Parameters())
