"""What the process takes of the machine."""

from pathlib import Path

import pytest

from vacestream.machine import take_peak_memory

LARGE = 256 << 20


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system resets no peak")
def test_a_peak_is_told_once():
    take_peak_memory()
    before = take_peak_memory()
    block = bytearray(LARGE)
    block[:: 1 << 12] = b"x" * (LARGE >> 12)
    del block
    assert take_peak_memory() > before + LARGE // 2
    assert take_peak_memory() < before + LARGE // 2
