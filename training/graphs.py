"""The four graphs of a bundle, from one exported forward pass."""

import contextlib
import copy
import io
import logging
import math
import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import onnx_ir as ir
import torch
from onnx_ir.passes import Sequential
from onnx_ir.passes import common as passes
from torch import nn

from models.errors import ExportError
from models.manifest import Graph
from training.backbones import Layout
from training.gradient import append_gradient
from training.gradient.tape import Tape, constant_of, dimensions, static
from training.instrument import Instrumented

OPSET = 18
BATCH = 5
"""Batch size while tracing: 1 would be taken for a constant, 3 for the channels."""

TIDY = Sequential(
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
    passes.DeduplicateInitializersPass(),
    passes.CommonSubexpressionEliminationPass(),
    passes.RemoveUnusedNodesPass(),
    passes.ClearMetadataAndDocStringPass(),
)


def build(network: Instrumented, layout: Layout, size: tuple[int, int]) -> Mapping[Graph, ir.Model]:
    """Export an instrumented network and derive the bundle's graphs from it.

    The graphs have the network's dtype: float32 to serve, float64 to be checked. All share
    the forward pass's tensors, under the same names. A network with no explained layer has
    no `cam` graph and no `activations`.

    Raises:
        ExportError: the exporter cannot trace the network, or an operator has no gradient.
    """
    forward = trace(network, size)
    graphs = {
        Graph.MODEL: _model(forward, layout),
        Graph.FLOAT: _float(forward, layout),
        Graph.GRADIENT: _gradient(forward),
    }
    if _output(forward, "layer") is not None:
        graphs[Graph.CAM] = _cam(forward, layout)
    return graphs


def trace(network: Instrumented, size: tuple[int, int]) -> ir.Model:
    """The forward pass as ONNX: `image` [N, 3, H, W] -> `logits`, `embedding`, `layer`."""
    network = prepare(network)
    dtype = network.mean.dtype
    image = torch.rand(BATCH, 3, *size, dtype=dtype)
    with torch.no_grad():
        names = [name for name, value in network(image)._asdict().items() if value is not None]
    try:
        with _quiet():
            program = torch.onnx.export(
                network, (image,), dynamo=True, verbose=False, opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim("N")},),
                input_names=["image"], output_names=names,
            )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        raise ExportError(f"torch.onnx cannot export this network: {error}") from error
    if program is None:
        raise ExportError("torch.onnx exported nothing")
    model: ir.Model = program.model
    TIDY(model)
    _restore_scalars(model, program.exported_program)
    batch = dimensions(model.graph.inputs[0])[0]
    if batch is not None:
        raise ExportError(f"the exporter froze the batch at {batch}")
    return model


def _restore_scalars(model: ir.Model, program: torch.export.ExportedProgram | None) -> None:
    """Give a float64 graph the numbers that the exporter rounded to float32."""
    for node in () if program is None else program.graph.nodes:
        if node.target is torch.ops.aten.scalar_tensor.default:
            value = model.graph.initializers.get(node.name)
            if value is not None and value.dtype is ir.DataType.DOUBLE:
                value.const_value = ir.tensor(np.float64(node.args[0]), name=node.name)


def prepare(network: Instrumented) -> Instrumented:
    """A copy that computes the same and exports well.

    Global average pooling becomes a plain mean: PyTorch lowers the pooling of a channels-last
    tensor to `as_strided`, which has neither a dynamic batch nor a gradient rule. GELU is written
    so that the runtime merges its operators. Batch norm's epsilon moves into its variance: as an
    ONNX attribute it would be rounded to float32, even in a float64 graph.
    """
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.AdaptiveAvgPool2d) and child.output_size in {1, (1, 1)}:
                setattr(parent, name, SpatialMean())
            if isinstance(child, nn.GELU) and child.approximate == "none":
                setattr(parent, name, Gelu())
            if isinstance(child, nn.BatchNorm2d) and child.running_var is not None:
                child.running_var += child.eps
                child.eps = 0.0
    return network


class SpatialMean(nn.Module):
    """Global average pooling: [N, C, H, W] -> [N, C, 1, 1]."""

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """The mean over both spatial axes."""
        return grid.mean(dim=(2, 3), keepdim=True)


class Gelu(nn.Module):
    """GELU of a tensor of any shape, in the order of operators that ONNX Runtime knows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """X (1 + erf(x / sqrt(2))) / 2."""
        return x * (torch.erf(x / math.sqrt(2)) + 1) * 0.5


def _model(forward: ir.Model, layout: Layout) -> ir.Model:
    """What serves: uint8 `image` [N, H, W, 3]."""
    model, tape = _copy(forward)
    image = model.graph.inputs[0]
    _, channels, height, width = dimensions(image)
    photo = ir.Value(
        name="image",
        type=ir.TensorType(ir.DataType.UINT8),
        shape=ir.Shape(["N", height, width, channels]),
    )
    _normalise_rows(tape, photo, image)
    model.graph.inputs[0] = photo
    return _finish(model, {**_answers(model), **_activations(model, tape, layout)})


def _normalise_rows(tape: Tape, photo: ir.Value, image: ir.Value) -> None:
    """Put in place of `(image - mean) / std` the same of uint8 `photo` [N, H, W, C].

    With a whole row's means and deviations the runtime subtracts and divides W x C numbers that
    lie side by side. By channel, and with the channels last as int8 convolutions want them, it
    takes them three at a time, and that was a fifth of an int8 classification.
    """
    channels, height, width = (static(image, axis) for axis in (1, 2, 3))
    (subtraction,) = (node for node in image.consumers() if node.op_type == "Sub")
    (division,) = subtraction.outputs[0].consumers()
    rows = tape.op("Reshape", photo, tape.constant([0, height, width * channels]))
    rows = tape.op("Cast", rows, to=int(image.dtype or ir.DataType.FLOAT))
    for node, what in ((subtraction, "the mean"), (division, "the standard deviation")):
        of_channels = 255 * constant_of(node.inputs[1], what).ravel()
        # The runtime repeats it once, when it loads the model.
        of_row = tape.op("Tile", tape.constant(of_channels, image), tape.constant([width]))
        rows = tape.op(node.op_type, rows, of_row)
    pixels = tape.op("Reshape", rows, tape.constant([0, height, width, channels]))
    normalised, expected = tape.op("Transpose", pixels, perm=[0, 3, 1, 2]), division.outputs[0]
    normalised.type, normalised.shape = expected.type, expected.shape
    expected.replace_all_uses_with(normalised)
    image.replace_all_uses_with(normalised)  # what else reads the image reads its shape


def _float(forward: ir.Model, layout: Layout) -> ir.Model:
    """The same from float `image` [N, 3, H, W] in [0, 1]."""
    model, tape = _copy(forward)
    return _finish(model, {**_answers(model), **_activations(model, tape, layout)})


def _cam(forward: ir.Model, layout: Layout) -> ir.Model:
    """`image`, `cotangent` -> the gradient at the explained layer."""
    model, tape = _copy(forward)
    logits, layer = _required(model, "logits"), _required(model, "layer")
    cotangent = _input(model, "cotangent", logits, ("N", static(logits, 1)))
    gradient = append_gradient(model.graph, logits, cotangent, layer)
    outputs = {
        "logits": logits,
        **_activations(model, tape, layout),
        "activation_gradients": _to_grid(tape, gradient, layer, layout),
    }
    return _finish(model, outputs)


def _gradient(forward: ir.Model) -> ir.Model:
    """`image`, `cotangent`, `softmax_weight` -> the gradient at the image."""
    model, tape = _copy(forward)
    logits, image = _required(model, "logits"), model.graph.inputs[0]
    cotangent = _input(model, "cotangent", logits, ("N", static(logits, 1)))
    weight = _input(model, "softmax_weight", logits, ("N",))
    column = tape.op("Unsqueeze", weight, tape.constant([1]))
    softmax = tape.op("Softmax", logits, axis=-1)
    seed = tape.op("Add", cotangent, tape.op("Mul", column, softmax))
    gradient = append_gradient(model.graph, logits, seed, image)
    return _finish(model, {"logits": logits, "input_gradient": gradient})


def _copy(forward: ir.Model) -> tuple[ir.Model, Tape]:
    model = forward.clone()
    return model, Tape(model.graph)


def _answers(model: ir.Model) -> dict[str, ir.Value]:
    return {name: _required(model, name) for name in ("logits", "embedding")}


def _activations(model: ir.Model, tape: Tape, layout: Layout) -> dict[str, ir.Value]:
    layer = _output(model, "layer")
    return {} if layer is None else {"activations": _to_grid(tape, layer, layer, layout)}


def _to_grid(tape: Tape, value: ir.Value, layer: ir.Value, layout: Layout) -> ir.Value:
    """From the explained layer's layout (of which `value` is, too) to [N, C, h, w]."""
    if layout is Layout.NCHW:
        grid = tape.op("Identity", value)
        shape = [static(layer, axis) for axis in (1, 2, 3)]
    elif layout is Layout.NHWC:
        grid = tape.op("Transpose", value, perm=[0, 3, 1, 2])
        shape = [static(layer, axis) for axis in (3, 1, 2)]
    else:
        side = round((static(layer, 1) - 1) ** 0.5)
        patches = tape.op(
            "Slice", value, tape.constant([1]), tape.constant([1 + side * side]), tape.constant([1])
        )
        shape = [static(layer, 2), side, side]
        grid = tape.op(
            "Reshape", tape.op("Transpose", patches, perm=[0, 2, 1]), tape.constant([0, *shape])
        )
    grid.shape = ir.Shape(["N", *shape])
    grid.type = layer.type
    return grid


def _input(model: ir.Model, name: str, like: ir.Value, shape: tuple[int | str, ...]) -> ir.Value:
    value = ir.Value(name=name, type=like.type, shape=ir.Shape(shape))
    model.graph.inputs.append(value)
    return value


def _output(model: ir.Model, name: str) -> ir.Value | None:
    return next((value for value in model.graph.outputs if value.name == name), None)


def _required(model: ir.Model, name: str) -> ir.Value:
    value = _output(model, name)
    if value is None:
        raise ExportError(f"the exported network has no output {name}")
    return value


def _finish(model: ir.Model, outputs: Mapping[str, ir.Value]) -> ir.Model:
    graph = model.graph
    graph.outputs.clear()
    for name, value in outputs.items():
        value.name = name
        graph.outputs.append(value)
    graph.sort()
    TIDY(model)
    graph.name = "seewhy"
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports its progress on standard output and in warnings of its own."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
