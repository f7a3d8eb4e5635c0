"""Seeds -> scenes of coloured sprites: what is there, how it moves, and in which words it is told.

Motion is an analytic function of time, so a scene has no end and any range of frames can be made again.
User seeds are below FIRST_TRAINING_SEED; the training of the embedded model draws only from there upwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import pi

import numpy as np
import torch
from torch import Tensor

from vacestream.sprites.shapes import FIGURE, SHAPES

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
