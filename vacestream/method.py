"""What joining VACE to a causal base leaves open, chosen for a chunk or a whole stream (arXiv:2503.07598)."""

from dataclasses import dataclass
from typing import Literal

Frames = Literal["hints", "sink", "prefix"]


@dataclass(frozen=True)
class Method:
    """The choices, of which a recipe's `vace:` has the same."""

    commit_hints: bool = True
    """Hints also in the passes over clean latents, whose keys and values stay in the cache."""
    reference_guidance: float = 1.0
    """How many times as far from the flow without references each step goes."""
    references: Frames | None = None
    """Beside hints: nothing, frames without noise, or frames as noisy as the chunk; None: as the row."""
    memory: int = 0
    """Latents before the chunk whose control the context blocks still see."""


PLAIN = Method()
