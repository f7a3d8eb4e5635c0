"""A procedural world of coloured sprites: seeds -> scenes -> any frames of them, with exact ground truth.

Motion is an analytic function of time, so a scene has no end and any range of frames can be made again.
User seeds are below FIRST_TRAINING_SEED; the training of the embedded model draws only from there upwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from torch import Tensor

from vacestream.sprites import figure
from vacestream.sprites.shapes import FIGURE, REACH, SHAPES, distance

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.90, 0.10, 0.10),
    "green": (0.10, 0.70, 0.15),
    "blue": (0.12, 0.22, 0.92),
    "yellow": (0.96, 0.86, 0.08),
    "purple": (0.62, 0.12, 0.80),
    "cyan": (0.08, 0.80, 0.86),
}
GROUNDS: dict[str, tuple[float, float, float]] = {
    "white": (0.93, 0.93, 0.93),
    "gray": (0.38, 0.38, 0.38),
    "black": (0.12, 0.12, 0.12),
    "beige": (0.86, 0.80, 0.70),
    "slate": (0.34, 0.39, 0.47),
    "pink": (0.91, 0.76, 0.81),
}
PATTERNS = ("plain", "striped", "checkered", "dotted", "shaded")
MAX_SPRITES = 3
FIRST_TRAINING_SEED = 1 << 40
GROUND_PAN = 0.2
"""How far the widest pan moves the ground to either side, in units."""

_SCENE_DRAWS, _SPRITE_DRAWS, _GAIT_DRAWS, _PAN_DRAWS = 16, 16, 5, 4
_FIGURES, _PANS = 0.16, 0.25
"""Share of the sprites that are figures, and of the scenes whose camera pans."""


@dataclass(frozen=True)
class Scenes:
    """B scenes of up to N sprites each, farthest first; lengths in units of the shorter frame side."""

    seeds: tuple[int, ...]
    counts: Tensor
    """[B] sprites in each scene; the others of the N are not drawn."""
    kinds: Tensor
    """[B N] index into SHAPES."""
    colours: Tensor
    """[B N] index into COLOURS, distinct within a scene."""
    radii: Tensor
    nearness: Tensor
    """[B N] depth value of a sprite, ascending; the ground is below all of them."""
    waves: Tensor
    """[B N 2 2 2] frequency (radians a frame) and phase of the two waves of each axis (y, x)."""
    turns: Tensor
    """[B N 4] angle, spin a frame, swing, swing frequency (radians)."""
    gaits: Tensor
    """[B N 4] how a figure walks: frequency (radians a frame), phase, swing of the legs, lift of the arms."""
    pan: Tensor
    """[B 3] of the camera, along x: how far, frequency (radians a frame) and phase."""
    ground: Tensor
    """[B] index into GROUNDS."""
    pattern: Tensor
    """[B] index into PATTERNS."""
    ground_shape: Tensor
    """[B 5] contrast, period, angle, and drift a frame (y, x) of the ground."""

    @property
    def num_sprites(self) -> int:
        return self.kinds.shape[1]


def _uniforms(seeds: Sequence[int], n: int) -> Tensor:
    """SplitMix64 numbers in 0..1, [B n]: the same on every machine and version."""
    mask = np.uint64(0xFFFFFFFFFFFFFFFF)
    start = np.array([seed & int(mask) for seed in seeds], dtype=np.uint64)[:, None]
    with np.errstate(over="ignore"):
        golden = np.uint64(0x9E3779B97F4A7C15)
        z = start * np.uint64(0xD1342543DE82EF95) + (np.arange(1, n + 1, dtype=np.uint64) * golden)[None]
        for _ in range(2):
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            z = z ^ (z >> np.uint64(31))
    return torch.tensor((z >> np.uint64(40)).astype(np.float32) / float(1 << 24))


def _between(u: Tensor, low: float, high: float) -> Tensor:
    return low + (high - low) * u


def _below(u: Tensor, n: int) -> Tensor:
    return (u * n).long().clamp(max=n - 1)


def draw_scenes(seeds: Iterable[int], *, max_sprites: int = MAX_SPRITES) -> Scenes:
    """The scenes of these seeds; with `max_sprites` the nearest sprites of fuller scenes are left out."""
    seeds = tuple(seeds)
    each = (_SCENE_DRAWS, MAX_SPRITES * _SPRITE_DRAWS, MAX_SPRITES * _GAIT_DRAWS, _PAN_DRAWS)
    scene, sprite, gait, pan = _uniforms(seeds, sum(each)).split(each, dim=1)
    sprite = sprite.unflatten(1, (MAX_SPRITES, _SPRITE_DRAWS))
    gait = gait.unflatten(1, (MAX_SPRITES, _GAIT_DRAWS))
    counts = 1 + (scene[:, 0] > 0.6).long() + (scene[:, 0] > 0.9).long()
    counts = counts.clamp(max=max_sprites)
    largest = torch.tensor([0.30, 0.26, 0.22])[counts - 1]
    periods = _between(sprite[..., 0:4], 48, 150).unflatten(-1, (2, 2))
    phases = _between(sprite[..., 4:8], 0, 2 * pi).unflatten(-1, (2, 2))
    walks = gait[..., 0] < _FIGURES
    kinds = torch.where(walks, FIGURE, _below(sprite[..., 13], FIGURE))
    spinning = (sprite[..., 8] > 0.75) & ~walks
    leans = torch.where(walks, 0.3, 1.0)
    turns = [
        _between(sprite[..., 9], -0.5, 0.5) * leans,
        _between(sprite[..., 10], -0.06, 0.06) * spinning,
        _between(sprite[..., 11], 0, 0.4) * leans,
        2 * pi / _between(sprite[..., 12], 40, 100),
    ]
    gaits = [
        2 * pi / _between(gait[..., 1], 24, 48),
        _between(gait[..., 2], 0, 2 * pi),
        _between(gait[..., 3], 0.3, 0.6),
        _between(gait[..., 4], 0.3, 2.3),
    ]
    pans = [
        (pan[:, 0] < _PANS) * _between(pan[:, 1], 0.4, 0.8),
        2 * pi / _between(pan[:, 2], 80, 200),
        _between(pan[:, 3], 0, 2 * pi),
    ]
    steps = torch.arange(MAX_SPRITES).float() / MAX_SPRITES
    pattern = _below((scene[:, 1] - 0.5).clamp(min=0) * 2, len(PATTERNS))
    drifting = ((scene[:, 2] > 0.6) & (pattern > 0)).float()[:, None]
    n = max_sprites
    return Scenes(
        seeds=seeds,
        counts=counts,
        kinds=kinds[:, :n],
        colours=torch.argsort(scene[:, 3 : 3 + len(COLOURS)], dim=1)[:, :n],
        radii=(largest[:, None] * _between(sprite[..., 14], 0.72, 1))[:, :n],
        nearness=(0.55 + 0.45 * (steps + sprite[..., 15] / MAX_SPRITES))[:, :n],
        waves=torch.stack([2 * pi / periods, phases], dim=-1)[:, :n],
        turns=torch.stack(turns, dim=-1)[:, :n],
        gaits=torch.stack(gaits, dim=-1)[:, :n],
        pan=torch.stack(pans, dim=-1),
        ground=_below(scene[:, 9], len(GROUNDS)),
        pattern=pattern,
        ground_shape=torch.cat(
            [
                _between(scene[:, 10:11], 0.70, 0.82),
                _between(scene[:, 11:12], 0.22, 0.40),
                _between(scene[:, 12:13], 0, pi),
                _between(scene[:, 13:15], -0.008, 0.008) * drifting,
            ],
            dim=1,
        ),
    )


def centres(scenes: Scenes, times: Tensor, extent: tuple[float, float]) -> Tensor:
    """Sprite centres [B N T 2] (y, x) at `times` [T] in a frame of `extent` units; they never leave it.

    A pan takes part of their room from their own way, so that they too go against the camera.
    """
    rate, phase = scenes.waves.double()[..., None].unbind(-2)
    waves = torch.sin(rate * times + phase).float()
    path = 0.65 * waves[:, :, :, 0] + 0.35 * waves[:, :, :, 1]
    far = 0.5 * scenes.pan[:, None, :1]
    path[:, :, 1] = (1 - far) * path[:, :, 1] - far * panned(scenes, times)[:, None]
    half = torch.tensor(extent)[:, None] / 2
    room = (half - 0.85 * scenes.radii[:, :, None, None]).clamp(min=0)
    return (half + room * path).movedim(2, -1)


def panned(scenes: Scenes, times: Tensor) -> Tensor:
    """Where the camera looks [B T] at `times` [T], between -1 and 1, along x."""
    _, rate, phase = scenes.pan.double()[..., None].unbind(1)
    return torch.sin(rate * times + phase).float()


def ground_shift(scenes: Scenes, times: Tensor) -> Tensor:
    """How far the ground has moved [B 2 T] (y, x) at `times` [T], in units: its drift, and the pan."""
    shift = (scenes.ground_shape[:, 3:5, None].double() * times).float()
    shift[:, 1] -= GROUND_PAN * scenes.pan[:, :1] * panned(scenes, times)
    return shift


def angles(scenes: Scenes, times: Tensor) -> Tensor:
    """Sprite angles [B N T] in radians at `times` [T]."""
    start, spin, swing, rate = scenes.turns.double()[..., None].unbind(2)
    return (start + spin * times + swing * torch.sin(rate * times)).float()


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


def sprite_words(scenes: Scenes, clip: int, sprite: int) -> str:
    """Such as "a red star"."""
    colour = list(COLOURS)[int(scenes.colours[clip, sprite])]
    return f"a {colour} {list(SHAPES)[int(scenes.kinds[clip, sprite])]}"


def ground_words(scenes: Scenes, clip: int) -> str:
    """Such as "a gray striped background"."""
    pattern = PATTERNS[int(scenes.pattern[clip])]
    return f"a {list(GROUNDS)[int(scenes.ground[clip])]} {pattern} background"


def captions(scenes: Scenes) -> list[str]:
    """Such as "a red star and a blue circle on a gray striped background", a line a scene."""
    lines = []
    for clip, count in enumerate(scenes.counts.tolist()):
        sprites = " and ".join(sprite_words(scenes, clip, sprite) for sprite in range(count))
        lines.append(f"{sprites} on {ground_words(scenes, clip)}")
    return lines
