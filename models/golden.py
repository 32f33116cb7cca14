"""Golden inputs and outputs: how a bundle knows that a provider computes it rightly.

`golden.npz` holds a few inputs (`image` uint8 [N, H, W, 3], `cotangent` float32 [N, K],
`softmax_weight` float32 [N]) and, under the name of each graph output, what PyTorch in
float64 computed for them, stored as float32.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models import archive
from models.errors import BundleInvalid, GoldenMismatch
from models.manifest import Graph, Tolerances

Arrays = Mapping[str, npt.NDArray[np.generic]]

COMPARED_BY_COSINE = frozenset({"activations", "activation_gradients", "input_gradient"})


def read(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Read `golden.npz`.

    Raises:
        BundleInvalid: the file is missing, is not an archive of arrays, or would let anything pass:
            its arrays are no numbers, or have not all the same rows, at least one.
    """
    arrays = archive.read(path)
    rows = {array.shape[:1] for array in arrays.values()}
    if len(rows) != 1 or rows <= {(), (0,)}:
        raise BundleInvalid(f"{path}: its arrays need the same number of rows, at least one")
    for name, array in arrays.items():
        if array.dtype.kind not in "uif" or not np.isfinite(array).all():
            raise BundleInvalid(f"{path}: {name} holds what is no finite number")
    return arrays


def feeds(
    golden: Arrays, graph: Graph, names: tuple[str, ...]
) -> dict[str, npt.NDArray[np.generic]]:
    """The golden inputs that a graph takes, by name.

    All graphs but `model.onnx` take the photo as float32 [N, 3, H, W] in [0, 1].

    Raises:
        BundleInvalid: there is no golden array for one of `names`.
    """
    chosen = {name: _lookup(golden, name) for name in names}
    if graph is not Graph.MODEL:
        chosen["image"] = to_float(chosen["image"])
    return chosen


def to_float(image: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """uint8 [N, H, W, 3] to float32 [N, 3, H, W] in [0, 1]."""
    # Bytes are set in order before they become floats: a tenth of the time of the reverse.
    ordered = np.ascontiguousarray(image.transpose(0, 3, 1, 2))
    return np.asarray(ordered / np.float32(255), dtype=np.float32)


def compare(graph: Graph, outputs: Arrays, golden: Arrays, tolerances: Tolerances) -> None:
    """Hold a graph's outputs against the golden ones.

    A rounded `model.onnx` has every output compared by relative L2, the activations too.

    Raises:
        BundleInvalid: there is no golden array for an output.
        GoldenMismatch: an output is further away than the tolerances allow, is not finite,
            or has another shape.
    """
    rounded = tolerances.rounded if graph is Graph.MODEL else None
    for name, output in outputs.items():
        got = np.asarray(output, dtype=np.float64)
        expected = np.asarray(_lookup(golden, name), dtype=np.float64)
        where = f"{graph.filename}: {name}"
        if got.shape != expected.shape:
            raise GoldenMismatch(f"{where} has shape {got.shape}, its reference {expected.shape}")
        if not np.isfinite(got).all():
            raise GoldenMismatch(f"{where} is not finite")
        if name in COMPARED_BY_COSINE and rounded is None:
            _compare_directions(where, got, expected, tolerances.gradient_cosine)
        else:
            error, allowed = relative_l2(got, expected), rounded or tolerances.logits
            if error > allowed:
                raise GoldenMismatch(
                    f"{where} is {error:.1e} (relative L2) from its reference; "
                    f"{allowed:.0e} is allowed"
                )


def _compare_directions(
    where: str, got: npt.NDArray[np.float64], expected: npt.NDArray[np.float64], least: float
) -> None:
    worst = min(cosine(a, b) for a, b in zip(got, expected, strict=True))
    if worst < least:
        raise GoldenMismatch(
            f"{where} has cosine {worst:.6f} with its reference; {least} is the least allowed"
        )
    # What errs by so much in direction alone errs by this; so may what errs in length.
    error = relative_l2(got, expected)
    if error > math.sqrt(2 * (1 - least)) + np.finfo(np.float32).eps:
        raise GoldenMismatch(
            f"{where} points as its reference does, but is {error:.1e} (relative L2) from it"
        )


def compare_head(weight: npt.NDArray[np.float32], golden: Arrays, tolerances: Tolerances) -> None:
    """Hold the classifier's weight [K, C] against the golden activations and logits.

    Logits differ between images as the weight times the spatial means of the activations do,
    whatever the bias.

    Raises:
        BundleInvalid: there are no golden arrays of these names.
        GoldenMismatch: the weight is another one.
    """
    means = np.asarray(_lookup(golden, "activations"), dtype=np.float64).mean(axis=(2, 3))
    logits = np.asarray(_lookup(golden, "logits"), dtype=np.float64)
    found = (means - means.mean(axis=0)) @ weight.astype(np.float64).T
    error = relative_l2(found, logits - logits.mean(axis=0))
    if not error <= tolerances.logits:
        raise GoldenMismatch(
            f"the classifier's weight gives logits that are {error:.1e} (relative L2) from their "
            f"reference; {tolerances.logits:.0e} is allowed"
        )


def relative_l2(got: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> float:
    """||got - expected|| / ||expected||, over all elements."""
    return float(np.linalg.norm(got - expected) / max(float(np.linalg.norm(expected)), 1e-300))


def cosine(got: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> float:
    """The cosine of two arrays seen as vectors; 1 where both are zero."""
    norms = float(np.linalg.norm(got)) * float(np.linalg.norm(expected))
    if norms == 0:
        return 1.0 if not got.any() and not expected.any() else 0.0
    return float(np.vdot(got, expected)) / norms


def _lookup(golden: Arrays, name: str) -> npt.NDArray[np.generic]:
    if name not in golden:
        raise BundleInvalid(f"golden.npz holds no {name}")
    return golden[name]
