"""Warped few-step flow matching: x_t = (1-s) x0 + s noise, v = noise - x0 (Self Forcing, 2506.08009)."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from vacestream.models.device import widest

NUM_TRAIN_STEPS = 1000

Noise = Callable[[int, int, tuple[int, ...]], Tensor]
"""(chunk index, step index, shape) -> standard normal noise."""


@dataclass(frozen=True)
class Schedule:
    """The steps of one chunk, as the model is told them, and the noise share of each."""

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]
    shift: float = 1.0

    def from_source(self, share: float, timestep: float) -> "Schedule":
        """The steps of a sample with this share of noise: first `timestep` is told, then those of less."""
        rest = [i for i, later in enumerate(self.timesteps) if i and later < NUM_TRAIN_STEPS * share]
        return Schedule(
            (timestep, *(self.timesteps[i] for i in rest)),
            (_nearest_sigma(timestep, self.shift), *(self.sigmas[i] for i in rest)),
            self.shift,
        )

    def denoise(self, x: Tensor, flow: Tensor, step: int) -> Tensor:
        """x0 of the sample x and the model's flow; in float64, for steps of little noise."""
        wide = widest(x.device)
        return (x.to(wide) - self.sigmas[step] * flow.to(wide)).to(x.dtype)

    def renoise(self, x0: Tensor, noise: Tensor, step: int) -> Tensor:
        """The sample that the given step starts from; float32 like the noise, then x0's dtype."""
        sigma = self.sigmas[step]
        return ((1 - sigma) * x0.float() + sigma * noise.float()).to(x0.dtype)


def make_schedule(steps: Sequence[float], shift: float, *, warp: bool) -> Schedule:
    """Steps 0..1000 on the shifted table; with warp, each is first pushed through it as in training."""
    if warp:
        warped = torch.cat([NUM_TRAIN_STEPS * _sigma_table(shift), torch.zeros(1)])
        steps = [warped[NUM_TRAIN_STEPS - int(step)].item() for step in steps]
    told = tuple(float(step) for step in steps)
    return Schedule(told, tuple(_nearest_sigma(step, shift) for step in told), shift)


def _nearest_sigma(timestep: float, shift: float) -> float:
    """The noise share of the training step that is nearest."""
    table = _sigma_table(shift)
    return float(table[((NUM_TRAIN_STEPS * table).double() - timestep).abs().argmin()])


@cache
def _sigma_table(shift: float) -> Tensor:
    """Noise share of the training steps, float32, descending from 1."""
    s = torch.linspace(1, 0, NUM_TRAIN_STEPS + 1)[:-1]
    return shift * s / (1 + (shift - 1) * s)


def seeded_noise(seed: int) -> Noise:
    """Noise that depends on (seed, chunk, step) alone, so that any chunk can be made again, on any device."""

    def draw(chunk: int, step: int, shape: tuple[int, ...]) -> Tensor:
        digest = hashlib.blake2b(f"{seed}/{chunk}/{step}".encode(), digest_size=8).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
        return torch.randn(shape, generator=generator)

    return draw
