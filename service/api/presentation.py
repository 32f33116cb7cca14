"""An explanation as clients see it: as numbers for JSON, or drawn over its photo."""

import base64
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from models import photo
from models.photo import Limits
from service.api import number_grid
from service.api.json_text import JsonText
from service.api.pipeline import Seen
from service.api.schemas.explain import MapForm
from service.core import heatmap
from service.core.heatmap import Style
from service.core.localization import Box, object_box, to_photo
from service.core.saliency.explanation import Explanation
from service.core.targets import Target

ALL_ZERO = "the map is zero everywhere: the method finds nothing that speaks for this class"

WIDE_GAP = 0.05
"""Of integrated gradients, relative: from here on a note warns."""


def body(
    seen: Seen,
    explanation: Explanation,
    probabilities: npt.NDArray[np.floating],
    form: MapForm,
) -> dict[str, Any]:
    """The explanation as `schemas.ExplanationBody` has it; probabilities [K] of the classes."""
    question = explanation.question

    def named(target: Target) -> dict[str, Any]:
        probability = float(probabilities[target.index])
        return {"label": target.label, "index": target.index, "probability": probability}

    box, (lowest, highest) = _box(seen, explanation), explanation.extremes
    return {
        "method": explanation.method,
        "target": named(question.target),
        "against": None if question.against is None else named(question.against),
        "map": {
            "dtype": "float16" if form == "base64" else "float32",
            "shape": explanation.map.shape,
            "data": JsonText(_WRITERS[form](explanation.map)),
            "min": lowest,
            "max": highest,
        },
        "box": None if box is None else [round(edge, 2) for edge in box],
        "passes": explanation.passes,
        "completeness_gap": _finite(explanation.gap),
        "quality": None if explanation.quality is None else asdict(explanation.quality),
        "note": note(explanation),
    }


def picture(
    image: bytes, limits: Limits, seen: Seen, explanation: Explanation, style: Style
) -> bytes:
    """A PNG of the photo's map and box, with the photo or without.

    Of a signed map, what speaks for the class.

    Raises:
        ImageError: the photo cannot be decoded.
    """
    decoded = photo.decode(image, limits, longer=heatmap.MAX_SIDE)
    box, covered = _box(seen, explanation), decoded.place(seen.crop.box)
    return heatmap.draw(
        np.asarray(decoded.image),
        _speaking_for(explanation),
        covered,
        None if box is None else decoded.place(box),
        style,
    )


def note(explanation: Explanation) -> str | None:
    """What to know about this map."""
    if explanation.empty:
        return ALL_ZERO
    gap = explanation.gap
    if gap is None or gap <= WIDE_GAP:
        return None
    missed = f"by {gap:.1%}" if math.isfinite(gap) else "which is zero"
    return f"the map's sum misses the difference of score, {missed}: more steps come closer"


def _box(seen: Seen, explanation: Explanation) -> Box | None:
    """The box around the object, in the photo's pixels."""
    box = object_box(_speaking_for(explanation), explanation.coarse)
    return box and to_photo(box, explanation.map.shape, seen.crop.box)


def _speaking_for(explanation: Explanation) -> npt.NDArray[np.float32]:
    return np.maximum(explanation.map, 0) if explanation.signed else explanation.map


def _finite(gap: float | None) -> float | None:
    """JSON has no infinity."""
    return gap if gap is not None and math.isfinite(gap) else None


def _base64(values: npt.NDArray[np.float32]) -> bytes:
    """The map as half floats; scaled first, as gradients may be smaller than these can be."""
    largest = max(values.max(), -values.min()) or np.float32(1)
    halves = np.empty(values.shape, dtype="<f2")
    np.divide(values, largest, out=halves, casting="same_kind")
    return b'"%s"' % base64.b64encode(halves.data)


_WRITERS: Mapping[MapForm, Callable[[npt.NDArray[np.float32]], bytes | bytearray]] = {
    "numbers": number_grid.written,
    "base64": _base64,
}
