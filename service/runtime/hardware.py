"""What the machine is called and how many cores this process may use."""

import ctypes
import os
import platform
from pathlib import Path

from service.runtime.providers import Device, Provider

_CPUINFO = Path("/proc/cpuinfo")


def cores() -> int:
    """Processor cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def name(device: Device) -> str:
    """The processor's or graphics card's name, as its maker gives it."""
    return _processor() if device.provider is Provider.CPU else _graphics_card(device.number)


def _processor() -> str:
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _graphics_card(number: int) -> str:
    """The name of a CUDA device; the driver is there, or no session would run on it."""
    driver = ctypes.CDLL("libcuda.so.1")
    text, handle = ctypes.create_string_buffer(256), ctypes.c_int()
    driver.cuInit(0)
    driver.cuDeviceGet(ctypes.byref(handle), number)
    driver.cuDeviceGetName(text, len(text), handle)
    return text.value.decode(errors="replace")
