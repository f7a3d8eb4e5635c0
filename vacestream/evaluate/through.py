"""A recipe -> its frames, through the line that `render` runs; and as they were decoded, nothing put back."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vacestream.condition import make_vcus
from vacestream.decode import decode
from vacestream.evaluate.sampling import unit
from vacestream.evaluate.truth import Given
from vacestream.inputs import open_start
from vacestream.loading import Weights, load_stream
from vacestream.models.conditions import Condition
from vacestream.models.vae import VAE, Decoder
from vacestream.passes import open_passes, steering
from vacestream.plan import Plan, make_plan
from vacestream.recipe import load_recipe


@dataclass(frozen=True)
class Made:
    """Frames [T 3 H W] in 0..1."""

    frames: Tensor
    given: Given | None
    inside: tuple[int, int, int, int]
    """top, left, bottom, right of the input."""
    decode_bare: Callable[[], Tensor]
    """The frames before kept pixels are put back."""

    @cached_property
    def decoded(self) -> Tensor:
        return self.decode_bare()

    def showing(self, frames: Tensor) -> "Made":
        """Other frames in their place, to be held against the same."""
        return replace(self, frames=frames, decode_bare=lambda: frames)


def make(said: dict[str, Any], weights: Weights) -> Made:
    """The video of a recipe, given as data."""
    plan = make_plan(load_recipe(said))
    assert plan.size is not None
    clean: list[tuple[Condition, Tensor]] = []

    def watch(stage: str, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            clean.extend([item] if stage == "denoise" else [])
            yield item

    with ExitStack() as stack:
        passes, start = open_passes(plan, stack), open_start(plan, stack)
        stream = load_stream(plan, weights)
        vcus = make_vcus(
            plan.chunks(), passes, steering(plan), plan.size, mask_time=plan.mask_time, source=start
        )
        frames = _joined(made for _, made in stream(vcus, watch))
    given, vae = _given(clean), stream.pipeline.output_vae or stream.pipeline.vae
    bare = partial(_decoded, clean, vae) if given else lambda: frames
    return Made(frames, given, _inside(plan), bare)


def _decoded(clean: list[tuple[Condition, Tensor]], vae: VAE) -> Tensor:
    """Latents as frames, nothing put back."""
    bare = ((replace(condition, kept=None), latents) for condition, latents in clean)
    return _joined(frames for _, frames in decode(bare, Decoder(vae)))


def _joined(parts: Iterable[np.ndarray]) -> Tensor:
    return unit(np.concatenate(list(parts)))


def _given(clean: list[tuple[Condition, Tensor]]) -> Given | None:
    kept = [(one.kept, one.chunk.num_wanted) for one, _ in clean if one.kept is not None]
    if not kept:
        return None
    source, share = (torch.cat([parts[i][:count] for parts, count in kept]) for i in (0, 1))
    return Given(source / 2 + 0.5, share[:, 0])


def _inside(plan: Plan) -> tuple[int, int, int, int]:
    assert plan.size is not None
    if plan.framing is None or plan.framing.inner:
        return 0, 0, *plan.size
    return plan.framing.inside
