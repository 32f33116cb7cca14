"""What a report says to do next, and from which figures."""

import numpy as np
import pytest

from training.advisor import Advice, Evidence
from training.diagnosis import GOOD, OSCILLATING
from training.evaluate import Evaluation, evaluate
from training.recipe import Recipe, Strategy
from training.report.next_steps import COMPARE, next_steps

NAMES = ("ants", "bees", "wasps")


def answers(*counts: tuple[int, int, int]) -> Evaluation:
    """So many images of each class (row) with each answer (column)."""
    cells = [(true, answer, n) for true, row in enumerate(counts) for answer, n in enumerate(row)]
    labels = np.concatenate([np.full(n, true) for true, _, n in cells])
    predicted = np.concatenate([np.full(n, answer) for _, answer, n in cells])
    return evaluate(4.0 * np.eye(3)[predicted], labels, NAMES)


def advice(shift: float, strategy: Strategy) -> Advice:
    evidence = Evidence(20, [], shift=shift, pretrained=True, forward=0.02, spent=1.0)
    return Advice(evidence, Recipe(strategy=strategy), "it would take 12 min.")


FLAWLESS = answers((400, 0, 0), (0, 400, 0), (0, 0, 400))


def test_where_nothing_is_wrong_other_backbones_are_left() -> None:
    settled = advice(0.1, Strategy.PROBE)

    assert next_steps(FLAWLESS, doubted=0, advice=settled, diagnosis=GOOD) == [COMPARE]
    assert next_steps(FLAWLESS, doubted=0, advice=None, diagnosis=None) == [COMPARE]


def test_doubted_labels_come_first() -> None:
    first, *_ = next_steps(FLAWLESS, doubted=7, advice=None, diagnosis=OSCILLATING)

    assert "labels that are doubted below (7)" in first


@pytest.mark.parametrize(
    ("shift", "strategy", "hurried"),
    [(0.9, Strategy.PROBE, True), (0.9, Strategy.FINETUNE, False), (0.1, Strategy.PROBE, False)],
)
def test_where_time_was_short_more_is_asked_for(
    shift: float, strategy: Strategy, *, hurried: bool
) -> None:
    found = next_steps(FLAWLESS, doubted=0, advice=advice(shift, strategy), diagnosis=None)

    raised = "Raise --budget, so that the network is trained: it would take 12 min."
    assert found == ([raised, COMPARE] if hurried else [COMPARE])


def test_what_the_curves_advise_is_told() -> None:
    found = next_steps(FLAWLESS, doubted=0, advice=None, diagnosis=OSCILLATING)

    shown = "The learning curves show overfitting with oscillation: try a lower rate."
    assert found == [shown, COMPARE]


def test_the_most_common_mistake_is_named() -> None:
    found = answers((400, 3, 0), (9, 391, 0), (0, 0, 400))

    step, _ = next_steps(found, doubted=0, advice=None, diagnosis=None)

    assert step.startswith("Add images of bees and ants to learn from: 9 of 400 held-out images")


def test_a_mistake_that_was_made_once_is_chance() -> None:
    found = answers((400, 1, 0), (1, 399, 0), (0, 0, 400))

    assert next_steps(found, doubted=0, advice=None, diagnosis=None) == [COMPARE]


def test_few_held_out_images_say_little() -> None:
    # Wilson's interval of 9 right of 10, from the closed form.
    step, _ = next_steps(
        answers((3, 1, 0), (0, 3, 0), (0, 0, 3)), doubted=0, advice=None, diagnosis=None
    )

    assert "10 say no more than that 60% to 98% of all are right" in step
