import numpy as np
import pytest

from models.bundle import Bundle
from models.manifest import Graph
from service.core.plan import batch_sizes
from service.core.ports import Arrays
from service.runtime.loading import open_graph
from service.runtime.padding import padded
from service.runtime.providers import Device, Provider, choose

CPU = choose(Provider.CPU)
# Called a GPU, but run by the CPU.
GPU = Device(Provider.CUDA, CPU.options)


class Sums:
    """Adds each row up, as a graph of two inputs does; remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[Arrays] = []

    def run(self, feeds: Arrays, /) -> Arrays:
        self.given.append(feeds)
        return {"sum": feeds["image"].sum(axis=(1, 2)) + feeds["weight"]}


def feeds_of(rows: int) -> Arrays:
    image = np.arange(rows * 6, dtype=np.uint8).reshape(rows, 2, 3)
    return {"image": image, "weight": np.arange(rows, dtype=np.float32) / 8}


def test_the_sizes_are_powers_of_two_and_the_largest_batch() -> None:
    assert batch_sizes(1) == [1]
    assert batch_sizes(16) == [1, 2, 4, 8, 16]
    assert batch_sizes(24) == [1, 2, 4, 8, 16, 24]


@pytest.mark.parametrize(
    ("rows", "run"), [(1, 1), (2, 2), (3, 4), (5, 8), (9, 12), (12, 12), (13, 13), (40, 40)]
)
def test_a_batch_is_run_as_one_of_the_next_size(rows: int, run: int) -> None:
    plain, device = Sums(), Sums()
    feeds = feeds_of(rows)
    outputs = padded(device, GPU, batch_sizes(12)).run(feeds)
    np.testing.assert_array_equal(outputs["sum"], plain.run(feeds)["sum"], strict=True)
    (given,) = device.given
    for name, array in feeds.items():
        assert (len(given[name]), given[name].dtype) == (run, array.dtype)
        np.testing.assert_array_equal(given[name][:rows], array)
        assert (given[name][rows:] == array[-1]).all()


def test_a_batch_of_the_right_size_is_not_copied() -> None:
    device, feeds = Sums(), feeds_of(4)
    padded(device, GPU, [1, 2, 4]).run(feeds)
    assert device.given[0] is feeds


def test_a_cpu_runs_batches_as_they_are() -> None:
    runner = Sums()
    assert padded(runner, CPU, [1, 2, 4]) is runner


@pytest.mark.parametrize("graph", list(Graph))
def test_a_padded_graph_answers_as_the_graph_does(graph: Graph, tiny_bundle: Bundle) -> None:
    session = open_graph(tiny_bundle, graph, CPU, threads=1)
    random = np.random.default_rng(0)
    feeds: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {}
    for tensor in tiny_bundle.manifest.graphs[graph].inputs:
        shape = [3 if side == "N" else int(side) for side in tensor.shape]
        feeds[tensor.name] = (random.random(shape) * 255).astype(tensor.dtype)
    expected, found = session.run(feeds), padded(session, GPU, [1, 2, 4, 8]).run(feeds)
    assert found.keys() == expected.keys()
    for name, output in expected.items():
        np.testing.assert_allclose(found[name], output, rtol=1e-5, atol=1e-6)
