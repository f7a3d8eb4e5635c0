"""What a stream holds does not grow with its length."""

import ctypes
import gc
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.clips import SIZE, pictures, scene
from tests.tiny import tiny_pipeline
from vacestream.condition import Pass
from vacestream.models.load import load_pipeline
from vacestream.pipelines import PIPELINES
from vacestream.stream import new_stream

MIB = 2**20


class Endless:
    """Footage without an end."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)

    def read(self, n: int) -> np.ndarray:
        return self.random.integers(0, 256, (n, *SIZE, 3), dtype=np.uint8)


def running(*parts: Endless, rope: str = "absolute") -> Iterator[object]:
    """A stream with a control (in a mask, on footage), references and prompt switches; one step a chunk."""
    pipe = tiny_pipeline(rope=rope, steps=(1000,))
    prompts = {0: "a red dog", 1: "a blue cat", 3: "two green birds"}
    passes = [Pass(*parts)]
    return new_stream(pipe, SIZE, 7)(scene(pipe.spec, passes, references=pictures(2), prompts=prompts))


def live_tensors() -> tuple[int, int]:
    """How many there are, and their bytes."""
    gc.collect()
    found = [item for item in gc.get_objects() if type(item) is torch.Tensor]
    return len(found), sum(item.untyped_storage().nbytes() for item in found)


@pytest.mark.parametrize("rope", ["absolute", "relative"])
def test_as_many_tensors_live_at_chunk_60_as_at_chunk_12(rope):
    made = running(Endless(), Endless(), Endless(), rope=rope)
    list(islice(made, 12))
    early = live_tensors()
    list(islice(made, 48))
    assert live_tensors() == early


def resident() -> int:
    """Bytes, without what the allocator holds free: its holes come and go by tens of MiB."""
    gc.collect()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads resident memory from /proc")
def test_on_sprites_chunk_300_holds_what_chunk_30_held():
    pipe = load_pipeline(PIPELINES["sprites"], torch.device("cpu"), torch.float32)
    footage = scene(pipe.spec, [Pass(Endless())], references=pictures(1), prompts={0: "a red star"})
    made = new_stream(pipe, SIZE, 7)(footage)
    list(islice(made, 30))
    early, tensors = resident(), live_tensors()
    list(islice(made, 270))
    assert live_tensors() == tensors
    assert resident() - early < 32 * MIB
