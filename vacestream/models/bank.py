"""A long memory beside the window: a latent of every few chunks, chosen by the prompt (arXiv:2512.14699).

The bank stands in the slots in front of the window, newest entry first, so that what is filled of both is one
piece. A record enters when its chunk is done; when the bank is full, the entries that answer the prompt least
make room. Which, each layer decides for itself, on the device.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

TextKeys = Callable[[int], Tensor]
"""Layer -> the keys [B L k d] of the prompt in its cross-attention."""


@dataclass
class Bank:
    """How many chunks a bank of `size` latents has seen; what it holds are the first slots of the cache."""

    size: int
    interval: int
    """Chunks from one record to the next."""
    compress_every_chunk: bool = False
    record_every_chunk: bool = False
    num_chunks: int = 0

    @property
    def num_records(self) -> int:
        return (self.num_chunks + self.interval - 1) // self.interval

    @property
    def num_filled(self) -> int:
        return min(self.num_records, self.size)

    def chunk_done(self, layers: list[Tensor], slot: int, text_keys: TextKeys) -> None:
        """File the latent in a slot of layers [2 B slots n k d], if this chunk's turn has come."""
        due = self.num_chunks % self.interval == 0
        self.num_chunks += 1
        overflows = self.num_records > self.size
        if not (due or self.record_every_chunk or (overflows and self.compress_every_chunk)):
            return
        for index, layer in enumerate(layers):
            newest = layer[:, :, slot if due or self.record_every_chunk else self._place(-1)].clone()
            if overflows:
                self._compress(layer, text_keys(index).mean(dim=1))
            layer[:, :, self._place(-1)] = newest

    def state(self) -> dict[str, Any]:
        """What must be kept to go on from here, beside the slots."""
        return {"num_chunks": self.num_chunks}

    def take(self, state: dict[str, Any]) -> None:
        """Go on from a kept state."""
        self.num_chunks = state["num_chunks"]

    def _compress(self, layer: Tensor, text: Tensor) -> None:
        """Move all entries but the one that the text [B k d] asks for least to the front, best first."""
        places = torch.tensor([self._place(i) for i in range(self.size)], device=layer.device)
        entries = layer[:, :, places]
        scores = torch.einsum("bsnkd,bkd->s", entries[0].float(), text.float())
        best = scores.topk(self.size - 1).indices
        layer.index_copy_(2, places[:-1], entries.index_select(2, best))

    def _place(self, entry: int) -> int:
        """The slot of an entry, 0 = the first one filed, -1 = the last."""
        entry = entry if entry >= 0 else self.num_filled + entry
        return self.size - 1 - entry


def attend_to_best(q: Tensor, k: Tensor, v: Tensor, num_memory: int, top: int) -> tuple[Tensor, Tensor]:
    """Keys and values that each head sees: of the memory its `top` latents nearest to the query, all others.

    q [B n k d], k and v [B f n k d] with the memory in front -> k, v [B m k d].
    """
    memory = k[:, :num_memory]
    scores = torch.einsum("bkd,bfkd->bkf", q.float().mean(dim=1), memory.float().mean(dim=2))
    best = scores.topk(min(top, num_memory)).indices.sort(dim=-1).values
    index = best.transpose(1, 2)[:, :, None, :, None].expand(-1, -1, k.shape[2], -1, k.shape[4])
    picked = (torch.cat([x[:, :num_memory].gather(1, index), x[:, num_memory:]], dim=1) for x in (k, v))
    k, v = (x.flatten(1, 2) for x in picked)
    return k, v
