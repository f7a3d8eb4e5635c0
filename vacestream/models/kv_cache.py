"""The self-attention memory of one stream: a slot table that is overwritten in place.

Slots 0..sink-1 hold the attention sink, the others the latest latents. Which latent stands in which slot is
kept on the host and decided once a chunk; keys have no order for attention, RoPE gives their place.
The published references roll the buffer instead (LongLive, arXiv:2509.22622); both attend the same set.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from vacestream.models.attention import Rope, apply_rope, attend, make_rope


class Attend(Protocol):
    """Self-attention of one block: un-roped q, k, v [B n k d] of the chunk -> [B n k d]."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor: ...


class Memory(Protocol):
    """What the blocks of one model call attend to."""

    def layer(self, index: int) -> Attend: ...


@dataclass(frozen=True)
class CacheShape:
    """Sizes that never change during a stream; lengths in latents."""

    layers: int
    heads: int
    head_dim: int
    grid: tuple[int, int]  # tokens of a latent (height, width)
    window: int
    sink: int = 0
    rope: Literal["absolute", "relative"] = "absolute"
    attend_unfilled_sink: bool = False
    freeze_noisy_sink: bool = False

    def __post_init__(self) -> None:
        if self.window <= self.sink:
            raise ValueError(f"a window of {self.window} latents leaves no room beside a sink of {self.sink}")


@dataclass(frozen=True)
class _Access:
    """What the passes of one chunk read and write: made on the host once, the same for every layer."""

    slots: Tensor  # [m] slot that each written latent goes to
    rows: Tensor | None  # [m] which latents of the chunk are written; None: all
    num_read: int  # slots 0..num_read-1 are attended
    q_rope: Rope
    k_rope: Rope  # of the chunk (absolute) or of the slots read (relative)


class KVCache:
    """Keys and values [B slots n k d] of every layer, and the table of which latent stands where."""

    def __init__(
        self,
        shape: CacheShape,
        *,
        batch: int = 1,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.shape = shape
        self.device = device or torch.device("cpu")
        self.dtype = dtype
        tokens = shape.grid[0] * shape.grid[1]
        size = (2, batch, shape.window, tokens, shape.heads, shape.head_dim)
        self.layers = [torch.zeros(size, device=self.device, dtype=dtype) for _ in range(shape.layers)]
        self.latents: list[int | None] = [None] * shape.window
        """The latent (counted from the start of the stream) in each slot."""
        self._access: _Access | None = None
        self._kept: tuple[list[int | None], Tensor, list[Tensor]] | None = None

    def begin(self, first: int, count: int) -> None:
        """Choose slots for the latents first..first+count-1; keep aside what stood there until `commit`."""
        free = sum(latent is None or slot >= self.shape.sink for slot, latent in enumerate(self.latents))
        if count > free:
            raise ValueError(f"{count} latents do not fit the window {self.shape}")
        before = list(self.latents)
        slots = [self._claim(latent) for latent in range(first, first + count)]
        index = self._index(slots)
        self._kept = before, index, [layer.index_select(2, index) for layer in self.layers]
        self._access = self._plan(range(first, first + count), range(count), slots)

    def repeat(self) -> None:
        """The chunk is passed again: its latents are overwritten where they stand."""
        if not self.shape.freeze_noisy_sink:
            return
        chunk = self._chunk()
        rows = [
            i
            for i, latent in enumerate(chunk)
            if chunk[0] == 0 or self.latents.index(latent) >= self.shape.sink
        ]
        self._access = self._plan(chunk, rows, [self.latents.index(chunk[i]) for i in rows])

    def rewrite(self, first: int, count: int, *, keep_sink: bool) -> None:
        """Prepare a pass over the latest latents first..first+count-1 that writes them where they stand.

        Past the first window the sink holds older latents: with keep_sink they stay and the first rows of the
        pass are only queries, without it those rows become the new sink.
        """
        fresh = range(first, first + count)
        rows = list(range(count))
        if first > 0 and keep_sink:
            rows = rows[self.shape.sink :]
        elif first > 0:
            self.latents[: self.shape.sink] = fresh[: self.shape.sink]
        self._access = self._plan(fresh, rows, [self.latents.index(fresh[i]) for i in rows])

    def commit(self) -> None:
        """The chunk is done: drop what was kept aside."""
        self._access = self._kept = None

    def abort(self) -> None:
        """Make the cache what it was before `begin`."""
        if self._kept is None:
            return
        self.latents, slots, kept = self._kept
        for layer, old in zip(self.layers, kept, strict=True):
            layer.index_copy_(2, slots, old)
        self.commit()

    @contextmanager
    def writing(self, first: int, count: int) -> Iterator[None]:
        """`begin`, then `commit`; or `abort` where the block fails."""
        self.begin(first, count)
        try:
            yield
        except BaseException:
            self.abort()
            raise
        self.commit()

    def state(self) -> dict[str, Any]:
        """What must be kept to go on from here; between chunks."""
        return {"layers": self.layers, "latents": self.latents}

    def take(self, state: dict[str, Any]) -> None:
        """Go on from a kept state of the same shape."""
        for mine, kept in zip(self.layers, state["layers"], strict=True):
            mine.copy_(kept)
        self.latents = list(state["latents"])
        self.commit()

    def layer(self, index: int) -> Attend:
        """Write the chunk's keys and values, then attend to all that is read."""
        assert self._access is not None, "begin or rewrite first"
        access, (keys, values) = self._access, self.layers[index]
        relative = self.shape.rope == "relative"

        def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            k = k if relative else apply_rope(k, access.k_rope)
            for cache, fresh in ((keys, k), (values, v)):
                fresh = fresh.unflatten(1, (-1, cache.shape[2]))
                fresh = fresh if access.rows is None else fresh.index_select(1, access.rows)
                cache.index_copy_(1, access.slots, fresh.to(cache.dtype))
            read_k, read_v = (cache[:, : access.num_read].flatten(1, 2) for cache in (keys, values))
            read_k = apply_rope(read_k, access.k_rope) if relative else read_k
            return attend(apply_rope(q, access.q_rope), read_k, read_v)

        return attention

    def _claim(self, latent: int) -> int:
        """The slot for a new latent: an empty one, else that of the oldest latent outside the sink."""
        if None in self.latents:
            slot = self.latents.index(None)
        else:
            slot = min(range(self.shape.sink, self.shape.window), key=lambda s: self.latents[s] or 0)
        self.latents[slot] = latent
        return slot

    def _chunk(self) -> list[int]:
        """The latents that `begin` claimed slots for, oldest first."""
        assert self._kept is not None
        before = set(self._kept[0])
        return sorted(latent for latent in self.latents if latent is not None and latent not in before)

    def _plan(self, chunk: Sequence[int], rows: Sequence[int], slots: list[int]) -> _Access:
        filled = sum(latent is not None for latent in self.latents)
        num_read = max(filled, self.shape.sink) if self.shape.attend_unfilled_sink else filled
        times = list(chunk)
        key_times = times
        if self.shape.rope == "relative":
            key_times = [self._rank(slot) for slot in range(num_read)]
            newest = max(key_times)
            times = list(range(newest + 1 - len(chunk), newest + 1))
        return _Access(
            slots=self._index(slots),
            rows=None if len(rows) == len(chunk) else self._index(rows),
            num_read=num_read,
            q_rope=self._rope(times),
            k_rope=self._rope(key_times),
        )

    def _index(self, items: Iterable[int]) -> Tensor:
        return torch.tensor(list(items), dtype=torch.long, device=self.device)

    def _rank(self, slot: int) -> int:
        """Place of a slot's latent in the window: the sink first, then by age."""
        order = sorted(
            range(len(self.latents)), key=lambda s: (self.latents[s] is None, self.latents[s] or 0, s)
        )
        return order.index(slot)

    def _rope(self, times: list[int]) -> Rope:
        return make_rope(tuple(times), *self.shape.grid, self.shape.head_dim, self.device)
