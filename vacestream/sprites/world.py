"""Scenes -> any frames of them, with exact ground truth: video, depth, instances, flow, boxes."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from vacestream.sprites import figure
from vacestream.sprites.scenes import (
    COLOURS,
    GROUNDS,
    MAX_SPRITES,
    Scenes,
    angles,
    centres,
    draw_scenes,
    ground_shift,
)
from vacestream.sprites.shapes import FIGURE, REACH, SHAPES, distance


@dataclass(frozen=True)
class Clip:
    """The geometry of a range of frames; what is drawn from it is made when asked for."""

    scenes: Scenes
    times: Tensor
    """[T] frame numbers, float64: a stream may be long."""
    unit: float
    """Pixels of the shorter frame side."""
    extent: tuple[float, float]
    """Height and width of the frame in units."""
    grid: tuple[Tensor, Tensor]
    """Pixel centres in units, y [B H 1] and x [B 1 W], of the window that is drawn."""
    local: Tensor
    """[2 B N T H W] (u, v): pixels in each sprite's own frame, in radii."""
    distance: Tensor
    """[B N T H W] signed distance to each sprite in pixels, negative inside."""

    @property
    def instances(self) -> Tensor:
        """[B T H W] number of the sprite that is seen, from 1, 0 = ground."""
        inside = (self.distance < 0).long()
        number = torch.arange(1, inside.shape[1] + 1)[:, None, None, None]
        return (inside * number).amax(dim=1)

    @property
    def depth(self) -> Tensor:
        """[B T H W] in 0..1, near = bright: a floor that rises towards the lower edge, and flat sprites."""
        floor = 0.35 * (self.grid[0] / self.extent[0]).clamp(0, 1) + 0 * self.grid[1]
        values = torch.cat([torch.zeros_like(self.scenes.nearness[:, :1]), self.scenes.nearness], dim=1)
        seen = self.instances
        nearest = values.gather(1, seen.flatten(1)).view(seen.shape)
        return torch.where(seen > 0, nearest, floor[:, None])

    @property
    def video(self) -> Tensor:
        """[B T 3 H W] in 0..1."""
        picture = self._ground()
        palette = torch.tensor(list(COLOURS.values()))
        for n in range(self.scenes.num_sprites):
            alpha = (0.5 - self.distance[:, n]).clamp(0, 1)[:, :, None]
            colour = palette[self.scenes.colours[:, n]][:, None, :, None, None]
            picture = picture + alpha * (colour - picture)
        return picture

    @property
    def flow(self) -> Tensor:
        """[B T 2 H W] (y, x) in pixels: where each seen point is in the next frame."""
        shift = ground_shift(self.scenes, self.times + 1) - ground_shift(self.scenes, self.times)
        ground = shift.movedim(2, 1)[..., None, None] * self.unit
        flow = ground.expand(-1, -1, -1, *self.distance.shape[-2:]).contiguous()
        ahead = centres(self.scenes, self.times + 1, self.extent)
        angle = angles(self.scenes, self.times + 1)[..., None, None]
        seen = self.instances
        for n in range(self.scenes.num_sprites):
            u, v = self._gone_on(n) * self.scenes.radii[:, n, None, None, None]
            sin, cos = torch.sin(angle[:, n]), torch.cos(angle[:, n])
            y = ahead[:, n, :, 0, None, None] + sin * u + cos * v - self.grid[0][:, None]
            x = ahead[:, n, :, 1, None, None] + cos * u - sin * v - self.grid[1][:, None]
            moved = torch.stack([y, x], dim=2) * self.unit
            flow = torch.where((seen == n + 1)[:, :, None], moved, flow)
        return flow

    def _gone_on(self, n: int) -> Tensor:
        """[2 B T H W] sprite n's own coordinates of each pixel, a frame later: only limbs move in them."""
        local, walks = self.local[:, :, n], self.scenes.kinds[:, n] == FIGURE
        if not walks.any():
            return local
        gaits = self.scenes.gaits[walks, n]
        before, after = (figure.limbs(gaits, times) for times in (self.times, self.times + 1))
        local = local.clone()
        u, v = local[:, walks]
        local[:, walks] = torch.stack(figure.moved(u, v, before, after))
        return local

    @property
    def boxes(self) -> Tensor:
        """[B N T 4] x1 y1 x2 y2 in pixels, around each whole sprite, seen or not; NaN if absent."""
        return sprite_boxes(self.scenes, self.times, self.unit, self.extent)

    def _ground(self) -> Tensor:
        contrast, period, angle = self.scenes.ground_shape.t()[:3, :, None, None, None]
        shift = ground_shift(self.scenes, self.times)[..., None, None]
        y, x = self.grid[0][:, None] - shift[:, 0], self.grid[1][:, None] - shift[:, 1]
        sharp = self.unit * period
        across = torch.sin(2 * pi * (torch.cos(angle) * x + torch.sin(angle) * y) / period)
        rows, columns = torch.sin(2 * pi * y / period), torch.sin(2 * pi * x / period)
        zero = torch.zeros_like(across)
        chosen = self.scenes.pattern[:, None, None, None]
        wave = torch.where(chosen == 1, across, torch.where(chosen == 2, rows * columns, zero))
        wave = torch.where(chosen == 3, rows * columns.expand_as(across) - 0.45, wave)
        shade = (0.5 + wave * sharp / (2 * pi)).clamp(0, 1) * (chosen > 0)
        shade = torch.where(chosen == 4, 0.5 + 0.5 * torch.sin(pi * (y + x)), shade)
        colour = torch.tensor(list(GROUNDS.values()))[self.scenes.ground][:, None, :, None, None]
        shadow: Tensor = (1 - contrast[:, None]) * shade[:, :, None]
        return colour * (1 - shadow)


def render(
    scenes: Scenes, frames: range, size: tuple[int, int], *, window: tuple[Tensor, Tensor] | None = None
) -> Clip:
    """These frames of B scenes at `size` (height, width); `window` is pixel rows [B H] and columns [B W]."""
    unit = float(min(size))
    extent = (size[0] / unit, size[1] / unit)
    times = torch.tensor(list(frames), dtype=torch.float64)
    if window is None:
        window = torch.arange(size[0])[None], torch.arange(size[1])[None]
    rows, columns = window
    y = ((rows + 0.5) / unit)[:, :, None].expand(len(scenes.seeds), -1, 1)
    x = ((columns + 0.5) / unit)[:, None, :].expand(len(scenes.seeds), 1, -1)
    centre = centres(scenes, times, extent)[..., None, None]
    angle = angles(scenes, times)[..., None, None]
    dy, dx = y[:, None, None] - centre[..., 0, :, :], x[:, None, None] - centre[..., 1, :, :]
    radii = scenes.radii[..., None, None, None]
    sin, cos = torch.sin(angle), torch.cos(angle)
    local = torch.stack([(cos * dx + sin * dy) / radii, (cos * dy - sin * dx) / radii])
    signed = torch.full(local.shape[1:], 4.0)
    present = torch.arange(scenes.num_sprites) < scenes.counts[:, None]
    limbs = figure.limbs(scenes.gaits[present], times)
    signed[present] = distance(scenes.kinds[present], local[0][present], local[1][present], limbs)
    return Clip(scenes, times, unit, extent, (y, x), local, signed * (radii * unit))


def _points(scenes: Scenes, times: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Points (u, v) [B N T P] of each sprite, and how far it goes beyond [B N 1 P]; -inf: not its own."""
    line = torch.linspace(-REACH, REACH, 96)
    v, u = torch.meshgrid(line, line, indexing="ij")
    inside = distance(torch.arange(len(SHAPES)), *(axis.expand(len(SHAPES), -1, -1) for axis in (u, v))) < 0
    inside[FIGURE] = False
    ends = figure.limbs(scenes.gaits, times).flatten(-3, -2)
    thick = torch.tensor(list(figure.THICKNESS.values())).repeat_interleave(2)
    walks = (scenes.kinds == FIGURE)[..., None]
    still = torch.where(inside.flatten(1)[scenes.kinds], 0.0, -torch.inf)
    beyond = torch.cat([still, torch.where(walks, thick, -torch.inf)], dim=-1)
    u, v = (
        torch.cat([axis.flatten().expand(*own.shape[:-1], -1), own], dim=-1)
        for axis, own in zip((u, v), ends.unbind(-1), strict=True)
    )
    return u, v, beyond[:, :, None]


def sprite_boxes(scenes: Scenes, times: Tensor, unit: float, extent: tuple[float, float]) -> Tensor:
    """[B N T 4] boxes x1 y1 x2 y2 in pixels of the sprites' outlines, clipped to the frame; NaN if absent."""
    u, v, beyond = _points(scenes, times)
    turn = angles(scenes, times)[..., None]
    ways = torch.cos(turn) * u - torch.sin(turn) * v, torch.sin(turn) * u + torch.cos(turn) * v
    reach = [(way - beyond).amin(-1) for way in ways] + [(way + beyond).amax(-1) for way in ways]
    y, x = centres(scenes, times, extent).unbind(-1)
    corners = [at + scenes.radii[..., None] * far for at, far in zip((x, y, x, y), reach, strict=True)]
    limits = (extent[1], extent[0]) * 2
    boxes = torch.stack([corner.clamp(0, limit) for corner, limit in zip(corners, limits, strict=True)], -1)
    absent = torch.arange(scenes.num_sprites) >= scenes.counts[:, None]
    return (boxes * unit).masked_fill(absent[..., None, None], torch.nan)


def render_batch(
    seeds: Iterable[int], num_frames: int, size: tuple[int, int], *, max_sprites: int = MAX_SPRITES
) -> Clip:
    """The first frames of these seeds' scenes, for training and tests."""
    return render(draw_scenes(seeds, max_sprites=max_sprites), range(num_frames), size)


def reference_picture(scenes: Scenes, sprite: Tensor, size: tuple[int, int]) -> Tensor:
    """[B 3 H W] in 0..1: one sprite of each scene ([B] its index), upright and centred on a white canvas."""
    unit, rows = float(min(size)), torch.arange(len(scenes.seeds))
    radius = 0.4
    y = ((torch.arange(size[0]) + 0.5 - size[0] / 2) / (unit * radius))[:, None].expand(size)
    x = ((torch.arange(size[1]) + 0.5 - size[1] / 2) / (unit * radius))[None].expand(size)
    kinds = scenes.kinds[rows, sprite]
    signed = distance(kinds, x.expand(len(rows), *size), y.expand(len(rows), *size)) * (radius * unit)
    alpha = (0.5 - signed).clamp(0, 1)[:, None]
    colour = torch.tensor(list(COLOURS.values()))[scenes.colours[rows, sprite]][:, :, None, None]
    return 1 - alpha * (1 - colour)
