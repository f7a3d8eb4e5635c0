"""Anchors that are still to come -> what the chunks before them are told of them, at their true distance."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import cache

import torch

from vacestream.anchors import Anchor
from vacestream.frames import to_pixels
from vacestream.kept import anchor_frames, anchor_mask
from vacestream.pipelines import VAE_STRIDE_T
from vacestream.plan import Plan
from vacestream.timeline import Chunk, first_frame
from vacestream.vcu import Ahead

REACH = 18
"""Latents after a chunk within which an anchor is told of; the weights have seen clips of 21."""
CLIP_LATENTS = 2
"""Of a clip that is to come, as many from its first on."""


def anchors_ahead(plan: Plan) -> Callable[[Chunk], tuple[Ahead, ...]]:
    """The anchors within reach after each chunk; their pictures are read when first needed."""
    groups = [
        (latent, anchor)
        for anchor in plan.anchors
        for latent in range(_latent(anchor.start), _latent(anchor.stop - 1) + 1)[:CLIP_LATENTS]
    ]

    @cache
    def read(index: int) -> Ahead:
        latent, anchor = groups[index]
        return _read(plan, anchor, latent)

    def ahead(chunk: Chunk) -> tuple[Ahead, ...]:
        after = chunk.first_latent + chunk.num_latents
        return tuple(read(i) for i, (latent, _) in enumerate(groups) if after <= latent < after + REACH)

    return ahead


def _latent(frame: int) -> int:
    """The latent that holds a frame."""
    return -(-frame // VAE_STRIDE_T)


def _read(plan: Plan, anchor: Anchor, latent: int) -> Ahead:
    """The frames of a latent, mid-gray but for those of the anchor."""
    assert plan.size is not None
    start, stop = first_frame(latent), first_frame(latent + 1)
    low, high = max(start, anchor.start), min(stop, anchor.stop)
    frames, masks = torch.zeros(stop - start, 3, *plan.size), torch.ones(stop - start, 1, *plan.size)
    with ExitStack() as stack:
        shown = anchor_frames(plan, anchor, stack)
        if low > anchor.start:
            shown.read(low - anchor.start)
        pixels = to_pixels(shown.read(high - low))
        made = to_pixels(anchor_mask(plan, anchor).read(len(pixels)))[:, :1] > 0
    inside = slice(low - start, low - start + len(pixels))
    masks[inside] = made.float()
    frames[inside] = pixels * ~made
    return Ahead(latent, frames, masks)
