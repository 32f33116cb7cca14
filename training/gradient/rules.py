"""The VJP of every operator that the zoo's backbones need."""

from collections.abc import Callable
from typing import Final

from training.gradient import (
    convolution,
    elementwise,
    layout,
    linear,
    max_pooling,
    normalization,
    pooling,
)
from training.gradient.elementwise import Gradients

Rule = Callable[..., Gradients]
"""(tape, node, one gradient an output) -> pairs of an input and its gradient."""

RULES: Final[dict[str, Rule]] = {
    "Add": elementwise.add,
    "AveragePool": pooling.average_pool,
    "BatchNormalization": normalization.batch_norm,
    "Clip": elementwise.clip,
    "Concat": layout.concat,
    "Conv": convolution.conv,
    "Div": elementwise.div,
    "Erf": elementwise.erf,
    "Expand": layout.expand,
    "Flatten": layout.reshape,
    "Gather": layout.gather,
    "Gemm": linear.gemm,
    "GlobalAveragePool": pooling.global_average_pool,
    "HardSigmoid": elementwise.hard_sigmoid,
    "HardSwish": elementwise.hard_swish,
    "Identity": elementwise.identity,
    "LayerNormalization": normalization.layer_norm,
    "MatMul": linear.matmul,
    "MaxPool": max_pooling.max_pool,
    "Mul": elementwise.mul,
    "Neg": elementwise.neg,
    "Pad": layout.pad,
    "Pow": elementwise.power,
    "ReduceMean": normalization.reduce_mean,
    "ReduceSum": normalization.reduce_sum,
    "Relu": elementwise.relu,
    "Reshape": layout.reshape,
    "Sigmoid": elementwise.sigmoid,
    "Slice": layout.slice_,
    "Softmax": normalization.softmax,
    "Split": layout.split,
    "Sqrt": elementwise.sqrt,
    "Squeeze": layout.reshape,
    "Sub": elementwise.sub,
    "Sum": elementwise.add,
    "Tanh": elementwise.tanh,
    "Transpose": layout.transpose,
    "Unsqueeze": layout.reshape,
}
