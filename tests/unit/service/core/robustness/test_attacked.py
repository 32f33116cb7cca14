"""Rows after attacks, chosen and joined."""

from collections.abc import Sequence

import numpy as np
import pytest

from service.core.robustness.attacked import Attacked, Threat
from service.core.robustness.norms import Norm


def attacked(fooled: Sequence[bool], attack: str = "first") -> Attacked:
    """Rows whose image holds their number."""
    numbers = np.arange(len(fooled), dtype=np.float32)
    images = np.broadcast_to(numbers[:, None, None, None], (len(fooled), 3, 2, 2))
    logits = np.stack([numbers, -numbers], axis=1)
    threat = Threat(Norm.L2, targeted=False, white_box=True, attack=attack)
    return Attacked(images, logits, np.array(fooled), threat)


@pytest.mark.parametrize(
    ("fooled", "chosen"),
    [
        ((False, True, True), 1),
        ((False, False, False), 0),
        ((True, False, True), 0),
    ],
)
def test_the_best_restart_is_the_first_that_fooled(fooled: tuple[bool, ...], chosen: int) -> None:
    best = attacked(fooled * 2).best_of(3)

    assert best.fooled.tolist() == [any(fooled)] * 2
    assert best.images[:, 0, 0, 0].tolist() == best.logits[:, 0].tolist() == [chosen, 3 + chosen]


def test_rows_are_replaced_and_both_attacks_are_stated() -> None:
    first = attacked([True, False, False])

    joined = first.replaced(np.array([1, 2]), attacked([False, True], attack="second"))

    assert joined.fooled.tolist() == [True, False, True]
    assert joined.images[:, 0, 0, 0].tolist() == [0, 0, 1]
    assert joined.threat.attack == "first; second"
    assert first.fooled.tolist() == [True, False, False]
