import numpy as np
import pytest

from models.errors import SameClass, UnknownClass
from service.core.targets import Question, Target, resolve

LABELS = ("tabby, tabby cat", "crane", "Egyptian cat", "crane", "3")
LOGITS = np.array([0.0, 1.0, 3.0, 2.0, -1.0])


def test_without_a_target_the_top_class_is_meant() -> None:
    assert resolve(None, LABELS, LOGITS) == Target(2, "Egyptian cat")


@pytest.mark.parametrize(
    ("named", "index"),
    [
        (0, 0),
        ("0", 0),
        ("tabby, tabby cat", 0),
        ("tabby", 0),
        (" Tabby Cat ", 0),
        ("egyptian cat", 2),
        ("3", 4),  # a label that reads so comes before an index
        (3, 3),
    ],
)
def test_a_class_is_meant_by_index_label_or_synonym(named: int | str, index: int) -> None:
    assert resolve(named, LABELS, LOGITS) == Target(index, LABELS[index])


@pytest.mark.parametrize("named", [5, -1, "5", "99999999999999999999", "", "cat", "-1", "²", "१"])
def test_what_names_no_class_is_refused(named: int | str) -> None:
    with pytest.raises(UnknownClass):
        resolve(named, LABELS, LOGITS)


def test_a_name_of_several_classes_is_refused_with_their_indices() -> None:
    with pytest.raises(UnknownClass, match=r"\[1, 3\]"):
        resolve("crane", LABELS, LOGITS)


def test_a_misspelt_label_gets_a_hint() -> None:
    with pytest.raises(UnknownClass, match="did you mean 'tabby'"):
        resolve("tabbi", LABELS, LOGITS)


def test_a_label_like_none_is_told_which_classes_there_are() -> None:
    with pytest.raises(UnknownClass, match=r"; there are: 'ant', 'bee'$"):
        resolve("zeppelin", ("ant", "bee"), np.zeros(2))


def test_of_many_classes_the_first_ten_are_named() -> None:
    labels = [f"class {index}" for index in range(1000)]
    with pytest.raises(UnknownClass, match=r"'class 0', .*'class 9' and 990 more$"):
        resolve("zeppelin", labels, np.zeros(1000))


def test_a_word_of_labels_gets_those_as_a_hint_before_what_is_spelt_alike() -> None:
    labels = ("bat", "Egyptian cat", "tabby, tabby cat", "caterpillar")
    with pytest.raises(UnknownClass, match="mean 'egyptian cat' or 'tabby cat' or 'bat'"):
        resolve("cat", labels, np.zeros(4))


def test_top1_is_the_class_with_the_highest_logit() -> None:
    assert resolve("top1", LABELS, LOGITS).index == np.argmax(LOGITS)


def test_a_class_is_not_held_against_itself() -> None:
    with pytest.raises(SameClass, match="the same class, 'crane'"):
        Question(Target(1, "crane"), against=Target(1, "crane"))
    Question(Target(1, "crane"), against=Target(3, "crane"))  # two classes of one name
