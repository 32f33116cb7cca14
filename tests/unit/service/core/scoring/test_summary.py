"""What a run has found."""

from service.core.scoring.rows import Row
from service.core.scoring.summary import Summary


def row(label: str, probability: float) -> Row:
    return Row(input="a", path=None, sha256=None, label=label, probability=probability)


def test_classes_confidences_and_errors_are_counted() -> None:
    summary = Summary(6)
    summary.add([row("cat", 0.05), row("dog", 0.95), row("dog", 1.0)])
    summary.add(
        Row(input="a", path=None, sha256=None, error=error)
        for error in ("EmptyImage: no bytes", "CorruptImage: cut off: x", "CorruptImage: y")
    )

    found = summary.as_dict()
    assert found["classes"] == {"dog": 2, "cat": 1}
    assert found["confidence"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert found["errors"] == {"CorruptImage": 2, "EmptyImage": 1}
    assert (summary.rows, summary.failed) == (6, 3)


def test_the_slowest_are_kept_in_order() -> None:
    summary = Summary(30)
    for number in range(30):
        seconds = number * 7 % 30 / 10
        summary.remember((seconds, f"{seconds}"))

    assert [each["seconds"] for each in summary.as_dict()["slowest"]] == [
        number / 10 for number in range(29, 19, -1)
    ]
