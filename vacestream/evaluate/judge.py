"""What is seen in frames of the embedded world: silhouettes, colours, shapes, ground, depth. Pure arithmetic.

Frames are [T 3 H W] in 0..1. Sprites have strong colours, grounds have none; so every pixel can be told.
"""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from vacestream.sprites.scenes import COLOURS, GROUNDS
from vacestream.sprites.shapes import SHAPES, distance

SATURATED = 0.35
"""Difference between the strongest and the weakest channel of a sprite's pixels."""
SEEN = 0.1
"""Share of a sprite's true area below which nothing was seen of it."""
RADII, ANGLES, REACH = 20, 96, 2.6
"""Of a silhouette as a polar picture; reach in root mean square radii."""


def silhouette(frames: Tensor) -> Tensor:
    """[T H W]: where a strong colour is."""
    return frames.amax(-3) - frames.amin(-3) > SATURATED


def nearest_colour(frames: Tensor) -> Tensor:
    """[T H W] index into COLOURS."""
    palette = torch.tensor(list(COLOURS.values()))
    return (frames.movedim(-3, -1)[..., None, :] - palette).square().sum(-1).argmin(-1)


def overlap(seen: Tensor, true: Tensor) -> float:
    """Intersection over union of two masks, over all frames."""
    return float((seen & true).sum() / (seen | true).sum().clamp(min=1))


def main_colour(frames: Tensor, place: Tensor, area: float) -> int | None:
    """The most frequent strong colour in `place` [T H W]; None where under a tenth of `area` is strong."""
    strong = silhouette(frames) & place
    if int(strong.sum()) <= SEEN * area:
        return None
    return int(nearest_colour(frames)[strong].bincount(minlength=len(COLOURS)).argmax())


def ground_of(frames: Tensor) -> int:
    """Index into GROUNDS: of the lighter ground pixels, which patterns leave as they are."""
    pixels = frames.movedim(-3, -1)[~silhouette(frames)]
    if not len(pixels):
        return -1
    order = pixels.sum(-1).argsort()
    light = pixels[order[int(0.6 * len(order)) : int(0.9 * len(order)) + 1]].mean(0)
    return int((torch.tensor(list(GROUNDS.values())) - light).square().sum(-1).argmin())


def depth_of(frames: Tensor, colours: Sequence[int], nearness: Tensor, floor: Tensor) -> Tensor:
    """[T H W]: strong pixels at the depth of the sprite (of these colours) that they are most like."""
    palette = torch.tensor(list(COLOURS.values()))[list(colours)]
    sprite = (frames.movedim(-3, -1)[..., None, :] - palette).square().sum(-1).argmin(-1)
    return torch.where(silhouette(frames), nearness[sprite], floor)


def shape_of(seen: Tensor, area: float) -> int | None:
    """Index into SHAPES of the silhouettes [T H W], whatever their place, size and angle; None: too little.

    Frames in which they touch the border are left out where there are others.
    """
    total = seen.flatten(1).sum(1)
    whole = total > max(12.0, SEEN * area / len(seen))
    inside = ~(seen[:, [0, -1]].any(-1).any(-1) | seen[:, :, [0, -1]].any(-1).any(-1))
    chosen = whole & inside if (whole & inside).any() else whole
    if not chosen.any():
        return None
    polar = _polar(seen[chosen].float())
    spectrum = torch.fft.rfft(polar)[:, None] * torch.fft.rfft(_templates()).conj()
    likeness = torch.fft.irfft(spectrum.sum(-2), n=ANGLES).amax(-1)
    return int(likeness.mean(0).argmax())


@cache
def _templates() -> Tensor:
    """[shapes RADII ANGLES] of the world's own shapes."""
    line = torch.linspace(-1.6, 1.6, 193)
    v, u = torch.meshgrid(line, line, indexing="ij")
    signed = distance(torch.arange(len(SHAPES)), *(axis.expand(len(SHAPES), -1, -1) for axis in (u, v)))
    return _polar((signed < 0).float())


def _polar(masks: Tensor) -> Tensor:
    """[N H W] -> [N RADII ANGLES] about the centre of mass, in its root mean square radii, of unit norm."""
    _, height, width = masks.shape
    total = masks.flatten(1).sum(1).clamp(min=1)
    y, x = (torch.arange(side) + 0.5 for side in (height, width))
    cy = (masks.sum(2) * y).sum(1) / total
    cx = (masks.sum(1) * x).sum(1) / total
    square = (y - cy[:, None]).square()[:, :, None] + (x - cx[:, None]).square()[:, None]
    spread = ((masks * square).flatten(1).sum(1) / total).sqrt().clamp(min=0.5)
    radius = (torch.arange(RADII) + 0.5) / RADII * REACH
    angle = torch.arange(ANGLES) * (2 * torch.pi / ANGLES)
    reach = spread[:, None, None] * radius[:, None]
    grid = torch.stack(
        [
            (cx[:, None, None] + reach * angle.cos()) / width,
            (cy[:, None, None] + reach * angle.sin()) / height,
        ],
        dim=-1,
    )
    sampled = F.grid_sample(masks[:, None], grid * 2 - 1, align_corners=False)[:, 0]
    polar = sampled * radius[:, None].sqrt()  # each sample counts by its area
    unit: Tensor = polar / polar.flatten(1).norm(dim=1).clamp(min=1e-6)[:, None, None]
    return unit
