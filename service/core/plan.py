"""How a graph is run: what is quickest differs by model and device, so it is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """`sessions` run at once, each with `threads` (0: one a core), `batch` rows at most."""

    sessions: int
    threads: int
    batch: int
