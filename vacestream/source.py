"""How much noise the input's own latents get before a chunk starts from them (arXiv:2511.07399)."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

NUM_TRAIN_STEPS = 1000
MOTION_RANGE = 0.2
"""Root mean square of what changes from frame to frame, pixels -1..1, that counts as full motion."""
MOTION_WEIGHT = 0.1
"""Noise that full motion takes away."""
INERTIA = 0.1
"""Of the share of noise, from chunk to chunk."""
TOLD_LESS = 100
"""The model is told this much less than the noise that there is."""


class NoiseRule(Protocol):
    """How much noise each chunk of a stream starts from."""

    strength: float
    """0.0 to 1.0; may change from chunk to chunk."""

    def push(self, pixels: Tensor) -> tuple[float, float]:
        """The next chunk's frames [T 3 H W] -> its share of noise, and what its first step is told."""

    def state(self) -> dict[str, Any]:
        """What must be kept to go on from here."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a kept state."""


@dataclass
class SteadyRule:
    """The same noise for every chunk."""

    strength: float

    def push(self, pixels: Tensor) -> tuple[float, float]:
        """The share is the strength, and is what is told."""
        return self.strength, NUM_TRAIN_STEPS * self.strength

    def state(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Nothing to do."""


@dataclass
class MotionRule:
    """Less noise where the input moves, so that the output follows it."""

    strength: float
    share: float | None = None
    """Of the chunk before; None before the first."""
    last: Tensor = field(default_factory=lambda: torch.empty(0))  # [1 3 H W]

    def push(self, pixels: Tensor) -> tuple[float, float]:
        """The share follows the largest change between two frames; the first chunk has the strength."""
        seen = torch.cat([self.last.to(pixels), pixels])
        if self.share is None:
            self.share = self.strength
        else:
            change = (seen[1:] - seen[:-1]).square().flatten(1).mean(dim=1).sqrt().max().item()
            motion = min(change / MOTION_RANGE, 1.0)
            aim = self.strength - MOTION_WEIGHT * motion
            self.share = (1 - INERTIA) * aim + INERTIA * self.share
        self.last = pixels[-1:].clone()
        return self.share, float(max(0, int(NUM_TRAIN_STEPS * self.share) - TOLD_LESS))

    def state(self) -> dict[str, Any]:
        """What must be kept to go on from here."""
        return {"share": self.share, "last": self.last}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a kept state."""
        vars(self).update(state)
