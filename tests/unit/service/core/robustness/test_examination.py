"""Checks in order, the verdict and its reason."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.errors import InvalidRequest, Unsupported
from service.core.network import Network
from service.core.ports import Arrays
from service.core.robustness.examination import Verdict, budget, examine
from service.core.robustness.notation import parse
from service.core.robustness.subject import Subject


def no_graph(graph: Any) -> Any:
    raise Unsupported(f"no {graph.filename}")


class Lightness:
    """A runner whose second logit is above the first by chance, or always where it is steep."""

    def __init__(self, *, steepness: float) -> None:
        self._steepness = steepness

    def run(self, feeds: Arrays, /) -> Arrays:
        image = feeds["image"]
        by_chance = image[:, 0, 0, 0] - 100 / 255
        second = by_chance + np.float32(self._steepness)
        return {"logits": np.stack([np.zeros_like(second), second], axis=1)}


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


def test_an_abstention_is_no_defeat() -> None:
    """The logits hardly differ, so that noise decides which is the greater."""
    unsure = replace(
        subject([100, 250]), network=Network(lambda _: Lightness(steepness=0), classes=2)
    )

    alone = examine(parse("smoothing,n0=10,n=20"), unsure)
    among = examine(parse("jpeg; smoothing,n0=10,n=20"), unsure)

    assert alone.checks[0].finding.survived is None
    assert (alone.verdict, among.verdict) == (Verdict.UNDECIDED, Verdict.ROBUST)
    assert alone.reason == "smoothing,n0=10,n=20 cannot certify 'level 100'"
    assert among.reason == f"the answer survived 1 of 2 checks; {alone.reason}"


def test_another_answer_under_noise_is_a_defeat() -> None:
    other = replace(
        subject([100, 250]), network=Network(lambda _: Lightness(steepness=9), classes=2)
    )

    found = examine(parse("smoothing,n0=10,n=20"), other)

    assert found.checks[0].finding.survived is False
    assert found.verdict is Verdict.FRAGILE
    assert found.reason.startswith("smoothing,n0=10,n=20 turns 'level 100' into 'level 250' (")


def test_a_graph_that_is_not_there_is_said_and_other_checks_work() -> None:
    with pytest.raises(Unsupported, match=r"no gradient\.onnx"):
        examine(parse("pgd"), subject([100, 250]))
    assert examine(parse("jpeg"), subject([100, 250])).verdict is Verdict.ROBUST


def test_a_budget_says_what_each_check_costs() -> None:
    checks = parse("pgd,steps=10; jpeg")

    budget(checks, 13)
    with pytest.raises(InvalidRequest, match=r"may take 13 passes \(pgd,steps=10 12, jpeg 1\)"):
        budget(checks, 12)
