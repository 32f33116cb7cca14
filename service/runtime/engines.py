"""TensorRT's engines, which take minutes to build, kept for the next start.

ONNX Runtime names an engine's file after the graph's structure, and not after its weights: two
models of one backbone would share an engine, and one of them answer wrongly. So each graph of
each bundle has a folder of its own, and so has whatever else an engine depends on. ONNX
Runtime's documentation asks for new ones when the model, the hardware, its own version or
TensorRT's change: https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html
"""

import ctypes
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnxruntime

from models.bundle import Bundle
from models.manifest import Graph
from service.runtime import caches, hardware
from service.runtime.providers import Device, Provider, library

logger = logging.getLogger(__name__)

TF32 = "NVIDIA_TF32_OVERRIDE"
"""With 0, NVIDIA's libraries do not round to TensorFloat-32; TensorRT knows no other way here."""


def tensorrt_version() -> int:
    """TensorRT's version as one number; its library is there, or no session would use it."""
    # What is looked up in a library is looked up in those that it needs, too.
    version: int = ctypes.CDLL(str(library(Provider.TENSORRT))).getInferLibVersion()
    return version


def remembering(
    device: Device,
    bundle: Bundle,
    graph: Graph,
    *,
    version: Callable[[], int] = tensorrt_version,
    name: Callable[[Device], str] = hardware.name,
) -> Device:
    """The device, which keeps the engines of a graph and finds them again.

    Only TensorRT has any; other devices stay as they are.

    Args:
        device: that will run the graph.
        bundle: the graph's.
        graph: one of the bundle's.
        version: tells TensorRT's.
        name: tells the graphics card's.
    """
    if device.provider is not Provider.TENSORRT:
        return device
    facts = {
        "files": dict(sorted(bundle.manifest.sha256.items())),
        "providers": [(each, _but_the_number(options)) for each, options in device.options],
        "device": name(device),
        "onnxruntime": onnxruntime.__version__,
        "tensorrt": version(),
        "tf32": os.environ.get(TF32),
    }
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
    for root in caches.folders(bundle):
        folder = root / f"tensorrt-{key}" / graph
        if _is_writable(folder):
            return device.with_options(device.first, _options(folder))
    logger.warning("TensorRT's engines are not kept, and will be built again at the next start")
    return device


def _but_the_number(options: dict[str, object]) -> dict[str, object]:
    """GPUs of one kind share their engines."""
    return {name: value for name, value in options.items() if name != "device_id"}


def _options(folder: Path) -> dict[str, object]:
    return {
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": str(folder),
    }


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        logger.info("engines cannot be kept in %s: %s", folder, error.strerror)
        return False
