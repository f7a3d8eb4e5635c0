"""Exact control signals of a clip, drawn as VACE draws them: Clip -> pictures [B T 3 H W] in 0..1."""

from collections.abc import Callable

import torch
from torch import Tensor

from vacestream.drawing import box_lines, motion_colours
from vacestream.sprites.world import Clip

LINE = 2.5 / 128
"""Width of drawn lines in units of the shorter frame side; at least two pixels."""


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


def draw_pose(clip: Clip) -> Tensor:
    """A two-bone skeleton a sprite on black: foot to head, hand to hand, and a dot for the head."""
    radius = clip.scenes.radii[:, :, None, None, None] * clip.unit
    u, v = clip.local * radius
    half = _line_pixels(clip) * 0.75
    picture = torch.zeros_like(_gray(clip.distance[:, 0]))
    bones = (
        ((0.0, 0.7), (0.0, -0.7), (0.0, 1.0, 0.3)),
        ((-0.6, 0.0), (0.6, 0.0), (1.0, 0.35, 0.0)),
        ((0.0, -0.7), (0.0, -0.7), (0.3, 0.3, 1.0)),
    )
    for (u0, v0), (u1, v1), colour in bones:
        nearest_u = u.clamp(u0 * radius, u1 * radius)
        nearest_v = v.clamp(min(v0, v1) * radius, max(v0, v1) * radius)
        width = half * 1.6 if (u0, v0) == (u1, v1) else half
        ink = (width + 0.5 - torch.hypot(u - nearest_u, v - nearest_v)).clamp(0, 1)
        present = torch.arange(ink.shape[1]) < clip.scenes.counts[:, None]
        ink = (ink * present[..., None, None, None]).amax(dim=1)[:, :, None]
        picture = picture + ink * (torch.tensor(colour)[:, None, None] - picture)
    return picture


def draw_flow(clip: Clip) -> Tensor:
    """Direction as hue, speed (against the fastest pixel of the frame) as saturation; no motion is white."""
    y, x = clip.flow.unbind(2)
    fastest = torch.hypot(y, x).amax(dim=(-2, -1), keepdim=True).clamp(min=1e-5)
    colours = torch.from_numpy(motion_colours(y.numpy(), x.numpy(), fastest.numpy()))
    return colours.movedim(-1, 2)


def draw_layout_bbox(clip: Clip) -> Tensor:
    """Black outlines of the sprites' boxes on white."""
    boxes = clip.boxes[..., None, None, :]
    y, x = (axis[:, None, None] * clip.unit for axis in clip.grid)
    ink = box_lines(boxes.numpy(), y.numpy(), x.numpy(), _line_pixels(clip))
    return _gray(1 - torch.from_numpy(ink).amax(dim=1))


SIGNALS: dict[str, Callable[[Clip], Tensor]] = {
    "depth": draw_depth,
    "pose": draw_pose,
    "flow": draw_flow,
    "scribble": draw_scribble,
    "mask": draw_mask,
    "layout_bbox": draw_layout_bbox,
}
