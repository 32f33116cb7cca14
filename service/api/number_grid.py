"""A grid of numbers as JSON text, written all at once."""

import math
from functools import cache

import numpy as np
import numpy.typing as npt

_DIGITS = 5
_LARGEST = 10**_DIGITS


def written(values: npt.NDArray[np.floating]) -> bytes:
    """Rows of numbers, to 5 significant digits of the largest: `[[0.01230,-0.34013], ...]`.

    All have the same exponent, so each looks up its digits in a table: a tenth of the time that a
    writer of single numbers takes for a map of 224 x 224.

    Args:
        values: [H, W], finite.
    """
    largest = max(float(values.max()), -float(values.min()))
    exponent = 1 + math.floor(math.log10(largest)) if largest > 0 else 0
    counts = np.rint(values.astype(np.float64) * 10.0 ** (_DIGITS - exponent)).astype(np.intp)
    end = b"e%d," % exponent if exponent else b","
    cells = np.empty(values.shape, dtype=[("number", np.uint64), ("end", f"S{len(end)}")])
    cells["number"] = _numerals()[counts]
    cells["end"] = end
    text = np.empty((len(values), 1 + cells.strides[0] + 1), dtype=np.uint8)
    text[:, 0] = ord("[")
    text[:, 1:-1] = cells.view(np.uint8)
    text[:, -2] = ord("]")  # for the comma after the row's last number
    text[:, -1] = ord(",")
    text[-1, -1] = ord("]")
    return b"[" + text.tobytes()


@cache
def _numerals() -> npt.NDArray[np.uint64]:
    """The eight characters of each whole number over 100,000, from 0 to 1, then from -1 up.

    So a negative number's place is found from the end, as Python counts.
    """
    powers = 10 ** np.arange(_DIGITS, -1, -1)
    digits = ord("0") + np.arange(_LARGEST + 1)[:, np.newaxis] // powers % 10
    characters = np.full((_LARGEST + 1, 3 + _DIGITS), ord(" "), dtype=np.uint8)
    characters[:, 1] = digits[:, 0]
    characters[:, 2] = ord(".")
    characters[:, 3:] = digits[:, 1:]
    negative = characters[:0:-1].copy()
    negative[:, 0] = ord("-")
    return np.concatenate([characters, negative]).view(np.uint64)[:, 0]
