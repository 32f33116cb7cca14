"""The memory of this process, as Linux and the GNU C library account for it."""

import ctypes
import os
from pathlib import Path

_STATM = Path("/proc/self/statm")


def is_measurable() -> bool:
    """Whether this system tells how much memory a process has."""
    return _STATM.is_file()


def resident() -> int:
    """Memory of this process that is in the machine's memory now, in bytes."""
    pages = int(_STATM.read_bytes().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def trim() -> None:
    """Give freed memory back to the system, where the C library else keeps most of it.

    Of 320 MB of a closed model, it kept 190 to 310.
    """
    release = getattr(ctypes.CDLL(None), "malloc_trim", None)  # GNU's alone has it
    if release is not None:
        release(0)
