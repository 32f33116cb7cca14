"""`model.onnx` in int8, by ONNX Runtime's quantizer."""

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedOpsetsPass
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.quant_utils import add_pre_process_metadata

from models.errors import ExportError
from training.body import body
from training.graphs import TIDY

CALIBRATION = 128
"""Images whose activations set the ranges."""

BATCH = 16

Crops = npt.NDArray[np.uint8]


def to_int8(model: onnx.ModelProto, crops: Crops, *, seed: int) -> ir.Model:
    """The body's weights in int8, by output channel, and its activations in uint8.

    Static quantization, written as QuantizeLinear and DequantizeLinear around each operator
    (Jacob et al. 2018, "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference"; by channel: Krishnamoorthi 2018, "Quantizing deep
    convolutional networks for efficient inference", section 3.1). An activation's range goes
    from its least to its largest value on the calibration images.

    Args:
        model: in float32, its tensors loaded.
        crops: uint8 [N, H, W, 3], images that were learned from. `CALIBRATION` of them, or
            all, set the ranges.
        seed: of the choice.

    Raises:
        ExportError: the model has no body, or the quantizer failed.
    """
    inside = {node.name for node in body(ir.from_proto(model).graph)}
    rows = np.random.default_rng(seed).permutation(len(crops))[:CALIBRATION]
    add_pre_process_metadata(model)  # or it asks for optimisations that were done already
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        try:
            quantize_static(
                model,
                path,
                _Reader(crops[rows]),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                weight_type=QuantType.QInt8,
                activation_type=QuantType.QUInt8,
                calibrate_method=CalibrationMethod.MinMax,
                nodes_to_exclude=[n.name for n in model.graph.node if n.name not in inside],
            )
        except Exception as error:  # the quantizer's errors share no base
            raise ExportError(f"the model cannot be quantized: {error}") from error
        quantized = ir.from_proto(onnx.load(path))
    quantized.metadata_props.clear()
    TIDY(quantized)
    RemoveUnusedOpsetsPass()(quantized)
    return quantized


class _Reader:
    """Images for the quantizer, which knows a reader by its one method."""

    def __init__(self, crops: Crops) -> None:
        self._batches = iter(np.split(crops, range(BATCH, len(crops), BATCH)))

    def get_next(self) -> dict[str, Crops] | None:
        """The next batch, by the input's name; None in the end."""
        batch = next(self._batches, None)
        return None if batch is None else {"image": batch}
