"""A network gives what its graphs compute, in batches, however many images there are."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from models.errors import Unavailable, Unsupported
from models.manifest import Graph
from service.core.network import Floats, Network
from service.core.ports import Arrays, Runner


@dataclass
class Linear:
    """logits = the images' mean times (1, 2); the gradient that follows from it."""

    batches: list[int] = field(default_factory=list)

    def run(self, feeds: Arrays, /) -> Arrays:
        image = feeds["image"]
        self.batches.append(len(image))
        logits = image.mean(axis=(1, 2, 3))[:, np.newaxis] * np.array([1, 2], dtype=np.float32)
        if "cotangent" not in feeds:
            return {"logits": logits}
        cotangent = feeds["cotangent"]
        if "softmax_weight" in feeds:
            exponentials = np.exp(logits)
            softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
            cotangent = cotangent + feeds["softmax_weight"][:, np.newaxis] * softmax
        each = (cotangent @ [1, 2]) / image[0].size
        gradient = np.broadcast_to(each[:, np.newaxis, np.newaxis, np.newaxis], image.shape)
        return {
            "logits": logits,
            "input_gradient": gradient,
            "activations": image,
            "activation_gradients": gradient,
        }


def images(count: int) -> Floats:
    return np.random.default_rng(count).random((count, 3, 4, 4), dtype=np.float32)


def network(runner: Runner) -> Network:
    return Network(lambda _: runner, classes=2, batch=4)


def test_many_images_are_run_in_batches_and_answered_in_order() -> None:
    runner = Linear()
    given = images(10)

    logits = network(runner).logits(given)

    assert runner.batches == [4, 4, 2]
    np.testing.assert_array_equal(logits, Linear().run({"image": given})["logits"])


def test_the_gradient_is_that_of_the_cotangent() -> None:
    cotangents = np.array([[1, 0], [0, 1], [-1, 1]], dtype=np.float32)

    gradient = network(Linear()).input_gradient(images(3), cotangents).gradient

    np.testing.assert_allclose(gradient[:, 0, 0, 0], np.array([1, 2, 1]) / 48)


def test_a_softmax_weight_adds_the_softmax_to_the_cotangent() -> None:
    given = images(2)
    minus_first = np.array([[-1, 0], [-1, 0]], dtype=np.float32)

    found = network(Linear()).input_gradient(given, minus_first, np.ones(2, dtype=np.float32))

    second = 1 / (1 + np.exp(-given.mean(axis=(1, 2, 3))))  # its softmax
    np.testing.assert_allclose(found.gradient[:, 0, 0, 0], second / 48, rtol=1e-5)


def test_the_explained_layer_is_that_of_the_cam_graph() -> None:
    asked: list[Graph] = []

    def runner(graph: Graph) -> Runner:
        asked.append(graph)
        return Linear()

    given = images(1)
    found = Network(runner, classes=2).layer_gradient(given, np.eye(2, dtype=np.float32)[:1])

    assert asked == [Graph.CAM]
    np.testing.assert_array_equal(found.activations, given)
    np.testing.assert_allclose(found.gradient, 1 / 48)


def test_activations_are_those_of_the_float_graph() -> None:
    @dataclass
    class Layered:
        def run(self, feeds: Arrays, /) -> Arrays:
            return {"logits": np.zeros((len(feeds["image"]), 2)), "activations": feeds["image"]}

    np.testing.assert_array_equal(network(Layered()).activations(images(5)), images(5))


def test_a_network_without_an_explained_layer_has_no_activations() -> None:
    with pytest.raises(Unsupported, match="no explained layer"):
        network(Linear()).activations(images(1))


def test_work_that_became_useless_stops_before_the_next_batch() -> None:
    runner = Linear()

    def proceed() -> None:
        if len(runner.batches) == 2:
            raise Unavailable("the client has gone")

    with pytest.raises(Unavailable, match="gone"):
        Network(lambda _: runner, classes=2, batch=4, proceed=proceed).logits(images(10))
    assert runner.batches == [4, 4]


def test_a_graph_that_is_not_there_is_the_runners_error() -> None:
    def missing(graph: Graph) -> Runner:
        raise Unsupported(f"no {graph.filename}")

    with pytest.raises(Unsupported, match=r"no gradient\.onnx"):
        Network(missing, classes=2).input_gradient(images(1), np.zeros((1, 2), dtype=np.float32))
