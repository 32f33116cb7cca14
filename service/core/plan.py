"""How a graph is run: what is quickest differs by model and device, so it is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """On each device, `sessions` run at once, with `threads` each (0: one a core).

    Each runs `batch` rows at most. Where a plan `decodes`, so do the threads that run its
    sessions: decoding takes the same cores, and to hand an image on would only cost.
    """

    sessions: int
    threads: int
    batch: int
    decodes: bool = False


def batch_sizes(most: int) -> list[int]:
    """The batches worth telling apart: powers of two up to `most` rows, and `most`, ascending."""
    return sorted({2**power for power in range(most.bit_length())} | {most})
