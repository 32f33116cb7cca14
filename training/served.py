"""The exported model that is to serve: held against the network, and rounded where asked."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.bundle import Bundle
from models.manifest import Graph, Precision
from service.core.classification import softmax
from service.core.ports import Runner
from service.runtime.loading import open_graph
from service.runtime.providers import Provider, choose
from training import calibrate, features, gate, probe
from training.compression import compress, serving_size
from training.learn import Images, Learned
from training.learning.progress import Say
from training.precision_loss import PrecisionLoss, precision_loss


@dataclass(frozen=True, eq=False)
class Served:
    """A bundle about to be published, with what it answers on the test: logits [N, K].

    `model` runs its `model.onnx`; `learned` has the calibration of what serves; `loss` is what
    its precision costs, None in fp32.
    """

    staged: Bundle
    model: Runner
    learned: Learned
    logits: npt.NDArray[np.floating]
    loss: PrecisionLoss | None = None


def serve(staged: Bundle, learned: Learned, test: Images, say: Say) -> Served:
    """Hold an export against its network, round it where that was asked for, and ask it.

    Args:
        staged: the float32 export.
        learned: what was exported.
        test: images that nothing was fitted to.
        say: hears what rounding costs.

    Raises:
        ExportError: the export is not exact, or its precision costs too much.
        RuntimeFailure: the runtime failed.
    """
    model, seen = _open(staged), learned.images.crops
    gate.hold(gate.logits(model, seen), features.logits(learned.network, seen))
    exact = Served(staged, model, learned, gate.logits(model, test.crops))
    if learned.request.precision is Precision.FP32:
        return exact
    return _rounded(exact, test, say)


def _rounded(exact: Served, test: Images, say: Say) -> Served:
    """The same at a lower precision: measured beside the exact one, and calibrated anew."""
    request, before = exact.learned.request, serving_size(exact.staged)
    crops = exact.learned.images.crops
    staged = compress(exact.staged, request.precision, crops, seed=request.seed)
    model = _open(staged)
    logits = gate.logits(model, test.crops)
    loss = precision_loss(
        exact.logits, logits, test.labels,
        precision=request.precision, sizes=(before, serving_size(staged)),
    )  # fmt: skip
    say(loss.outcome)
    loss.hold(request.max_drop)
    return Served(staged, model, _recalibrated(exact.learned, model), logits, loss)


def _recalibrated(learned: Learned, model: Runner) -> Learned:
    """Fit the calibration on what the rounded model answers.

    A trained network answers its calibration images again. A probe's head has seen all images,
    but stays exact: heads like it, each without a fold, are shown the rounded body's embedding
    of that fold.
    """
    answers, embedding = gate.answers(model, learned.images.crops)
    labels = learned.images.labels
    if learned.tuning is not None and learned.tuning.better:
        rows = learned.tuning.partition.calibration
        logits = answers[rows].astype(np.float64)
    else:
        rows = np.arange(len(labels))
        found, splits = learned.probes[0], learned.splits
        logits = probe.held_out(found, learned.embedding, embedding, labels, splits)
    calibration = calibrate.fit(logits, labels[rows], embedding, rows, learned.data.learning_groups)
    return replace(
        learned,
        embedding=embedding,
        answers=softmax(logits, calibration.temperature),
        calibration=calibration,
    )


def _open(staged: Bundle) -> Runner:
    return open_graph(staged, Graph.MODEL, choose(Provider.CPU))
