"""Which execution provider serves, and what is missing where one cannot.

ONNX Runtime quietly takes the CPU where a GPU's libraries are missing, so they are looked
for before a session is made, and the session is asked afterwards what it runs on.
"""

import ctypes
import logging
from collections.abc import Callable
from dataclasses import dataclass
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
    """

    provider: Provider
    options: tuple[tuple[str, dict[str, Any]], ...]

    @property
    def first(self) -> str:
        """ONNX Runtime's name of the first choice."""
        return self.options[0][0]


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


def _missing_driver() -> str | None:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda.so.1 is not found)"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return "the NVIDIA driver does not start"
    return None if count.value else "the NVIDIA driver finds no device"


def _missing_libraries(provider: Provider) -> str | None:
    """Load the provider's library as ONNX Runtime would, to hear what it lacks."""
    _preload()
    folder = Path(onnxruntime.__file__).parent / "capi"
    try:
        shared = folder / "libonnxruntime_providers_shared.so"
        ctypes.CDLL(str(shared), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(folder / f"libonnxruntime_providers_{provider}.so"))
    except OSError as error:
        remedy = (
            "install TensorRT" if "nvinfer" in str(error) else "pip install 'seewhy[gpu]' has them"
        )
        return f"{error} ({remedy})"
    return None


@cache
def _preload() -> None:
    """Load the CUDA and cuDNN libraries that pip installed, once a process."""
    onnxruntime.preload_dlls()
