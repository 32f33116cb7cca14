"""Whether an image looks attacked."""

from typing import Annotated, ClassVar

from pydantic import Field

from models.errors import InvalidRequest
from models.manifest import Squeezing
from service.core.robustness import finding, squeezers
from service.core.robustness.check import Check
from service.core.robustness.finding import Finding
from service.core.robustness.subject import Subject

_CAVEAT = "an attacker who knows of squeezing can evade it"


class SqueezingCheck(Check):
    """The answer moves further under squeezers than those to photos do."""

    name: ClassVar[str] = "squeezing"
    threshold: Annotated[float, Field(ge=0, le=2)] | None = None

    @property
    def passes(self) -> int:
        """See `Check`."""
        return 1 + len(squeezers.SQUEEZERS) + 1

    def examine(self, subject: Subject) -> Finding:
        """See `Check`."""
        measured = subject.squeezing
        if self.threshold is not None:
            threshold, known = self.threshold, "the threshold is the request's"
        elif measured is not None:
            threshold, known = measured.threshold, _record(measured)
        else:
            raise InvalidRequest(
                "squeezing: no threshold was measured for this model: give one, as in "
                "squeezing,threshold=1, or measure it with seewhy attack --record"
            )
        moved = squeezers.disagreement(subject.network, subject.image)
        name, most = max(((name, float(found[0])) for name, found in moved.items()), key=_second)
        note = f"{name} moves the probabilities by {most:.3g}, {threshold:.3g} is the threshold"
        return finding.of_suspicion(
            subject, suspect=most > threshold, note=f"{note}; {known}; {_CAVEAT}"
        )


def _record(measured: Squeezing) -> str:
    found = (
        "it was tried on no attacked image"
        if measured.detection_rate is None
        else f"it found {measured.detection_rate:.0%} of those that {measured.attack} fooled"
    )
    return f"on {measured.images} images {found}, and {measured.false_alarms:.0%} were false alarms"


def _second(pair: tuple[str, float]) -> float:
    return pair[1]
