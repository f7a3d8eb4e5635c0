"""Footage and scenes for tests: seeded noise that counts its reads, and the VCUs made from it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from vacestream.condition import Pass, Steering, make_vcus
from vacestream.pipelines import PipelineSpec
from vacestream.timeline import Chunk, chunks
from vacestream.vcu import AS_BEGUN, VCU, Manner

SIZE = (32, 32)


class Clip:
    """Given frames [T H W 3] as a source."""

    def __init__(self, frames: np.ndarray) -> None:
        self.frames, self.taken = frames, 0

    def read(self, n: int) -> np.ndarray:
        frames = self.frames[self.taken : self.taken + n]
        self.taken += len(frames)
        return frames


def noise(num_frames: int, seed: int = 0) -> np.ndarray:
    """[T H W 3] uint8, every frame another."""
    return np.random.default_rng(seed).integers(0, 256, (num_frames, *SIZE, 3), dtype=np.uint8)


def moving_mask(num_frames: int) -> np.ndarray:
    """[T H W 3]: a white square of 16 pixels that moves one pixel a frame to and fro."""
    frames = np.zeros((num_frames, *SIZE, 3), np.uint8)
    for i, frame in enumerate(frames):
        left = abs((i + 16) % 32 - 16)
        frame[8:24, left : left + 16] = 255
    return frames


def pictures(count: int) -> tuple[Tensor, ...]:
    """References [3 H W]."""
    generator = torch.Generator().manual_seed(5)
    return tuple(torch.rand(3, *SIZE, generator=generator) * 2 - 1 for _ in range(count))


def control_passes(num_frames: int) -> list[Pass]:
    return [Pass(control=Clip(noise(num_frames, 1)))]


def masked_passes(num_frames: int) -> list[Pass]:
    """A control inside a moving mask, footage around it."""
    parts = noise(num_frames, 1), noise(num_frames, 2), moving_mask(num_frames)
    return [Pass(*(Clip(part) for part in parts))]


def scene(
    spec: PipelineSpec,
    passes: list[Pass],
    *,
    num_frames: int | None = None,
    references: tuple[Tensor, ...] = (),
    prompts: Mapping[int, str] | None = None,
    scales: Mapping[int, float] | None = None,
    source: Clip | None = None,
    strength: float = 1.0,
    skip: int = 0,
    manners: Mapping[int, Manner] | None = None,
) -> Iterator[tuple[Chunk, VCU]]:
    """The VCUs from chunk `skip` on; prompts, scales and manners hold from the chunk that they stand at.

    A reset is of that chunk alone.
    """
    prompts, scales = prompts or {0: "a red dog"}, scales or {0: 1.0}
    manners = {0: AS_BEGUN} | dict(manners or {})

    def steer(chunk: Chunk) -> Steering:
        prompt, scale, manner = (
            told[max(at for at in told if at <= chunk.index)] for told in (prompts, scales, manners)
        )
        manner = manner if chunk.index in manners else replace(manner, reset=None)
        return Steering(prompt, references, scale, strength, manner=manner)

    return islice(make_vcus(chunks(spec, num_frames), passes, steer, SIZE, source=source), skip, None)
