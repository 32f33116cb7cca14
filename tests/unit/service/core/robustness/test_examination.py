"""Checks in order, the verdict and its reason."""

from typing import Any

import numpy as np
import pytest

from models.errors import InvalidRequest, Unsupported
from service.core.network import Network
from service.core.robustness.examination import Verdict, budget, examine
from service.core.robustness.notation import parse
from service.core.robustness.subject import Subject


def no_graph(graph: Any) -> Any:
    raise Unsupported(f"no {graph.filename}")


def subject(levels: list[float]) -> Subject:
    """A grey crop of a model without gradients, which answers by how light images are."""

    def serve(crops: Any) -> Any:
        lightness = crops.mean(axis=(1, 2, 3))
        return np.stack([np.abs(lightness - level) * -1 for level in levels], axis=1)

    crop = np.full((8, 8, 3), 100, dtype=np.uint8)
    labels = tuple(f"level {level:g}" for level in levels)
    return Subject(Network(no_graph, classes=len(levels)), serve, crop, 0, labels)


def test_what_no_check_changes_is_robust() -> None:
    found = examine(parse("translation; rotation,angles=4; jpeg"), subject([100, 250]))

    assert found.verdict is Verdict.ROBUST
    assert found.reason == "the answer survived 3 of 3 checks"
    assert [each.text for each in found.checks] == ["translation", "rotation,angles=4", "jpeg"]
    assert [each.passes for each in found.checks] == [8, 4, 1]


def test_the_first_check_that_changes_the_answer_is_the_reason() -> None:
    found = examine(parse("jpeg; corruptions,severity=5; corruptions"), subject([100, 180]))

    assert found.verdict is Verdict.FRAGILE
    assert found.reason.startswith("corruptions,severity=5 turns 'level 100' into 'level 180' (")
    assert found.shown is found.checks[1]


def test_a_graph_that_is_not_there_is_said_and_other_checks_work() -> None:
    with pytest.raises(Unsupported, match=r"no gradient\.onnx"):
        examine(parse("pgd"), subject([100, 250]))
    assert examine(parse("jpeg"), subject([100, 250])).verdict is Verdict.ROBUST


def test_a_budget_says_what_each_check_costs() -> None:
    checks = parse("pgd,steps=10; jpeg")

    budget(checks, 13)
    with pytest.raises(InvalidRequest, match=r"may take 13 passes \(pgd,steps=10 12, jpeg 1\)"):
        budget(checks, 12)
