"""What the context blocks of a stream remember of the control before a chunk.

VACE's blocks were trained on clips (arXiv:2503.07598); chunk by chunk they would see each control cut up at
every border. So the keys and values of the latest latents stay, without places in time, and the tokens of a
chunk attend to them as to what came right before.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

KV = tuple[Tensor, Tensor]
"""Keys and values [B m k d] of one block."""


@dataclass
class ContextMemory:
    """K/V without places, by the place of their pass among the contexts, then block by block."""

    past: dict[int, list[KV]] = field(default_factory=dict)
    fresh: dict[int, dict[int, KV]] = field(default_factory=dict)
    """Of the chunk in work, from the latest call that each block ran in."""

    def begin(self) -> None:
        """A chunk begins; what one that failed has left is dropped."""
        self.fresh = {}

    def commit(self, num_tokens: int) -> None:
        """The chunk is done: it is what came last. A pass that rested in it remembers nothing."""
        self.past = {
            place: [
                _newest(old, blocks[index], num_tokens)
                for index, old in enumerate(self.past.get(place) or [None] * len(blocks))
            ]
            for place, blocks in self.fresh.items()
        }
        self.fresh = {}


def _newest(old: KV | None, new: KV, num_tokens: int) -> KV:
    """The last so many of both, in memory of their own."""
    k, v = (part[:, -num_tokens:] for part in new)
    room = num_tokens - k.shape[1]
    if old is None or not room:
        return k.clone(), v.clone()
    return torch.cat([old[0][:, -room:], k], dim=1), torch.cat([old[1][:, -room:], v], dim=1)
