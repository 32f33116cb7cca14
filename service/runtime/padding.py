"""Batches padded to a few sizes, for devices that prepare themselves for every new shape."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.core.ports import Arrays, Runner
from service.runtime.providers import Device, Provider


def padded(runner: Runner, device: Device, sizes: Sequence[int]) -> Runner:
    """What runs batches of few sizes where the device wants that, else the runner itself.

    cuDNN looks for its quickest algorithm, and TensorRT may build an engine, when a shape is
    new. A CPU does nothing of the kind, and would compute the padding for nothing.

    Args:
        runner: of a graph; each row of its outputs comes from the same row of its inputs.
        device: that runs it.
        sizes: numbers of rows, ascending.
    """
    if device.provider is Provider.CPU:
        return runner
    return PaddedRunner(runner, tuple(sizes))


@dataclass(frozen=True)
class PaddedRunner:
    """Runs a batch as one of the next size; a batch above the largest as it is."""

    runner: Runner
    sizes: tuple[int, ...]

    def run(self, feeds: Arrays, /) -> Arrays:
        """Run the graph; see `Runner`."""
        rows = len(next(iter(feeds.values())))
        missing = next((size for size in self.sizes if size >= rows), rows) - rows
        if not missing:
            return self.runner.run(feeds)
        # Copies of a row widen no range that a graph computes over its batch; zeros might.
        filled = {
            name: np.concatenate([array, array[-1:].repeat(missing, axis=0)])
            for name, array in zip(feeds, map(np.asarray, feeds.values()), strict=True)
        }
        return {name: output[:rows] for name, output in self.runner.run(filled).items()}
