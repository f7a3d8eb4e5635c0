"""Where the next latent goes when the window is full and the sink may be renewed (arXiv:2511.07399).

Round the slots behind the sink; but a latent that hardly resembles one of the sink's takes that one's place.
Every layer decides for itself, on the device: the host never waits.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

DEPTH = 64
"""Renewals that can wait in a layer; more than one waits only where a fault of the reference is replayed."""


class Ring:
    """The order in which the slots of each layer are overwritten."""

    def __init__(self, layers: int, window: int, fixed: int, threshold: float, device: torch.device) -> None:
        self.window, self.fixed, self.threshold = window, fixed, threshold
        zeros = torch.zeros(layers, dtype=torch.long, device=device)
        self.waiting = zeros[:, None].repeat(1, DEPTH)  # sink slots to be renewed, next first
        self.num_waiting, self.turn, self.taken = zeros.clone(), zeros.clone(), zeros.clone()

    def ask(self, layer: int, sink: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor]) -> None:
        """Queue the slot of the sink's K/V [B s n k d] that the new latent's [B n k d] are least like, if so.

        Likeness is the cosine of the means over tokens, the mean of that of keys and of values.
        """
        cosines = [
            F.cosine_similarity(
                old.float().mean(dim=2).flatten(2), one.float().mean(dim=1).flatten(1)[:, None], -1
            )
            for old, one in zip(sink, new, strict=True)
        ]
        least, slot = torch.stack(cosines).mean(dim=(0, 1)).min(dim=0)
        queued = torch.cat([slot[None], self.waiting[layer, :-1]])
        self.waiting[layer] = torch.where(least < self.threshold, queued, self.waiting[layer])
        self.num_waiting[layer] += least < self.threshold

    def peek(self, layer: int) -> Tensor:
        """[1]: the slot that is next."""
        turn = self.fixed + self.turn[layer] % (self.window - self.fixed)
        return torch.where(self.num_waiting[layer] > 0, self.waiting[layer, 0], turn)[None]

    def take(self, layer: int) -> Tensor:
        """[1]: the slot that is next; it counts as overwritten."""
        self.taken[layer] = self.peek(layer)[0]
        waited = self.num_waiting[layer] > 0
        self.waiting[layer] = torch.where(waited, self.waiting[layer].roll(-1), self.waiting[layer])
        self.num_waiting[layer] -= waited.long()
        self.turn[layer] += (~waited).long()
        return self.taken[layer, None]

    def state(self) -> dict[str, Any]:
        """What must be kept to go on from here."""
        return {name: getattr(self, name).clone() for name in ("waiting", "num_waiting", "turn", "taken")}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a kept state."""
        vars(self).update({name: tensor.clone() for name, tensor in state.items()})
