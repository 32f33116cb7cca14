"""Random choices that depend on what they are for, not on what was drawn before."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What is drawn."""

    ORDER = 1
    IMAGE = 2
    STEP = 3
    SWEEP = 4


def generator(purpose: Purpose, *numbers: int) -> np.random.Generator:
    """A generator of its own for these numbers, none negative."""
    return np.random.default_rng([purpose, *numbers])


CPU = torch.device("cpu")


@contextmanager
def seeded(purpose: Purpose, *numbers: int, device: torch.device = CPU) -> Iterator[None]:
    """Within, torch's global generators start from these numbers; after, they are as before.

    So a run that is taken up again draws what it would have drawn, and so does each image,
    whichever process prepares it. The CPU's generator is meant, and that of the device.
    """
    seed = int(generator(purpose, *numbers).integers(2**63))
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        # torch.manual_seed looks at every kind of device, which takes longer than an image.
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield
