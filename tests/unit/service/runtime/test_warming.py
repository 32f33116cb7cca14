from collections.abc import Sequence

import numpy as np
import pytest

from models.bundle import Bundle
from models.errors import OutOfMemory
from models.manifest import Graph
from service.core.ports import Arrays
from service.runtime.loading import open_graph
from service.runtime.providers import Device, Provider, choose
from service.runtime.warming import warm

CPU = choose(Provider.CPU)
GPU = Device(Provider.CUDA, CPU.options)  # but run by the CPU


class Rebuilding:
    """Builds an engine for the range of rows it was given so far, as TensorRT does."""

    def __init__(self, fits: int = 1000) -> None:
        self.sizes: list[int] = []
        self.builds = 0
        self._fits = fits

    def run(self, feeds: Arrays, /) -> Arrays:
        rows = len(feeds["image"])
        if rows > self._fits:
            raise OutOfMemory("too many")
        if not self.sizes or not min(self.sizes) <= rows <= max(self.sizes):
            self.builds += 1
        self.sizes.append(rows)
        return {}


def warmed(bundle: Bundle, runner: Rebuilding, sizes: Sequence[int], device: Device = GPU) -> None:
    warm(runner, device, bundle.manifest.graphs[Graph.MODEL].inputs, sizes)


def test_every_size_is_run_and_two_builds_are_enough(tiny_bundle: Bundle) -> None:
    runner = Rebuilding()
    warmed(tiny_bundle, runner, [1, 2, 4, 8, 12])
    assert sorted(runner.sizes) == [1, 2, 4, 8, 12]
    assert runner.builds == 2


def test_a_single_size_is_enough(tiny_bundle: Bundle) -> None:
    runner = Rebuilding()
    warmed(tiny_bundle, runner, [1])
    assert runner.sizes == [1]


def test_a_cpu_has_nothing_to_prepare(tiny_bundle: Bundle) -> None:
    runner = Rebuilding()
    warmed(tiny_bundle, runner, [1, 2], CPU)
    assert runner.sizes == []


def test_what_does_not_fit_is_left_out_and_said(
    tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    runner = Rebuilding(fits=4)
    warmed(tiny_bundle, runner, [1, 2, 4, 8])
    assert sorted(runner.sizes) == [1, 2, 4]
    assert "a batch of 8 does not fit" in caplog.text


def test_what_fits_at_no_size_is_not_served(tiny_bundle: Bundle) -> None:
    with pytest.raises(OutOfMemory):
        warmed(tiny_bundle, Rebuilding(fits=0), [1, 2, 4])


@pytest.mark.parametrize("graph", list(Graph))
def test_any_graph_of_a_bundle_can_be_warmed(graph: Graph, tiny_bundle: Bundle) -> None:
    session, given = open_graph(tiny_bundle, graph, CPU), []

    class Recording:
        def run(self, feeds: Arrays, /) -> Arrays:
            outputs = session.run(feeds)
            assert all(np.isfinite(output).all() for output in outputs.values())
            given.append(len(outputs["logits"]))
            return outputs

    warm(Recording(), GPU, tiny_bundle.manifest.graphs[graph].inputs, [1, 3])
    assert given == [3, 1]
