"""The self-attention memory of one stream: a slot table that is overwritten in place.

The first slots hold the attention sink, the others the latest latents. Which latent stands in which slot is
kept on the host and decided once a chunk; keys have no order for attention, RoPE gives their place.
The published references roll the buffer instead (LongLive, arXiv:2509.22622); both attend the same set.
In front of the window there may be a bank; where the sink can be renewed, a ring has the say.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from vacestream.models.attention import Rope, apply_rope, attend, make_rope
from vacestream.models.bank import Bank, TextKeys, attend_to_best
from vacestream.models.ring import Ring
from vacestream.models.slots import CacheShape, SlotTable
from vacestream.pipelines import Recache


class Attend(Protocol):
    """Self-attention of one block: un-roped q, k, v [B n k d] of the chunk -> [B n k d]."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Beside:
    """Keys and values [B m k d] that a block attends to right before its window; they have no place yet."""

    keys: Tensor
    values: Tensor
    weights: Tensor | None = None
    """[m]: added to what queries and these keys say."""


class Memory(Protocol):
    """What the blocks of one model call attend to."""

    def layer(self, index: int) -> Attend: ...


@dataclass(frozen=True)
class _Access:
    """What the passes of one chunk read and write: made on the host once, the same for every layer."""

    slots: Tensor  # [m] slot that each written latent goes to
    rows: Tensor | None  # [m] which latents of the chunk are written; None: all
    read: slice  # slots that are attended
    q_rope: Rope
    k_rope: Rope  # of the chunk (absolute) or of the slots read (relative)
    front: int  # where the window would begin if it were of one piece


@dataclass(frozen=True)
class _Kept:
    """What a chunk may overwrite, as it was before."""

    latents: list[int | None]
    slots: Tensor
    values: list[Tensor]
    ring: dict[str, Any] | None


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
        size = (2, batch, shape.num_slots, tokens, shape.heads, shape.head_dim)
        self.layers = [torch.zeros(size, device=self.device, dtype=dtype) for _ in range(shape.layers)]
        self.table = SlotTable(shape)
        """Of the window; once a ring has the say, it stays as it was when the window was full."""
        self.bank = _bank(shape)
        self.ring = _ring(shape, self.device)
        self._access: _Access | None = None
        self._kept: _Kept | None = None
        self._num_passes = 0

    def begin(self, first: int, count: int) -> None:
        """Choose slots for the latents first..first+count-1; keep aside what stood there until `commit`."""
        self.table.refuse_more_than_fit(count)
        chunk, before = range(first, first + count), list(self.table.latents)
        ringed = self.ring is not None and self.table.is_full
        slots = [] if ringed else [self.table.claim(latent) for latent in chunk]
        self._keep(before, slots)
        if self.shape.sink_decay < 1:
            self._flow_into_sink({slot: old for slot in slots if (old := before[slot]) is not None})
        self._num_passes = 0
        self._access = self._plan(chunk, range(count), slots)

    def repeat(self) -> None:
        """The chunk is passed again: its latents are overwritten where they stand."""
        self._num_passes += 1
        if "freeze_noisy_sink" not in self.shape.quirks:
            return
        chunk = self._chunk()
        rows = [i for i, x in enumerate(chunk) if chunk[0] == 0 or self.table.slot_of(x) >= self.shape.sink]
        self._access = self._plan(chunk, rows, [self.table.slot_of(chunk[i]) for i in rows])

    def rewrite(self, first: int, count: int, *, sink: Recache) -> None:
        """Prepare a pass over the latest latents first..first+count-1 that writes them where they stand.

        Past the first window the sink holds older latents. keep_sink: they stay, and the first rows of the
        pass are only queries. rewrite_sink: those rows become the new sink. zero_sink: it is lost.
        """
        fresh = range(first, first + count)
        rows = list(range(count))
        if first > 0 and sink == "rewrite_sink":
            self.table.latents[: self.shape.sink] = fresh[: self.shape.sink]
        elif first > 0:
            rows = rows[self.shape.sink :]
        if first > 0 and sink == "zero_sink":
            for layer in self.layers:
                layer.index_fill_(2, self._places(range(self.shape.sink)), 0)
        self._access = self._plan(fresh, rows, [self.table.slot_of(fresh[i]) for i in rows])

    def renew_sink(self, first: int, count: int) -> None:
        """Prepare a pass that makes the sink anew, near the latents first..first+count-1 that come next."""
        sink = range(self.shape.sink)
        start = self.table.times([first])[0] - min(first, self.shape.window - count)
        times = list(sink) if self.shape.rope == "relative" else [start + i for i in sink]
        rope, read = self._rope(times), slice(self.shape.bank, self.shape.bank + self.shape.sink)
        self._access = _Access(self._places(sink), None, read, rope, rope, times[0])

    def clear(self) -> None:
        """Forget every latent."""
        self.table = SlotTable(self.shape)
        self.bank, self.ring = _bank(self.shape), _ring(self.shape, self.device)
        self.commit()

    def commit(self) -> None:
        """The chunk is done: drop what was kept aside."""
        self._access = self._kept = None

    def file(self, latent: int, text_keys: TextKeys) -> None:
        """Offer a latent of a chunk that is done to the bank."""
        if self.bank is not None:
            self.bank.chunk_done(self.layers, self.shape.bank + self.table.slot_of(latent), text_keys)

    def abort(self) -> None:
        """Make the cache what it was before `begin`."""
        if (kept := self._kept) is None:
            return
        self.table.latents = kept.latents
        for layer, old in zip(self.layers, kept.values, strict=True):
            layer.index_copy_(2, kept.slots, old)
        if self.ring is not None and kept.ring is not None:
            self.ring.restore(kept.ring)
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

    def copy(self) -> "KVCache":
        """Another cache with the same content."""
        other = KVCache(self.shape, batch=self.layers[0].shape[1], device=self.device, dtype=self.dtype)
        other.take(self.state())
        return other

    def state(self) -> dict[str, Any]:
        """What must be kept to go on from here; between chunks."""
        return {
            "layers": self.layers,
            "latents": self.table.latents,
            "bank": self.bank.state() if self.bank else None,
            "ring": self.ring.state() if self.ring else None,
        }

    def take(self, state: dict[str, Any]) -> None:
        """Go on from a kept state of the same shape."""
        for mine, kept in zip(self.layers, state["layers"], strict=True):
            mine.copy_(kept)
        self.table.latents = list(state["latents"])
        if self.bank is not None:
            self.bank.take(state["bank"])
        if self.ring is not None:
            self.ring.restore(state["ring"])
        self.commit()

    def layer(self, index: int, beside: Beside | None = None) -> Attend:
        """Write the chunk's keys and values, then attend to all that is read, and to what is beside it."""
        assert self._access is not None, "begin or rewrite first"
        access, (keys, values) = self._access, self.layers[index]
        relative = self.shape.rope == "relative"

        def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            k = k if relative else apply_rope(k, access.k_rope)
            k, v = (x.unflatten(1, (-1, keys.shape[2])) for x in (k, v))
            slots = access.slots if self.ring is None else self._ring_slots(index, access, k, v)
            for cache, fresh in ((keys, k), (values, v)):
                fresh = fresh if access.rows is None else fresh.index_select(1, access.rows)
                cache.index_copy_(1, slots, fresh.to(cache.dtype))
            q = apply_rope(q, access.q_rope)
            read_k, read_v = keys[:, access.read], values[:, access.read]
            if self.shape.bank_top is not None:
                read_k, read_v = attend_to_best(q, read_k, read_v, self._num_memory(), self.shape.bank_top)
            else:
                read_k, read_v = read_k.flatten(1, 2), read_v.flatten(1, 2)
                read_k = apply_rope(read_k, access.k_rope) if relative else read_k
            return attend(q, *(self._with(beside, access, read_k, read_v) if beside else (read_k, read_v)))

        return attention

    def _with(self, beside: Beside, access: _Access, k: Tensor, v: Tensor) -> tuple[Tensor | None, ...]:
        """Keys and values [B n k d] with those beside them in front, and their weights."""
        tokens, count = self.shape.grid[0] * self.shape.grid[1], beside.keys.shape[1]
        rope = self._rope(list(range(access.front - count // tokens, access.front)))
        keys, values = apply_rope(beside.keys, rope).to(k), beside.values.to(v)
        weights = beside.weights
        mask = None if weights is None else F.pad(weights, (0, k.shape[1]))[None].to(k.dtype)
        return torch.cat([keys, k], dim=1), torch.cat([values, v], dim=1), mask

    def _keep(self, before: list[int | None], slots: list[int]) -> None:
        """Put aside what the chunk that begins may overwrite."""
        if self.ring is not None:
            slots = list(range(self.shape.window))
        elif self.shape.sink_decay < 1:
            slots = [*range(self.shape.sink), *(slot for slot in slots if slot >= self.shape.sink)]
        index = self._places(slots)
        values = [layer.index_select(2, index) for layer in self.layers]
        self._kept = _Kept(before, index, values, self.ring.state() if self.ring else None)

    def _flow_into_sink(self, evicted: dict[int, int]) -> None:
        """Mix latents that are about to go (slot -> latent) into the sink, in turn into each of its slots."""
        decay, sources = self.shape.sink_decay, self._places(evicted)
        sinks = self._places(latent % self.shape.sink for latent in evicted.values())
        for layer in self.layers if evicted else ():
            old, gone = (layer.index_select(2, index).float() for index in (sinks, sources))
            layer.index_copy_(2, sinks, (decay * old + (1 - decay) * gone).to(layer.dtype))

    def _ring_slots(self, index: int, access: _Access, k: Tensor, v: Tensor) -> Tensor:
        """Where k and v [B f n k d] of the chunk go in this layer."""
        assert self.ring is not None
        first, by_pass = self._num_passes == 0, "ring_by_pass" in self.shape.quirks
        begun_full = not len(access.slots)
        if k.shape[1] == 1 and (by_pass or (first and begun_full)):
            sink = (self.layers[index][i, :, : self.shape.sink] for i in range(2))
            self.ring.ask(index, tuple(sink), (k[:, 0], v[:, 0]))  # type: ignore[arg-type]
        if not begun_full and not (by_pass and not first and self.table.is_full):
            return access.slots
        if first:
            return self.ring.take(index)
        return self.ring.peek(index) if by_pass else self.ring.taken[index, None]

    def _chunk(self) -> list[int]:
        """The latents that `begin` claimed slots for, oldest first."""
        assert self._kept is not None
        before, now = set(self._kept.latents), self.table.latents
        return sorted(latent for latent in now if latent is not None and latent not in before)

    def _num_memory(self) -> int:
        """Latents of the bank and the sink among those that are read."""
        assert self.bank is not None
        return self.bank.num_filled + min(self.shape.sink, self.table.num_filled)

    def _plan(self, chunk: Sequence[int], rows: Sequence[int], slots: list[int]) -> _Access:
        times = key_times = self.table.times(chunk)
        if self.shape.rope == "relative":
            key_times = self.table.ranks()
            newest = max(key_times)
            times = list(range(newest + 1 - len(chunk), newest + 1))
        behind = min(chunk[0], self.shape.window - len(chunk))
        num_banked, bank = self.bank.num_filled if self.bank else 0, self.shape.bank
        chosen = torch.tensor(rows, dtype=torch.long, device=self.device)
        return _Access(
            slots=self._places(slots),
            rows=None if len(rows) == len(chunk) else chosen,
            read=slice(bank - num_banked, bank + self.table.num_read),
            q_rope=self._rope(times),
            k_rope=self._rope(key_times),
            front=0 if self.shape.rope == "relative" else times[0] - behind,
        )

    def _places(self, slots: Iterable[int]) -> Tensor:
        """Slots of the window -> where they are in the layers' tensors, behind the bank."""
        places = [self.shape.bank + slot for slot in slots]
        return torch.tensor(places, dtype=torch.long, device=self.device)

    def _rope(self, times: list[int]) -> Rope:
        return make_rope(tuple(times), *self.shape.grid, self.shape.head_dim, self.device)


def _bank(shape: CacheShape) -> Bank | None:
    if not shape.bank:
        return None
    faults = ("compress_every_chunk" in shape.quirks, "record_every_chunk" in shape.quirks)
    return Bank(shape.bank, shape.bank_interval, *faults)


def _ring(shape: CacheShape, device: torch.device) -> Ring | None:
    if shape.sink_refresh is None:
        return None
    return Ring(shape.layers, shape.window, shape.fixed, shape.sink_refresh, device)
