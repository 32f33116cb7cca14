"""What learning curves say of a run, and what to try next."""

from dataclasses import dataclass

import numpy as np

from training.history import Epoch, History

EPOCHS = 5
"""Fewer say nothing."""

LEARNED = 0.95
"""Share right, in training or validation, above which there is little left to learn."""

GAP = 0.05
"""Share right in training less that in validation, above which the network learns by heart."""

STILL_LEARNING = 0.25
"""Share of the training loss's whole fall that the second half of the epochs brought."""

SWING = 0.1
"""Mean change of the validation loss from epoch to epoch, relative to it."""


@dataclass(frozen=True)
class Diagnosis:
    """What it is, and what to try."""

    name: str
    advice: str


STOPPED_EARLY = Diagnosis("underfitting: stopped early", "try more epochs, or a higher rate")
TOO_SHALLOW = Diagnosis("underfitting: too little network", "try a deeper network, or more depth")
OVERFITTING = Diagnosis("overfitting", "try regularisation and augmentation, or more images")
OSCILLATING = Diagnosis("overfitting with oscillation", "try a lower rate")
GOOD = Diagnosis("a good fit", "there is little to gain by training otherwise")


def diagnose(history: History) -> Diagnosis | None:
    """The name of a run's curves; None where there are fewer than five epochs.

    Training accuracy is measured while learning, on augmented images, so it may well be below
    that of validation.
    """
    epochs = history.epochs[1:]
    if len(epochs) < EPOCHS or not np.isfinite([e.score.loss for e in epochs]).all():
        return None
    half = len(epochs) // 2
    learned, validated = (
        float(np.mean(values[-3:]))
        for values in (
            [epoch.training_accuracy for epoch in epochs],
            [epoch.score.accuracy for epoch in epochs],
        )
    )
    if _swing(epochs[-half:]) > SWING:
        return OSCILLATING
    if learned - validated > GAP:
        return OVERFITTING
    if max(learned, validated) >= LEARNED:
        return GOOD
    first, middle, last = (epochs[place].training_loss for place in (0, -half - 1, -1))
    return STOPPED_EARLY if middle - last > STILL_LEARNING * (first - last) else TOO_SHALLOW


def _swing(epochs: tuple[Epoch, ...]) -> float:
    """How much the validation loss goes up and down; a steady fall is none of it."""
    losses = np.array([epoch.score.loss for epoch in epochs])
    moved = np.abs(np.diff(losses)).sum() - abs(losses[-1] - losses[0])
    return float(moved / (len(losses) - 1) / losses.mean()) if len(losses) > 1 else 0.0
