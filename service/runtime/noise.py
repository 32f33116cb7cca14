"""Gaussian noise drawn by the device that runs the graphs; the images stay in its memory.

`noise.onnx` is `image + sigma * RandomNormalLike(zeros)`, and ONNX Runtime has CUDA kernels of all
its operators. An operator's seed is an attribute: each certificate has a session of its own, whose
generator begins with its seed.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from service.core.noise import Draw, Noise, on_host
from service.runtime.errors import translated
from service.runtime.providers import Device, Provider

GRAPH = Path(__file__).with_name("noise.onnx")

PLACEHOLDER = 1234567.0
"""The seed in that file, in whose place the right one is written."""

_SEEDS = 2**23
"""The attribute is a float32, which holds larger integers only in part."""


@dataclass(frozen=True, eq=False)
class Held:
    """A batch in a device's memory; NumPy can have a copy."""

    value: onnxruntime.OrtValue

    def __len__(self) -> int:
        """The number of rows."""
        return int(self.value.shape()[0])

    def __array__(self, dtype: Any = None, *, copy: Any = None) -> npt.NDArray[Any]:
        """The copy."""
        del copy  # there is no other way
        return np.asarray(self.value.numpy(), dtype=dtype)


def source(device: Device) -> Noise:
    """What draws noise for a device's sessions.

    For a CPU that is NumPy: ONNX Runtime's own generator there begins again after 2^31 numbers.
    """
    return on_host if device.provider is Provider.CPU else partial(on_device, device)


def on_device(device: Device, image: npt.NDArray[np.float32], sigma: float, seed: int) -> Draw:
    """Draw by ONNX Runtime; see `Noise`. Seeds count modulo 2^23.

    Raises:
        RuntimeFailure: ONNX Runtime failed.
        OutOfMemory: the device has not got the memory.
    """
    content = GRAPH.read_bytes().replace(_packed(PLACEHOLDER), _packed(1 + seed % _SEEDS))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with translated():
        session = onnxruntime.InferenceSession(content, options, providers=_providers(device))

    def draw(count: int) -> Held:
        binding = session.io_binding()
        with translated():
            binding.bind_cpu_input("image", image[np.newaxis])
            binding.bind_cpu_input("sigma", np.array([sigma], dtype=np.float32))
            binding.bind_cpu_input("shape", np.array([count, *image.shape], dtype=np.int64))
            binding.bind_output("noisy", _memory(device), device.number)
            session.run_with_iobinding(binding)
            return Held(binding.get_outputs()[0])

    return draw


def _packed(seed: float) -> bytes:
    return struct.pack("<f", seed)


def _providers(device: Device) -> Sequence[tuple[str, dict[str, Any]]]:
    """The device's but for TensorRT, which would build an engine for each certificate."""
    return [each for each in device.options if each[0] != "TensorrtExecutionProvider"]


def _memory(device: Device) -> str:
    return "cpu" if device.provider is Provider.CPU else "cuda"
