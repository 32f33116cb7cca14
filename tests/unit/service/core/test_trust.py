"""Sets, places and decisions, each by hand."""

from typing import Any

import numpy as np
import pytest

from models.errors import BundleInvalid, Unsupported
from models.manifest import Calibration, Conformal, Decision, Lac, OutOfDistribution, Raps
from service.core import trust
from service.core.classification import Prediction, ranked
from service.core.trust import Acceptance, Asked, Novelty, Place, SetRule

LABELS = ("a", "b", "c")
PROBABILITIES = np.array([0.25, 0.6, 0.15])
CONFORMAL = Conformal(
    lac=Lac(thresholds={"0.8": 0.5, "0.9": 0.8, "0.95": 0.9}),
    raps=Raps(thresholds={"0.8": 0.0, "0.9": 0.6, "0.95": 0.9}, penalty=0.0, k_reg=1),
)
OOD = OutOfDistribution(
    energy=tuple(float(q) for q in range(-100, 1)),
    nearest_neighbour=tuple(q / 50 for q in range(101)),
    k=1,
)
DECISION = Decision(min_probability=0.5, max_ood_percentile=90)
WHOLE = Calibration(temperature=1.0, conformal=CONFORMAL, ood=OOD, decision=DECISION)
BARE = Calibration(temperature=1.0)


def novelty(percentile: float) -> Novelty:
    return Novelty(Place(0.3, percentile), Place(-4.0, 50.0))


def assess(
    calibration: Calibration = WHOLE, percentile: float | None = 10.0, **asked: Any
) -> trust.Assessment:
    settled = trust.terms(calibration, Asked(**asked))
    assert settled is not None
    place = None if percentile is None else novelty(percentile)
    return trust.assess(ranked(PROBABILITIES, LABELS), place, settled)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, "ba"),  # before b there is nothing, before a 0.6, before c 0.85
        ({"coverage": 0.8}, "b"),
        ({"coverage": 0.95}, "bac"),
        ({"coverage": 0.8, "rule": SetRule.LAC}, "b"),  # at least 0.5, 0.2 and 0.1
        ({"coverage": 0.9, "rule": SetRule.LAC}, "ba"),
        ({"coverage": 0.95, "rule": SetRule.LAC}, "bac"),
    ],
)
def test_a_set_holds_what_cannot_be_ruled_out_most_probable_first(
    asked: dict[str, Any], expected: str
) -> None:
    found = assess(**asked)
    assert found.prediction_set is not None
    assert "".join(member.label for member in found.prediction_set) == expected
    assert [p.probability for p in found.prediction_set] == [0.6, 0.25, 0.15][: len(expected)]
    assert found.coverage == asked.get("coverage", 0.9)


@pytest.mark.parametrize("rule", SetRule)
def test_a_set_may_be_empty_whatever_the_decision(rule: SetRule) -> None:
    lac = Lac(thresholds={"0.5": 0.1})
    raps = Raps(thresholds={"0.5": -0.9}, penalty=0.0, k_reg=1)
    calibration = WHOLE.model_copy(update={"conformal": Conformal(lac=lac, raps=raps)})
    found = assess(calibration, coverage=0.5, rule=rule)
    assert found.prediction_set == ()
    assert found.decision == (Acceptance.ACCEPT, f"{SURE}; {KNOWN}")


def test_a_bundle_without_the_usual_coverage_has_its_largest() -> None:
    lac: dict[str, Any] = {"thresholds": {"0.5": 0.1, "0.7": 0.5}}
    rules = {"lac": lac, "raps": lac | {"penalty": 0, "k_reg": 1}}
    calibration = WHOLE.model_copy(update={"conformal": Conformal.model_validate(rules)})
    assert assess(calibration).coverage == 0.7


SURE = "the probability 0.600 is at least 0.5"
UNSURE = "the probability 0.600 is below 0.61"
KNOWN = "the out-of-distribution percentile 10.0 is at most 90"
NEW = "the out-of-distribution percentile 90.5 is above 90"


@pytest.mark.parametrize(
    ("percentile", "asked", "verdict", "reason"),
    [
        (10.0, {}, Acceptance.ACCEPT, f"{SURE}; {KNOWN}"),
        (10.0, {"min_probability": 0.61}, Acceptance.REVIEW, UNSURE),
        (90.5, {}, Acceptance.REVIEW, NEW),
        (90.5, {"min_probability": 0.61}, Acceptance.REVIEW, f"{UNSURE}; {NEW}"),
    ],
)
def test_what_is_within_every_limit_is_accepted(
    percentile: float, asked: dict[str, Any], verdict: Acceptance, reason: str
) -> None:
    assert assess(percentile=percentile, **asked).decision == trust.Decision(verdict, reason)


def test_where_no_probability_is_enough_certainty_is_not_either() -> None:
    terms = trust.terms(WHOLE, Asked(min_probability=1.0, max_ood_percentile=100.0))
    assert terms is not None
    found = trust.assess([Prediction("a", 0, 1.0)], None, terms)
    reason = "no probability is high enough to accept: the least is 1"
    assert found.decision == (Acceptance.REVIEW, reason)


@pytest.mark.parametrize("limits", [{"min_probability": 0.6}, {"max_ood_percentile": 90.5}])
def test_a_limit_itself_is_accepted(limits: dict[str, float]) -> None:
    asked = {"min_probability": 0.0, "max_ood_percentile": 100.0} | limits
    decision = assess(WHOLE, 90.5, **asked).decision
    assert decision is not None
    assert decision.verdict is Acceptance.ACCEPT


def test_nothing_is_made_up() -> None:
    assert trust.terms(None, Asked()) is None
    assert assess(BARE, percentile=None) == trust.Assessment(None, None, None, None)
    only_sure = assess(BARE, percentile=None, min_probability=0.5).decision
    assert only_sure is not None
    assert only_sure.reason == "the probability 0.600 is at least 0.5"


@pytest.mark.parametrize(
    ("calibration", "asked", "says"),
    [
        (None, {"coverage": 0.9}, "not calibrated"),
        (None, {"rule": SetRule.LAC}, "not calibrated"),
        (None, {"min_probability": 0.0}, "not calibrated"),
        (BARE, {"coverage": 0.9}, "no prediction sets"),
        (BARE, {"rule": SetRule.RAPS}, "no prediction sets"),
        (BARE, {"max_ood_percentile": 50.0}, "no out-of-distribution score"),
        (WHOLE, {"coverage": 0.85}, r"0\.85; possible coverages: 0\.8, 0\.9, 0\.95"),
    ],
)
def test_what_a_bundle_has_not_got_is_refused(
    calibration: Calibration | None, asked: dict[str, Any], says: str
) -> None:
    with pytest.raises(Unsupported, match=says):
        trust.terms(calibration, Asked(**asked))


def test_an_image_is_placed_among_those_it_was_fitted_on() -> None:
    known = trust.known(np.array([[3.0, 4.0], [0.0, 2.0]]), OOD)
    # At right angles to the nearer of the two, (0.6, 0.8), in the plane.
    found = trust.place(np.array([30.0, 0.0]), np.array([0.8, -0.6]), known)
    assert found.nearest_neighbour.score == pytest.approx(2**0.5, rel=1e-6)
    assert found.nearest_neighbour.percentile == pytest.approx(50 * 2**0.5, rel=1e-6)
    assert found.energy.score == pytest.approx(-30.0)
    assert found.energy.percentile == pytest.approx(70.0)


def test_a_neighbour_that_there_is_not_is_refused() -> None:
    with pytest.raises(BundleInvalid, match=r"k is 3, of 2 images"):
        trust.known(np.eye(2), OOD.model_copy(update={"k": 3}))
