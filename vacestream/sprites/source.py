"""`sprites:SEED` as a source of frames: a scene's video and its exact signals, on one endless timeline."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from vacestream.errors import InputError
from vacestream.sprites.scenes import FIRST_TRAINING_SEED, Scenes, captions, draw_scenes
from vacestream.sprites.signals import SIGNALS
from vacestream.sprites.world import Clip, reference_picture, render

FPS = Fraction(16)
_FRAMES_AT_ONCE = 32


def _scene(seed: int) -> Scenes:
    if not 0 <= seed < FIRST_TRAINING_SEED:
        raise InputError(
            f"sprites:{seed}: a seed is a number from 0 to {FIRST_TRAINING_SEED - 1}; write sprites:0"
        )
    return draw_scenes([seed])


def _frames(pictures: Tensor) -> np.ndarray:
    """[T 3 H W] in 0..1 -> [T H W 3] uint8."""
    frames: Tensor = rearrange((pictures * 255).round().to(torch.uint8), "T c H W -> T H W c")
    return frames.contiguous().numpy()


class SpritesSource:
    """The Source of one seed; endless unless `num_frames` is given."""

    def __init__(
        self,
        seed: int,
        *,
        size: tuple[int, int],
        fps: Fraction = FPS,
        num_frames: int | None = None,
        draw: Callable[[Clip], Tensor] | None = None,
    ) -> None:
        if size[0] % 16 or size[1] % 16 or min(size) <= 0:
            raise InputError(f"sprites:{seed}: size {size[1]}x{size[0]} is not in steps of 16; write 64x64")
        self.seed, self.size, self.fps, self.num_frames = seed, size, fps, num_frames
        self._scene, self._draw, self._next = _scene(seed), draw, 0

    def read(self, n: int) -> np.ndarray:
        """[t H W 3] uint8, the next t <= n frames; t < n only at the end."""
        stop = self._next + n if self.num_frames is None else min(self._next + n, self.num_frames)
        parts = [np.zeros((0, *self.size, 3), np.uint8)]
        for start in range(self._next, stop, _FRAMES_AT_ONCE):
            clip = render(self._scene, range(start, min(start + _FRAMES_AT_ONCE, stop)), self.size)
            parts.append(_frames((self._draw(clip) if self._draw else clip.video)[0]))
        self._next = max(self._next, stop)
        return np.concatenate(parts)

    def signal(self, name: str) -> "SpritesSource":
        """The exact ground truth of the same frames, from the first on; names are those of SIGNALS."""
        if name not in SIGNALS:
            raise InputError(f"sprites:{self.seed}: no signal {name!r}; there are {', '.join(SIGNALS)}")
        return SpritesSource(
            self.seed, size=self.size, fps=self.fps, num_frames=self.num_frames, draw=SIGNALS[name]
        )

    def close(self) -> None:
        """Nothing is held."""


def reference(seed: int, size: tuple[int, int], *, sprite: int = 0) -> np.ndarray:
    """[H W 3] uint8: a sprite of the scene, upright on white; 0 is the farthest one."""
    scene = _scene(seed)
    if not 0 <= sprite < int(scene.counts[0]):
        raise InputError(
            f"sprites:{seed} has {int(scene.counts[0])} sprites, numbered from 0; there is no {sprite}"
        )
    picture: np.ndarray = _frames(reference_picture(scene, torch.tensor([sprite]), size))[0]
    return picture


def caption(seed: int) -> str:
    """Such as "a red star and a blue circle on a gray striped background"."""
    return captions(_scene(seed))[0]
