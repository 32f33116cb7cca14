"""In a process of its own: in a test run, the threads of other tests come and go."""

import subprocess
import sys

import pytest

from service.runtime import memory

pytestmark = pytest.mark.skipif(not memory.is_measurable(), reason="no /proc: not Linux")

BEGIN = """
import mmap

import numpy as np

from service.runtime import memory

MEBIBYTE = 2**20
before = memory.resident()
"""

WRITTEN = """
with mmap.mmap(-1, 64 * MEBIBYTE) as pages:
    assert memory.resident() - before < 16 * MEBIBYTE
    pages.write(b"x" * len(pages))
    assert memory.resident() - before > 48 * MEBIBYTE
assert memory.resident() - before < 16 * MEBIBYTE
"""

FREED = """
# Blocks too small to be mapped each by itself, and one that keeps the heap from shrinking.
blocks = [np.ones(64_000, dtype=np.uint8) for _ in range(1000)]
last = np.ones(64_000, dtype=np.uint8)
del blocks
memory.trim()
assert last.all()
assert memory.resident() - before < 16 * MEBIBYTE
"""


@pytest.mark.parametrize("program", [WRITTEN, FREED], ids=["written", "freed"])
def test_memory_is_resident_while_it_is_in_use(program: str) -> None:
    subprocess.run([sys.executable, "-c", BEGIN + program], check=True, timeout=60)
