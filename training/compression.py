"""A bundle whose `model.onnx` is stored in fewer bits."""

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir

from models import bundle as bundles
from models import golden
from models.bundle import GOLDEN, Bundle
from models.errors import ExportError
from models.manifest import Graph, Precision
from service.runtime.providers import Provider, choose
from service.runtime.session import open_session
from training import weights_file
from training.half_precision import to_fp16
from training.quantization import to_int8

MARGIN = 3
"""What another provider may differ from the exact outputs, as a multiple of what the CPU does.

Providers round at other places, so each is about as far from the exact outputs as the next.
"""

LARGEST = 0.9
"""The largest tolerance: outputs that have nothing to do with each other are 1 apart or more."""


def compress(
    staged: Bundle, precision: Precision, crops: npt.NDArray[np.uint8], *, seed: int
) -> Bundle:
    """Rewrite a float32 bundle in its folder, `model.onnx` in fp16 or int8.

    All that explains keeps its float32 graphs: a gradient through rounding is zero nearly
    everywhere. The golden outputs stay the exact ones, and `model.onnx` gets a tolerance
    that follows from how far it is from them.

    Args:
        staged: not yet published.
        precision: fp16 or int8.
        crops: uint8 [N, H, W, 3], images that were learned from.
        seed: of the choice among them.

    Raises:
        ExportError: the graph cannot be converted, or is far from what it was.
        RuntimeFailure: ONNX Runtime cannot run the outcome.
    """
    protos = {graph: onnx.load(staged.graph(graph)) for graph in staged.manifest.graphs}
    served = onnx.shape_inference.infer_shapes(protos.pop(Graph.MODEL))
    # First what is float32: it keeps its place, which the manifest states of the CAM weights.
    graphs = {graph: ir.from_proto(proto) for graph, proto in protos.items()}
    if precision is Precision.FP16:
        graphs[Graph.MODEL] = ir.from_proto(served)
        to_fp16(graphs[Graph.MODEL])
    else:
        graphs[Graph.MODEL] = to_int8(served, crops, seed=seed)
    weights_file.save(graphs, staged.directory)
    error = _golden_error(staged)
    if not error <= LARGEST / 2:
        raise ExportError(
            f"{precision} moves the golden outputs by {error:.0%} (relative L2); "
            f"{LARGEST / 2:.0%} is the most"
        )
    tolerances = staged.manifest.tolerances.model_copy(
        update={"rounded": min(MARGIN * error, LARGEST)}
    )
    fields = staged.manifest.model_dump(exclude={"sha256"})
    return bundles.write_manifest(
        staged.directory, {**fields, "precision": precision, "tolerances": tolerances}
    )


def serving_size(bundle: Bundle) -> int:
    """The bytes of `model.onnx` with the tensors that it reads."""
    return int(onnx.load(bundle.graph(Graph.MODEL)).ByteSize())


def _golden_error(staged: Bundle) -> float:
    """The largest relative L2 error of an output of `model.onnx` on the golden inputs."""
    session = open_session(staged.graph(Graph.MODEL), choose(Provider.CPU))
    reference = golden.read(staged.directory / GOLDEN)
    outputs = session.run(golden.feeds(reference, Graph.MODEL, session.inputs))
    return max(
        golden.relative_l2(output.astype(np.float64), reference[name].astype(np.float64))
        for name, output in outputs.items()
    )
