import numpy as np
import pytest

from service.api.presentation import note
from service.core.saliency.explanation import Explanation
from service.core.targets import Question, Target


@pytest.mark.parametrize(
    ("gap", "said"),
    [(0.01, None), (0.125, "by 12.5%: more steps"), (float("inf"), "which is zero: more steps")],
)
def test_a_wide_gap_is_told_in_words(gap: float, said: str | None) -> None:
    ones = np.ones((2, 2), dtype=np.float32)
    question = Question(Target(0, "red"))
    found = Explanation(
        "integrated_gradients", question, ones, (1, 1), signed=False, passes=3, gap=gap
    )
    if said is None:
        assert note(found) is None
    else:
        assert said in str(note(found))
