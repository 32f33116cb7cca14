"""How far what is loaded after a model has begun to classify has come."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How far a graph or an index has come."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Status:
    """A state, and why it failed."""

    state: State
    reason: str | None = None
