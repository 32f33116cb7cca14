"""When an attacker has what it wants."""

import numpy as np

from service.core.robustness.criterion import Criterion

LOGITS = np.array([[3, 1, 2], [0, 5, 1], [1, 2, 9]], dtype=np.float32)
LABELS = np.array([0, 0, 1])


def test_without_a_target_any_other_answer_will_do() -> None:
    assert Criterion(LABELS).reached(LOGITS).tolist() == [False, True, True]


def test_with_a_target_only_that_answer_will_do() -> None:
    assert Criterion(LABELS, np.array([2, 2, 2])).reached(LOGITS).tolist() == [False, False, True]


def test_some_rows_keep_their_labels_and_targets() -> None:
    some = Criterion(LABELS, np.array([1, 2, 0])).take(np.array([2, 0]))

    assert some.targets is not None
    assert (some.labels.tolist(), some.targets.tolist()) == ([1, 0], [0, 1])
    assert Criterion(LABELS).take(np.array([True, False, False])).targets is None
