"""The processes that train together, and the device that this one computes on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import distributed

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Processes:
    """This process's `rank` among `count`, and its device."""

    rank: int
    count: int
    device: torch.device

    @classmethod
    def alone(cls) -> "Processes":
        """This one, on a GPU where there is one."""
        return cls(0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))

    @property
    def first(self) -> bool:
        """Whether this one speaks, and writes files."""
        return self.rank == 0

    def total(self, own: float) -> float:
        """The sum of the numbers that the processes have."""
        if self.count == 1:
            return own
        found = torch.tensor(own, dtype=torch.float64, device=self.device)
        distributed.all_reduce(found)
        return float(found)

    def agreed(self, choice: Choice) -> Choice:
        """What the first process has chosen."""
        choices = [choice]
        if self.count > 1:
            distributed.broadcast_object_list(choices)
        return choices[0]

    def gathered(self, own: npt.NDArray[np.float32], total: int) -> npt.NDArray[np.float32]:
        """The rows of all processes in order, where each has made every `count`-th: [total, K]."""
        if self.count == 1:
            return own
        parts: list[npt.NDArray[np.float32]] = [own] * self.count
        distributed.all_gather_object(parts, own)
        whole = np.empty((total, *own.shape[1:]), dtype=own.dtype)
        for rank, part in enumerate(parts):
            whole[rank :: self.count] = part
        return whole


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes that `torchrun` started, while they train; else this one alone.

    On GPUs they speak by NCCL, each on its own; on CPUs by Gloo.
    """
    if "WORLD_SIZE" not in os.environ:
        yield Processes.alone()
        return
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        distributed.destroy_process_group()
