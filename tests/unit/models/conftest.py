"""A bundle small enough to make for every test, and a writer of any PNG."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models import bundle
from models.bundle import Bundle

Fields = dict[str, Any]


@pytest.fixture
def fields() -> Fields:
    """A valid manifest's fields, less sha256."""
    return {
        "name": "tiny",
        "version": 1,
        "labels": ["cat", "dog"],
        "preprocessing": {
            "resize": 32,
            "crop": [28, 28],
            "resampling": "bilinear",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
        },
        "graphs": {
            "model": {
                "inputs": [{"name": "image", "dtype": "uint8", "shape": ["N", 28, 28, 3]}],
                "outputs": [{"name": "logits", "dtype": "float32", "shape": ["N", 2]}],
            }
        },
        "opset": 18,
        "precision": "fp32",
        "tolerances": {"logits": 1e-4, "gradient_cosine": 0.999},
        "explained_layer": None,
        "default_explanation": None,
        "provenance": {
            "backbone": "linear",
            "weights": "random",
            "licence": "Apache-2.0",
            "created_by": "a test",
            "parameters": 4706,
            "seed": 0,
            "libraries": {},
        },
        "metrics": {},
        "calibration": None,
        "squeezing": None,
    }


@pytest.fixture
def stage(tmp_path: Path, fields: Fields) -> Callable[..., Bundle]:
    """Writes a finished bundle outside of any repository."""

    def stage(*, weights: bytes = b"weights", **changes: object) -> Bundle:
        number = len(list(tmp_path.glob("staged-*")))
        directory = tmp_path / f"staged-{number}"
        directory.mkdir()
        (directory / "model.onnx").write_bytes(b"graph")
        (directory / bundle.WEIGHTS).write_bytes(weights)
        (directory / bundle.GOLDEN).write_bytes(b"golden")
        return bundle.write_manifest(directory, fields | changes)

    return stage


@pytest.fixture
def png() -> Callable[..., bytes]:
    """Writes a PNG of any bit depth and colour type from filtered rows, be they too few."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    def png(
        width: int, height: int, depth: int, colour: int, rows: bytes, *, transparent: bytes = b""
    ) -> bytes:
        header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
        return (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + (chunk(b"tRNS", transparent) if transparent else b"")
            + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b"")
        )

    return png
