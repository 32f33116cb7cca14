"""Reverse-mode differentiation of ONNX graphs.

PyTorch exports the forward pass only. `append_gradient` writes the backward pass behind it
as ordinary ONNX nodes: it walks the graph from the output to the input and asks, for each
node, its vector-Jacobian product (VJP). One file a family of operators; `rules.RULES` lists
them all.
"""

from training.gradient.reverse import append_gradient

__all__ = ["append_gradient"]
