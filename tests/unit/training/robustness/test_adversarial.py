"""What attacks leave of a model, in balls of several sizes."""

import numpy as np
import pytest

from models.bundle import Bundle
from service.core.robustness.adversaries import Attack
from service.core.robustness.criterion import Bools
from service.core.robustness.evaluation import attack_of
from training.robustness import adversarial
from training.robustness.adversarial import attacked

CROPS = np.zeros((4, 32, 32, 3), dtype=np.uint8)
STOOD = {
    "pgd@linf:1/255": [True, False, True, True],
    "pgd@linf:2/255": [True, True, False, True],  # the attack was less lucky with the second
    "pgd@l2:0.1": [True, True, True, True],
}


def test_who_falls_in_a_ball_does_not_stand_in_a_larger_one(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def standing(attack: Attack, *_: object, seed: int) -> Bools:
        del seed
        return np.array(next(stood for text, stood in STOOD.items() if attack_of(text) == attack))

    monkeypatch.setattr(adversarial, "standing", standing)

    found = attacked(tiny_bundle, CROPS, np.zeros(4, dtype=int), list(STOOD), seed=0)

    assert found.accuracy == {"pgd@linf:1/255": 0.75, "pgd@linf:2/255": 0.5, "pgd@l2:0.1": 1.0}
