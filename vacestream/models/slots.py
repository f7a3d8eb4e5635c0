"""Which latent stands in which slot of a cache's window: decided on the host, once a chunk."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vacestream.pipelines import PipelineSpec, Quirk


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
    rope_restart: int = 0
    sink_decay: float = 1.0
    sink_refresh: float | None = None
    bank: int = 0
    bank_interval: int = 1
    bank_top: int | None = None
    quirks: tuple[Quirk, ...] = ()

    def __post_init__(self) -> None:
        if self.window <= self.fixed:
            raise ValueError(
                f"a window of {self.window} latents leaves no room beside a sink of {self.fixed}"
            )
        if self.rope == "relative" and (self.bank or self.sink_refresh is not None):
            raise ValueError("ranks in the window are not kept beside a bank or a ring")
        if self.bank and self.sink_refresh is not None:
            raise ValueError("a ring has no place for a bank")

    @property
    def fixed(self) -> int:
        """Slots at the head of the window that are kept when others are overwritten."""
        return max(self.sink, 3) if "ring_by_pass" in self.quirks else self.sink

    @property
    def num_slots(self) -> int:
        """Latents that there is memory for."""
        return self.bank + self.window

    def num_aside(self, chunk: int) -> int:
        """Latents that are put aside while a chunk of so many is made."""
        if self.sink_refresh is not None:
            return self.window
        return chunk + self.sink if self.sink_decay < 1 else chunk


def cache_shape(
    spec: PipelineSpec, layers: int, heads: int, head_dim: int, grid: tuple[int, int]
) -> CacheShape:
    """The cache of a row, for a model of these sizes and latents of grid tokens."""
    return CacheShape(
        layers,
        heads,
        head_dim,
        grid,
        window=spec.window_latents,
        sink=spec.attention_sink_latents,
        rope=spec.rope,
        rope_restart=spec.rope_restart,
        sink_decay=spec.sink_decay,
        sink_refresh=spec.sink_refresh,
        bank=spec.bank_latents,
        bank_interval=spec.bank_interval,
        bank_top=spec.bank_top,
        quirks=spec.quirks,
    )


class SlotTable:
    """The latent in each slot of the window, counted from the start of the stream; None: it is empty."""

    def __init__(self, shape: CacheShape) -> None:
        self.shape = shape
        self.latents: list[int | None] = [None] * shape.window

    @property
    def is_full(self) -> bool:
        return None not in self.latents

    @property
    def num_filled(self) -> int:
        return sum(latent is not None for latent in self.latents)

    @property
    def num_read(self) -> int:
        """Slots from the first on that are attended."""
        if "attend_unfilled_sink" in self.shape.quirks:
            return max(self.num_filled, self.shape.sink)
        return self.num_filled

    def slot_of(self, latent: int) -> int:
        return self.latents.index(latent)

    def refuse_more_than_fit(self, count: int) -> None:
        """ValueError where so many latents do not fit beside the sink."""
        kept = sum(latent is not None for latent in self.latents[: self.shape.fixed])
        if count > self.shape.window - kept:
            raise ValueError(f"{count} latents do not fit the window {self.shape}")

    def claim(self, latent: int) -> int:
        """The slot for a latent: its own, an empty one, else that of the oldest outside the sink."""
        if latent in self.latents:
            return self.slot_of(latent)
        if self.is_full:
            slot = min(range(self.shape.fixed, self.shape.window), key=lambda s: self.latents[s] or 0)
        else:
            slot = self.latents.index(None)
        self.latents[slot] = latent
        return slot

    def ranks(self) -> list[int]:
        """The place in the window of what stands in each slot that is read: the sink first, then by age."""
        order = sorted(
            range(len(self.latents)), key=lambda s: (self.latents[s] is None, self.latents[s] or 0, s)
        )
        return [order.index(slot) for slot in range(self.num_read)]

    def times(self, chunk: Sequence[int]) -> list[int]:
        """Where latents are roped: their place in the stream, which starts again where the row says so."""
        start, end = self.shape.window - 1, self.shape.rope_restart
        return [x if not end or x < end else start + (x - end) % (end - start) for x in chunk]
