"""What is known of a request while it is answered, for its log line and its metrics."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from fastapi import Request
from starlette.types import Scope

_KEY = "exchange"


@dataclass(slots=True)
class Exchange:
    """One request and its answer.

    `started` is a time of `time.perf_counter`; `outcome` is ok, or the name of the error;
    `model` answers, once it is known; `stages` are seconds by stage, summed over the images;
    `at_end` holds what the request uses, to be given back.
    """

    request_id: str
    started: float = field(default_factory=time.perf_counter)
    model: str = ""
    outcome: str = "ok"
    stages: dict[str, float] = field(default_factory=dict)
    at_end: ExitStack = field(default_factory=ExitStack)

    def put(self, scope: Scope) -> None:
        """Make it the one of the request that has this scope."""
        scope[_KEY] = self


def of(request: Request) -> Exchange:
    """The exchange that a request belongs to."""
    found = request.scope[_KEY]
    assert isinstance(found, Exchange)  # noqa: S101  # set by `observation`
    return found
