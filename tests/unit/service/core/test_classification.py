import numpy as np
import numpy.typing as npt
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.core.classification import predict, softmax, top

LABELS = ("ant", "bee", "cat", "dog")

logits_of_any_size = arrays(
    np.float32, st.integers(1, 20), elements=st.floats(-(2.0**99), 2.0**99, width=32)
)


@given(logits_of_any_size, st.floats(0.1, 10))
def test_softmax_agrees_with_scipy(logits: npt.NDArray[np.float32], temperature: float) -> None:
    expected = scipy.special.softmax(logits.astype(np.float64) / temperature)
    np.testing.assert_allclose(softmax(logits, temperature), expected, rtol=1e-12, atol=1e-300)


def test_softmax_is_over_the_last_dimension() -> None:
    probabilities = softmax(np.array([[0.0, 1000.0], [1000.0, 0.0]], dtype=np.float32))
    np.testing.assert_array_equal(probabilities, [[0, 1], [1, 0]])


def test_predictions_are_the_most_probable_classes_in_order() -> None:
    found = predict(np.log([0.1, 0.4, 0.2, 0.3]), LABELS, top_k=3)
    assert [(p.label, p.index) for p in found] == [("bee", 1), ("dog", 3), ("cat", 2)]
    assert [p.probability for p in found] == pytest.approx([0.4, 0.3, 0.2])


def test_equal_probabilities_are_listed_by_index() -> None:
    assert [p.index for p in predict(np.zeros(4), LABELS, top_k=4)] == [0, 1, 2, 3]


@pytest.mark.parametrize("count", [1, 5, 100, 1000])
def test_of_many_classes_those_are_listed_that_a_whole_sort_puts_first(count: int) -> None:
    # One of ten values each, so that many are equal to the last one listed.
    values = np.random.default_rng(0).integers(0, 10, 1000) / 10
    names = [str(index) for index in range(1000)]

    listed = [each.index for each in top(values, names, count)]

    assert listed == sorted(range(1000), key=lambda index: (-values[index], index))[:count]


def test_a_model_of_few_classes_lists_them_all() -> None:
    assert len(predict(np.zeros(4), LABELS, top_k=100)) == 4


def test_a_temperature_above_one_makes_predictions_less_sure() -> None:
    logits = np.array([0.0, 0.0, 0.0, 2.0])
    (sure,) = predict(logits, LABELS, top_k=1)
    (unsure,) = predict(logits, LABELS, top_k=1, temperature=2.0)
    assert unsure.probability == pytest.approx(np.e / (np.e + 3))
    assert unsure.probability < sure.probability
