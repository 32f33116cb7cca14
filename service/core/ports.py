"""What the core asks of an inference runtime."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]


class Runner(Protocol):
    """One ONNX graph that can be run.

    A session of the runtime is one, and so is the queue that batches requests before a
    session: a saliency method does not know which of the two it is using.
    """

    def run(self, feeds: Arrays, /) -> Arrays:
        """Run the graph.

        Args:
            feeds: an array for each input of the graph, by name, batch dimension first.

        Returns:
            An array for each output, by name, batch dimension first.

        Raises:
            RuntimeFailure: the runtime failed.
            Unavailable: there is no room or no session for it now.
        """
        ...
