"""What a running stream was told: judged, prepared, waiting for the chunk border where it holds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vacestream.live.region import Frames
from vacestream.live.verbs import Message
from vacestream.recipe import Recipe
from vacestream.vcu import Fading

SCHEMA = "vacestream.live/1"
Reply = Callable[[dict[str, Any]], None]
"""Takes an answer; called from any thread, comes back at once."""


def nobody(_answer: dict[str, Any]) -> None:
    """Hears of what comes from the timeline, which everyone is told of."""


@dataclass(frozen=True)
class Posted:
    """A message that was not judged yet."""

    message: Message
    reply: Reply
    keys: Callable[[Recipe], dict[str, Any]]
    """The keys that it changes in what holds then."""


@dataclass(frozen=True)
class Order:
    """A message that was accepted."""

    message: Message
    reply: Reply = nobody
    keys: dict[str, Any] = field(default_factory=dict)
    """Of the recipe, and what they become."""
    blend: int = 0
    """Chunks that a new prompt takes."""
    region: Frames | None = None
    """The new mask, opened."""

    @property
    def is_early(self) -> bool:
        """Whether it takes effect before the frames of its chunk are read."""
        return self.region is not None or "timeline" in self.keys or self.message.stop is not None


@dataclass(frozen=True)
class Fade:
    """A blend of prompts that has begun."""

    prompt: str
    """The one that it comes from."""
    chunk: int
    order: Order

    def at(self, chunk: int) -> Fading | None:
        """How far it is; None behind its end."""
        age, lasts = chunk - self.chunk, self.order.blend
        if age >= lasts:
            return None
        return Fading(self.prompt, (age + 1) / (lasts + 1), self.order.message.blend_by)
