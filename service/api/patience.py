"""How long a request may take: the service and its clients reckon alike."""

import math

_PASSES = 200
"""Of robustness checks; for so many each, the time of a request without checks is given once."""


def patience(passes: int, timeout_ms: int | None, plain: float) -> float:
    """After how many seconds an answer is of no use.

    Args:
        passes: the most that the checks of all its images may take.
        timeout_ms: what the request says itself, in milliseconds; None: nothing.
        plain: seconds that a request may take which has no checks and says nothing.
    """
    return max(1, math.ceil(passes / _PASSES)) * plain if timeout_ms is None else timeout_ms / 1000
