"""What the report shows of how the network learned: its curves, and the images that it saw."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.diagnosis import Diagnosis, diagnose
from training.learning.augmentation import augmentation
from training.learning.batches import Augmented, Examples
from training.recipe import Recipe
from training.report import pictures
from training.tuning import Tuning

IMAGES, EPOCHS = 4, 6


@dataclass(frozen=True, eq=False)
class Lesson:
    """The outcome, what the curves say, the charts (SVG elements), and what was seen.

    `sheet` is uint8 [N, H, W, 3]: four images as each of the first six epochs saw them.
    """

    tuning: Tuning
    diagnosis: Diagnosis | None
    curves: str
    sweep: str | None
    sheet: npt.NDArray[np.uint8]


def lesson(tuning: Tuning, recipe: Recipe, *, seed: int) -> Lesson:
    """Look at what a run of a recipe came to."""
    history = tuning.history
    sweep = None if history.sweep is None else pictures.sweep(history.sweep)
    sheet = contact_sheet(tuning.training, recipe, seed=seed)
    return Lesson(
        tuning,
        diagnose(history),
        pictures.learning_curves(history),
        sweep,
        sheet,
    )


def contact_sheet(examples: Examples, recipe: Recipe, *, seed: int) -> npt.NDArray[np.uint8]:
    """Some images as the first epochs of a run see them, before they are mixed or attacked."""
    rows = np.linspace(0, len(examples.labels) - 1, IMAGES).round().astype(int)
    augment = augmentation(recipe.augment, examples.crops.shape[1:3])
    seen = [
        Augmented(examples, augment, seed, epoch)[row][0]
        for row in rows.tolist()
        for epoch in range(1, 1 + EPOCHS)
    ]
    return np.stack([(255 * image.permute(1, 2, 0)).round().byte().numpy() for image in seen])
