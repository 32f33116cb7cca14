"""Which execution provider serves, and what is missing where one cannot.

ONNX Runtime quietly takes the CPU where a GPU's libraries are missing, so they are looked
for before a session is made, and the session is asked afterwards what it runs on.
"""

import ctypes
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import onnxruntime

from models.errors import ProviderUnavailable

logger = logging.getLogger(__name__)


class Provider(StrEnum):
    """What a user asks for."""

    AUTO = "auto"
    CUDA = "cuda"
    TENSORRT = "tensorrt"
    CPU = "cpu"


@dataclass(frozen=True)
class Device:
    """A provider that was found to work, with what it falls back on for single operators.

    `provider` is never `AUTO`. `options` are ONNX Runtime's providers, first choice first.
    `number` is the GPU's, as CUDA counts those that this process may use.
    """

    provider: Provider
    options: tuple[tuple[str, dict[str, Any]], ...]
    number: int = 0

    @property
    def first(self) -> str:
        """ONNX Runtime's name of the first choice."""
        return self.options[0][0]

    def on(self, number: int) -> "Device":
        """The same provider on another GPU."""
        options = tuple(
            (name, {**given, "device_id": number} if name != _CPU[0] else given)
            for name, given in self.options
        )
        return Device(self.provider, options, number)

    def with_options(self, name: str, options: Mapping[str, Any]) -> "Device":
        """The same device with more options of one of its providers."""
        extended = tuple(
            (each, {**given, **options} if each == name else given) for each, given in self.options
        )
        return replace(self, options=extended)


_CPU: tuple[str, dict[str, Any]] = ("CPUExecutionProvider", {})
# TensorFloat-32 rounds to 10 bits: its logits are outside the golden tolerance of fp32.
_CUDA: tuple[str, dict[str, Any]] = ("CUDAExecutionProvider", {"use_tf32": 0})
_TENSORRT: tuple[str, dict[str, Any]] = ("TensorrtExecutionProvider", {})

_OPTIONS = {
    Provider.CPU: (_CPU,),
    Provider.CUDA: (_CUDA, _CPU),
    Provider.TENSORRT: (_TENSORRT, _CUDA, _CPU),
}


def missing_for(provider: Provider) -> str | None:
    """What this machine lacks for a provider, in words; None where nothing is missing."""
    if provider is Provider.CPU:
        return None
    name = _OPTIONS[provider][0][0]
    if name not in onnxruntime.get_available_providers():
        return f"this build of onnxruntime has no {name}: install onnxruntime-gpu"
    return _missing_driver() or _missing_libraries(provider)


def choose(asked: Provider, missing: Callable[[Provider], str | None] = missing_for) -> Device:
    """Turn what was asked for into a device.

    `auto` takes CUDA where nothing is missing, else the CPU, and logs which and why.

    Args:
        asked: the provider.
        missing: says what a provider lacks.

    Raises:
        ProviderUnavailable: the provider that was asked for cannot work here.
    """
    if asked is Provider.AUTO:
        lacking = missing(Provider.CUDA)
        chosen = Provider.CUDA if lacking is None else Provider.CPU
        reason = "a CUDA device was found" if lacking is None else f"no CUDA: {lacking}"
        logger.info("provider auto: chose %s (%s)", chosen, reason)
        return Device(chosen, _OPTIONS[chosen])
    lacking = missing(asked)
    if lacking is not None:
        raise ProviderUnavailable(f"provider {asked} is not available: {lacking}")
    return Device(asked, _OPTIONS[asked])


def every(device: Device, count: Callable[[], int] | None = None) -> list[Device]:
    """A device for each GPU that this process may use; a CPU is one.

    `CUDA_VISIBLE_DEVICES` says which those are, to the driver itself.

    Args:
        device: from `choose`.
        count: how many GPUs there are; the driver is asked if left out.

    Raises:
        ProviderUnavailable: the driver does not answer any more.
    """
    if device.provider is Provider.CPU:
        return [device]
    return [device.on(number) for number in range((count or gpu_count)())]


def gpu_count() -> int:
    """The GPUs that this process may use, at least one.

    Raises:
        ProviderUnavailable: there is none, or no driver.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError as error:
        raise ProviderUnavailable("no NVIDIA driver (libcuda.so.1 is not found)") from error
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        raise ProviderUnavailable("the NVIDIA driver does not start")
    if not count.value:
        raise ProviderUnavailable("the NVIDIA driver finds no device")
    return count.value


def _missing_driver() -> str | None:
    try:
        gpu_count()
    except ProviderUnavailable as error:
        return str(error)
    return None


def _missing_libraries(provider: Provider) -> str | None:
    """Load the provider's library as ONNX Runtime would, to hear what it lacks."""
    _preload()
    try:
        ctypes.CDLL(str(_library("shared")), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(library(provider)))
    except OSError as error:
        remedy = (
            "install TensorRT" if "nvinfer" in str(error) else "pip install 'seewhy[gpu]' has them"
        )
        return f"{error} ({remedy})"
    return None


def library(provider: Provider) -> Path:
    """The file of ONNX Runtime that has a provider for GPUs, and needs its vendor's libraries."""
    return _library(provider)


def _library(name: str) -> Path:
    return Path(onnxruntime.__file__).parent / "capi" / f"libonnxruntime_providers_{name}.so"


@cache
def _preload() -> None:
    """Load the CUDA and cuDNN libraries that pip installed, once a process."""
    onnxruntime.preload_dlls()
