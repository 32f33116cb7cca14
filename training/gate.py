"""The export gate: a bundle is published only if it answers as the trained network does."""

import numpy as np
import numpy.typing as npt

from models.errors import ExportError
from models.golden import relative_l2
from service.core.ports import Runner

AGREEMENT = 0.999
"""The least share of images with the same top class."""

LOGITS = 1e-4
"""The largest relative L2 error of the logits."""

BATCH = 32


def hold(served: npt.NDArray[np.floating], trained: npt.NDArray[np.floating]) -> None:
    """Hold what ONNX Runtime computes against what PyTorch does, on real images.

    Args:
        served: logits [N, K] of `model.onnx`.
        trained: logits [N, K] of the network.

    Raises:
        ExportError: they differ by more than rounding.
    """
    error = relative_l2(served.astype(np.float64), trained.astype(np.float64))
    agreement = float(np.mean(served.argmax(axis=1) == trained.argmax(axis=1)))
    if not (agreement >= AGREEMENT and error <= LOGITS):
        raise ExportError(
            f"the exported model is not the trained one: {agreement:.2%} of {len(served)} images "
            f"have the same top class ({AGREEMENT:.1%} is the least), and the logits differ by "
            f"{error:.1e} ({LOGITS:.0e} is the most)"
        )


def logits(model: Runner, crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What `model.onnx` answers: [N, K] for uint8 crops [N, H, W, 3].

    Raises:
        RuntimeFailure: the runtime failed.
    """
    (found,) = _outputs(model, crops, ("logits",))
    return found


def answers(
    model: Runner, crops: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The logits [N, K] and the embedding [N, D]; else as `logits`."""
    found, embedding = _outputs(model, crops, ("logits", "embedding"))
    return found, embedding


def _outputs(
    model: Runner, crops: npt.NDArray[np.uint8], names: tuple[str, ...]
) -> list[npt.NDArray[np.float32]]:
    """Some outputs alone: the explained layer's grids would fill the memory."""
    batches = np.split(crops, range(BATCH, len(crops), BATCH))
    runs = (model.run({"image": batch}) for batch in batches)
    rows = [[outputs[name] for name in names] for outputs in runs]
    return [np.concatenate(parts).astype(np.float32) for parts in zip(*rows, strict=True)]
