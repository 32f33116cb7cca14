"""How busy the NVIDIA GPUs are, and how full."""

from dataclasses import dataclass

import pynvml


@dataclass(frozen=True)
class GpuState:
    """One GPU: memory in bytes, and the share of the last moments in which it computed, 0 to 1.

    A part of a GPU (MIG) does not tell its share.
    """

    index: int
    memory_used: int
    memory_total: int
    utilization: float | None


def read_gpus() -> list[GpuState]:
    """The state of every GPU that the driver shows; none where there is no driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_state(index) for index in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()


def _state(index: int) -> GpuState:
    device = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(device)
    try:
        utilization = pynvml.nvmlDeviceGetUtilizationRates(device).gpu / 100
    except pynvml.NVMLError_NotSupported:
        utilization = None
    return GpuState(index, memory.used, memory.total, utilization)
