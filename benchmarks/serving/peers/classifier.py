"""What every peer serves: the same ONNX file behind Pillow, as one would write it by hand."""

import os
from io import BytesIO
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

RESIZE, CROP = 256, 224


def open_session() -> onnxruntime.InferenceSession:
    """The graph that `MODEL` names, with one thread: requests are what runs in parallel."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        os.environ["MODEL"], options, providers=["CPUExecutionProvider"]
    )


def decode(photo: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8 [1, 224, 224, 3]: the shorter side resized to 256, the centre cut out."""
    with Image.open(BytesIO(photo)) as image:
        rgb = image.convert("RGB")
    scale = RESIZE / min(rgb.size)
    width, height = round(rgb.width * scale), round(rgb.height * scale)
    left, top = (width - CROP) // 2, (height - CROP) // 2
    resized = rgb.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + CROP, top + CROP)))[np.newaxis]


def answer(logits: np.ndarray[Any, np.dtype[np.float32]]) -> dict[str, list[float]]:
    """The five most probable classes."""
    powers = np.exp(logits - logits.max())
    top = np.argsort(-logits)[:5]
    return {"classes": top.tolist(), "probabilities": (powers[top] / powers.sum()).tolist()}
