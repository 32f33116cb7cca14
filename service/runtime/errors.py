"""ONNX Runtime's errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from onnxruntime.capi import onnxruntime_pybind11_state as native

from models.errors import OutOfMemory, RuntimeFailure

# The binding's errors share no base; the package's Python code raises the first two.
_FAILURES: tuple[type[Exception], ...] = (
    ValueError,
    RuntimeError,
    *(
        kind
        for kind in vars(native).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ),
)

# What its arena, CUDA and cuBLAS say where memory is short; there is no code of its own.
_EXHAUSTED = ("Failed to allocate memory", "out of memory", "ALLOC_FAILED")


@contextmanager
def translated() -> Iterator[None]:
    """Turn what ONNX Runtime raises into our errors.

    Raises:
        RuntimeFailure: ONNX Runtime refused its inputs or failed.
        OutOfMemory: the device has not got the memory.
    """
    try:
        yield
    except _FAILURES as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        exhausted = any(words in str(error) for words in _EXHAUSTED)
        kind = OutOfMemory if exhausted else RuntimeFailure
        raise kind(f"ONNX Runtime: {first_line}") from error
