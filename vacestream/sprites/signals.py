"""Exact control signals of a clip, drawn as VACE draws them: Clip -> pictures [B T 3 H W] in 0..1."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from vacestream.drawing import box_lines, motion_colours
from vacestream.sprites import figure
from vacestream.sprites.shapes import FIGURE
from vacestream.sprites.world import Clip

LINE = 2.5 / 128
"""Width of drawn lines in units of the shorter frame side; at least two pixels."""


SHAPE_BONES = (
    (((0.0, 0.7), (0.0, -0.7)), (0.0, 1.0, 0.3)),
    (((-0.6, 0.0), (0.6, 0.0)), (1.0, 0.35, 0.0)),
    (((0.0, -0.7), (0.0, -0.72)), (0.3, 0.3, 1.0)),
)
"""The skeleton of whatever is no figure: both ends (u, v), and a colour."""
LIMB_COLOURS = (
    (0.0, 1.0, 0.3), (0.3, 0.3, 1.0),
    (1.0, 0.35, 0.0), (1.0, 0.7, 0.0), (0.9, 0.0, 0.3), (1.0, 0.0, 0.8),
    (0.0, 0.8, 0.8), (0.0, 0.5, 1.0), (0.6, 1.0, 0.0), (1.0, 1.0, 0.2),
)  # fmt: skip
"""One for each of figure.THICKNESS, so that left and right differ."""
DOT = 0.05
"""Bones shorter than this, in radii, are dots."""


def _line_pixels(clip: Clip) -> float:
    return max(2.0, LINE * clip.unit)


def _gray(picture: Tensor) -> Tensor:
    return picture[:, :, None].expand(-1, -1, 3, -1, -1)


def draw_depth(clip: Clip) -> Tensor:
    """Near is bright."""
    return _gray(clip.depth)


def draw_mask(clip: Clip) -> Tensor:
    """White where a sprite is."""
    return _gray((clip.instances > 0).float())


def draw_scribble(clip: Clip) -> Tensor:
    """Dark outlines on white, hidden by what is nearer."""
    half = _line_pixels(clip) / 2
    ink = torch.zeros_like(clip.distance[:, 0])
    for n in range(clip.distance.shape[1]):
        edge = (half + 0.5 - clip.distance[:, n].abs()).clamp(0, 1)
        ink = torch.where(clip.distance[:, n] < 0, edge, torch.maximum(ink, edge))
    return _gray(1 - ink)


def _bones(clip: Clip) -> Iterator[tuple[Tensor, Tensor, tuple[float, float, float]]]:
    """Ends [B N T 2 2] of a bone in its sprite's own frame, whose [B N] have it, and its colour."""
    present = torch.arange(clip.scenes.num_sprites) < clip.scenes.counts[:, None]
    walks = clip.scenes.kinds == FIGURE
    frames = (*walks.shape, len(clip.times), 2, 2)
    for ends, colour in SHAPE_BONES:
        yield torch.tensor(ends).expand(frames), present & ~walks, colour
    if walks.any():
        limbs = figure.limbs(clip.scenes.gaits, clip.times)
        for index, colour in enumerate(LIMB_COLOURS):
            yield limbs[:, :, :, index], present & walks, colour


def draw_pose(clip: Clip) -> Tensor:
    """On black: a figure's limbs, each in its colour; of others foot to head, hand to hand; heads dots."""
    radius = clip.scenes.radii[:, :, None, None, None] * clip.unit
    half = _line_pixels(clip) * 0.75
    picture = torch.zeros_like(_gray(clip.distance[:, 0]))
    for ends, owners, colour in _bones(clip):
        (u0, v0), (u1, v1) = (ends[..., end, :, None, None].unbind(-3) for end in (0, 1))
        u, v, du, dv = clip.local[0] - u0, clip.local[1] - v0, u1 - u0, v1 - v0
        square = du.square() + dv.square()
        along = ((u * du + v * dv) / square).clamp(0, 1)
        width = torch.where(square < DOT**2, half * 1.6, half)
        ink = (width + 0.5 - radius * torch.hypot(u - along * du, v - along * dv)).clamp(0, 1)
        ink = (ink * owners[..., None, None, None]).amax(dim=1)[:, :, None]
        picture = picture + ink * (torch.tensor(colour)[:, None, None] - picture)
    return picture


def draw_flow(clip: Clip) -> Tensor:
    """Direction as hue, speed (against the fastest pixel of the frame) as saturation; no motion is white."""
    y, x = clip.flow.unbind(2)
    fastest = torch.hypot(y, x).amax(dim=(-2, -1), keepdim=True).clamp(min=1e-5)
    colours = torch.tensor(motion_colours(*(part.cpu().numpy() for part in (y, x, fastest))))
    return colours.movedim(-1, 2)


def draw_layout_bbox(clip: Clip) -> Tensor:
    """Black outlines of the sprites' boxes on white."""
    boxes = clip.boxes[..., None, None, :].cpu().numpy()
    y, x = ((axis[:, None, None] * clip.unit).cpu().numpy() for axis in clip.grid)
    ink = box_lines(boxes, y, x, _line_pixels(clip))
    return _gray(1 - torch.tensor(ink).amax(dim=1))


SIGNALS: dict[str, Callable[[Clip], Tensor]] = {
    "depth": draw_depth,
    "depthv2": draw_depth,
    "pose": draw_pose,
    "pose_body": draw_pose,
    "flow": draw_flow,
    "scribble": draw_scribble,
    "mask": draw_mask,
    "layout_bbox": draw_layout_bbox,
}
