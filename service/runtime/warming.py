"""A graph run once at every batch size, before anybody waits for it."""

import logging
from collections.abc import Sequence

import numpy as np

from models.errors import OutOfMemory
from models.manifest import TensorSpec
from service.core.ports import Runner
from service.runtime.providers import Device, Provider

logger = logging.getLogger(__name__)


def warm(
    runner: Runner, device: Device, inputs: Sequence[TensorSpec], sizes: Sequence[int]
) -> None:
    """Have a device prepare itself for all sizes, where it does so when a size is new to it.

    cuDNN looks for its quickest algorithm for each. TensorRT builds an engine for the range of
    sizes that it was given so far, and builds it again for one outside. So the largest comes
    first and the smallest soon after: what is between them is in range.

    Args:
        runner: of the graph.
        device: that runs it. A CPU has nothing to prepare.
        inputs: the graph's.
        sizes: numbers of rows. One that the device has not got the memory for is left out.

    Raises:
        OutOfMemory: not even the smallest fits.
        RuntimeFailure: the graph cannot be run.
    """
    if device.provider is Provider.CPU:
        return
    largest, *smaller = sorted(sizes, reverse=True)
    for rows in [largest, *reversed(smaller)]:
        feeds = {
            tensor.name: np.zeros(
                [rows if side == "N" else side for side in tensor.shape], dtype=tensor.dtype
            )
            for tensor in inputs
        }
        try:
            runner.run(feeds)
        except OutOfMemory as error:
            if rows == min(sizes):
                raise
            logger.warning("a batch of %d does not fit: %s", rows, error)
