"""The gradient of matrix products."""

from collections.abc import Callable
from itertools import product

import numpy as np
import onnx_ir as ir
import pytest
import torch

from models.errors import ExportError

Check = Callable[..., None]
Graph = Callable[..., ir.Model]

RANDOM = np.random.default_rng(0)
FLAGS = (0, 1)


@pytest.mark.parametrize(("trans_a", "trans_b"), list(product(FLAGS, FLAGS)))
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 2.0)])
def test_gemm(check_gradient: Check, trans_a: int, trans_b: int, alpha: float, beta: float) -> None:
    shapes: dict[str, tuple[int | str, ...]] = {
        "a": (4, "N") if trans_a else ("N", 4),
        "b": (5, 4) if trans_b else (4, 5),
        "c": ("N", 5),
    }

    def reference(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        left, right = a.T if trans_a else a, b.T if trans_b else b
        return alpha * (left @ right) + beta * c

    check_gradient(
        f"y = Gemm<alpha={alpha}, beta={beta}, transA={trans_a}, transB={trans_b}>(a, b, c)",
        reference,
        shapes,
    )


@pytest.mark.parametrize("shape", [(5,), (1, 5), (1,)])
def test_the_bias_of_gemm_is_broadcast(check_gradient: Check, shape: tuple[int, ...]) -> None:
    check_gradient(
        "y = Gemm(x, w, b)",
        lambda x, b, w: x @ w + b,
        {"x": ("N", 4), "b": shape},
        w=RANDOM.normal(size=(4, 5)),
    )


def test_gemm_without_a_bias(check_gradient: Check) -> None:
    check_gradient("y = Gemm(a, b)", lambda a, b: a @ b, {"a": ("N", 4), "b": (4, 5)})


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (("N", 3, 4), ("N", 4, 5)),
        (("N", 2, 3, 4), ("N", 2, 4, 5)),
        (("N", 3, 4), (4, 5)),
        (("N", 2, 3, 4), (2, 4, 5)),
        (("N", 2, 3, 4), (1, 1, 4, 5)),
        (("N", 2, 3, 4), ("N", 1, 4, 5)),
        ((3, 4), ("N", 4, 5)),
        ((2, 1, 3, 4), ("N", 4, 5)),
    ],
)
def test_matmul_with_every_kind_of_broadcasting(
    check_gradient: Check, a: tuple[int | str, ...], b: tuple[int | str, ...]
) -> None:
    # (2, 1, …) against the batch gives (2, N, …).
    check_gradient("y = MatMul(a, b)", lambda a, b: a @ b, {"a": a, "b": b})


def test_attention_multiplies_two_things_made_of_the_image(check_gradient: Check) -> None:
    check_gradient(
        "k = MatMul(x, w)  t = Transpose<perm=[0, 2, 1]>(k)  y = MatMul(x, t)",
        lambda x, w: x @ (x @ w).transpose(1, 2),
        {"x": ("N", 6, 4)},
        w=RANDOM.normal(size=(4, 4)),
    )


def test_a_product_with_a_vector_is_refused(gradient_graph: Graph) -> None:
    with pytest.raises(ExportError, match="vector"):
        gradient_graph("y = MatMul(x, w)", {"x": ("N", 4)}, "x", w=np.ones(4))
