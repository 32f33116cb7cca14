"""Where the evidence lies for some right and some wrong answers."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.bundle import Bundle
from models.manifest import MethodName
from service.core.classification import Prediction, predict
from service.core.heatmap import draw
from service.core.saliency.explanation import explain
from service.core.saliency.parameters import Parameters
from service.core.targets import Question, Target
from training.learning.batches import Examples
from training.network import network_of


@dataclass(frozen=True, eq=False)
class Explained:
    """An answer, and where its evidence lies.

    `row` is the image's, `label` its true class, `heat_map` uint8 [H, W, 3] the evidence for
    the class that was answered, drawn over the image.
    """

    row: int
    label: str
    answer: Prediction
    heat_map: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Explanations:
    """Some right and some wrong answers, explained by a saliency method."""

    method: MethodName
    right: list[Explained]
    wrong: list[Explained]


def explanations(
    bundle: Bundle,
    method: MethodName,
    test: Examples,
    logits: npt.NDArray[np.floating],
    *,
    temperature: float,
    shown: int,
    seed: int,
) -> Explanations:
    """Explain a sample of a bundle's answers by its own graphs, as the service does.

    Args:
        bundle: what answered.
        method: how it is explained.
        test: N images with their labels.
        logits: [N, K], the answers.
        temperature: divides the logits.
        shown: how many right answers, and how many wrong ones, where there are so many.
        seed: of the sample.

    Raises:
        Unsupported: the bundle has not got a graph that the method needs.
        RuntimeFailure: the runtime failed, or a map is not finite.
    """
    labels = bundle.manifest.labels
    network = network_of(bundle)
    generator = np.random.default_rng(seed)

    def explained(row: int) -> Explained:
        crop = test.crops[row]
        (answer,) = predict(logits[row], labels, top_k=1, temperature=temperature)
        question = Question(Target(answer.index, answer.label))
        (found,) = explain(network, crop, [question], method, Parameters())
        return Explained(row, labels[test.labels[row]], answer, _drawn(crop, found.map))

    def sample(rows: npt.NDArray[np.int64]) -> list[Explained]:
        return [explained(row) for row in generator.permutation(rows)[:shown].tolist()]

    right = logits.argmax(axis=1) == test.labels
    return Explanations(method, sample(np.flatnonzero(right)), sample(np.flatnonzero(~right)))


def _drawn(crop: npt.NDArray[np.uint8], saliency: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    height, width = crop.shape[:2]
    png = draw(crop, saliency, (0, 0, width, height))
    return np.asarray(Image.open(BytesIO(png)))
