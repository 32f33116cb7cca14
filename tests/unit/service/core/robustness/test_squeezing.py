"""Whether an image looks attacked, by a threshold that is given or was measured."""

from dataclasses import replace

import numpy as np
import pytest

from models.errors import InvalidRequest
from models.manifest import Squeezing
from service.core.network import Floats, Network
from service.core.ports import Arrays
from service.core.robustness.examination import Verdict, examine
from service.core.robustness.notation import parse
from service.core.robustness.subject import Subject

MEASURED = Squeezing(
    threshold=0.5, images=32, false_alarms=0.0625, attack="pgd@linf:2/255", detection_rate=0.75
)


class Sharpness:
    """Says 1 the more surely, the more neighbouring pixels differ."""

    def run(self, feeds: Arrays, /) -> Arrays:
        sharp = np.abs(np.diff(feeds["image"], axis=3)).mean(axis=(1, 2, 3))
        return {"logits": np.stack([np.zeros_like(sharp), 100 * sharp - 1], axis=1)}


def subject(pixels: Floats) -> Subject:
    crop = pixels.astype(np.uint8)
    logits = np.array([[1, 0]], dtype=np.float32)
    return Subject(
        Network(lambda _: Sharpness(), classes=2), lambda _: logits, crop, 0, ("blunt", "sharp")
    )


@pytest.fixture
def smooth() -> Subject:
    return subject(np.full((16, 16, 3), 100, dtype=np.float32))


@pytest.fixture
def rough() -> Subject:
    """Speckles that a median takes away."""
    speckled = np.full((16, 16, 3), 100, dtype=np.float32)
    speckled[::2, ::2] += 10
    return subject(speckled)


def test_an_answer_that_rests_on_speckles_is_suspect(rough: Subject) -> None:
    found = examine(parse("squeezing,threshold=0.2"), rough)

    assert found.verdict is Verdict.FRAGILE
    assert found.reason == "squeezing,threshold=0.2 suspects an attack behind 'blunt'"
    (one,) = found.checks
    assert one.passes == parse("squeezing")["squeezing"].passes
    assert one.finding.note is not None
    assert one.finding.note.startswith("median moves the probabilities by ")
    assert "evade" in one.finding.note


def test_one_that_does_not_is_not(smooth: Subject) -> None:
    assert examine(parse("squeezing,threshold=0.2"), smooth).verdict is Verdict.ROBUST


def test_the_bundles_threshold_comes_with_how_well_it_did(rough: Subject) -> None:
    for threshold, verdict in ((0.2, Verdict.FRAGILE), (1.9, Verdict.ROBUST)):
        measured = MEASURED.model_copy(update={"threshold": threshold})
        found = examine(parse("squeezing"), replace(rough, squeezing=measured))
        assert found.verdict is verdict
        note = found.checks[0].finding.note
        assert note is not None
        assert "on 32 images it found 75% of those that pgd@linf:2/255 fooled, and 6% were" in note


def test_without_a_threshold_it_is_refused(smooth: Subject) -> None:
    with pytest.raises(InvalidRequest, match="no threshold was measured for this model: give one"):
        examine(parse("squeezing"), smooth)
