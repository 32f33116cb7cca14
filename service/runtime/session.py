"""An ONNX Runtime session for one graph of a bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

from models.errors import ProviderUnavailable
from models.manifest import GraphSpec
from service.core.ports import Arrays
from service.runtime.errors import translated
from service.runtime.noise import Held
from service.runtime.providers import Device

_DTYPES = {
    "tensor(uint8)": "uint8",
    "tensor(float16)": "float16",
    "tensor(float)": "float32",
    "tensor(int64)": "int64",
}


@dataclass(frozen=True)
class OnnxSession:
    """A loaded graph; a `Runner` that may be used from several threads."""

    session: onnxruntime.InferenceSession
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def run(self, feeds: Arrays, /) -> Arrays:
        """Run the graph; see `Runner`.

        Raises:
            RuntimeFailure: ONNX Runtime refused the inputs or failed.
            OutOfMemory: the device has not got the memory.
        """
        held = {
            name: feed.value if isinstance(feed, Held) else feed for name, feed in feeds.items()
        }
        with translated():
            return dict(zip(self.outputs, self.session.run(self.outputs, held), strict=True))

    @property
    def spec(self) -> GraphSpec:
        """What the loaded graph takes and gives, whatever is fetched, as a manifest states it."""
        return GraphSpec.model_validate(
            {
                "inputs": _stated(self.session.get_inputs()),
                "outputs": _stated(self.session.get_outputs()),
            }
        )

    def fetching(self, outputs: Sequence[str]) -> "OnnxSession":
        """The same session, copying only some outputs to where Python can see them."""
        return OnnxSession(self.session, self.inputs, tuple(outputs))


def open_session(path: Path, device: Device, *, threads: int = 0) -> OnnxSession:
    """Load a graph.

    Args:
        path: an ONNX file, its external data beside it.
        device: from `providers.choose`.
        threads: that one run may use on the CPU; 0 for one a core.

    Raises:
        RuntimeFailure: ONNX Runtime cannot load the graph.
        ProviderUnavailable: the session would run on another provider.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Idle threads that spin take the cores from decoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    with translated():
        session = onnxruntime.InferenceSession(path, options, providers=list(device.options))
    got = session.get_providers()
    if got[0] != device.first:
        raise ProviderUnavailable(
            f"{path.name} was to run on {device.first}, but ONNX Runtime chose {got[0]}"
        )
    return OnnxSession(
        session,
        tuple(spec.name for spec in session.get_inputs()),
        tuple(spec.name for spec in session.get_outputs()),
    )


def _stated(nodes: Sequence[onnxruntime.NodeArg]) -> list[dict[str, object]]:
    return [
        {
            "name": node.name,
            "dtype": _DTYPES.get(node.type, node.type),
            "shape": [side if isinstance(side, int) else "N" for side in node.shape],
        }
        for node in nodes
    ]
