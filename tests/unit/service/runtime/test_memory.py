import mmap

import numpy as np
import pytest

from service.runtime import memory

MEBIBYTE = 2**20

pytestmark = pytest.mark.skipif(not memory.is_measurable(), reason="no /proc: not Linux")


def test_memory_that_is_written_to_is_resident() -> None:
    before = memory.resident()
    with mmap.mmap(-1, 64 * MEBIBYTE) as pages:
        assert memory.resident() - before < 16 * MEBIBYTE
        pages.write(b"x" * len(pages))
        assert memory.resident() - before > 48 * MEBIBYTE
    assert memory.resident() - before < 16 * MEBIBYTE


def test_freed_memory_leaves_the_process() -> None:
    before = memory.resident()
    # Blocks too small to be mapped each by itself, and one that keeps the heap from shrinking.
    blocks = [np.ones(64_000, dtype=np.uint8) for _ in range(1000)]
    last = np.ones(64_000, dtype=np.uint8)
    del blocks
    memory.trim()
    assert last.all()
    assert memory.resident() - before < 16 * MEBIBYTE
