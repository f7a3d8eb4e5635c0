"""Evaluation clips of the embedded world: seeds -> a scene, its frames and all that is true of them."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from vacestream.sprites.scenes import Scenes, captions, draw_scenes, ground_words
from vacestream.sprites.world import Clip, reference_picture, render

FIRST_SEED = 700_000
"""Evaluation seeds count from here: users' seeds, below all that training draws."""
OTHERS = 50_000
"""Added to a seed: where the search for another clip's reference begins."""
PAIRS = 100_000
"""Added to a seed: where the search for a scene of two sprites begins."""


@dataclass(frozen=True)
class Given:
    """What a recipe keeps of its footage."""

    source: Tensor
    """[T 3 H W] in 0..1, of the whole canvas."""
    share: Tensor
    """[T H W]: how much of a pixel is made; where it is 0 it stays."""
    frames: tuple[int, ...] = ()
    """The frames that it names as given whole."""


@dataclass(frozen=True)
class Truth:
    """One clip and everything that can be said of it."""

    seed: int
    clip: Clip
    """A batch of one."""
    other: Scenes
    """A scene of one sprite whose colour and shape are neither of this clip's."""
    given: Given | None = None

    @property
    def scenes(self) -> Scenes:
        return self.clip.scenes

    @property
    def num_sprites(self) -> int:
        return int(self.scenes.counts[0])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        height, width = self.clip.distance.shape[-2:]
        return height, width

    @cached_property
    def video(self) -> Tensor:
        """[T 3 H W] in 0..1."""
        return self.clip.video[0]

    @cached_property
    def instances(self) -> Tensor:
        """[T H W]: the sprite that is seen, from 1, 0 = ground."""
        return self.clip.instances[0]

    @cached_property
    def depth(self) -> Tensor:
        """[T H W] in 0..1, near = bright."""
        return self.clip.depth[0]

    def caption(self, *, named: bool) -> str:
        """Sprites and ground, or the ground alone."""
        return captions(self.scenes)[0] if named else ground_words(self.scenes, 0)

    def references(self, whose: str) -> tuple[Tensor, ...]:
        """[3 H W] in -1..1 each: the sprites of this clip ("own"), or of another ("other")."""
        scenes = self.other if whose == "other" else self.scenes
        return tuple(
            reference_picture(scenes, torch.tensor([n]), self.size)[0] * 2 - 1
            for n in range(int(scenes.counts[0]))
        )


def make_alone(index: int, size: tuple[int, int], *, num_frames: int = 33) -> Truth:
    """Evaluation clip number `index` of those that `sprites:SEED` shows with one sprite."""
    counts = draw_scenes(range(FIRST_SEED, FIRST_SEED + 4 * (index + 8))).counts
    return make_truth(int((counts == 1).nonzero()[index]), size, num_frames=num_frames)


def make_truth(index: int, size: tuple[int, int], *, sprites: int = 1, num_frames: int = 33) -> Truth:
    """Evaluation clip number `index`, of one sprite or of two."""
    seed = FIRST_SEED + index if sprites == 1 else _pair(index)
    scenes = draw_scenes([seed], max_sprites=sprites)
    return Truth(seed, render(scenes, range(num_frames), size), _other(seed, scenes))


def _pair(index: int) -> int:
    """The seed of scene number `index` that has two sprites; three in ten have."""
    first = FIRST_SEED + PAIRS
    counts = draw_scenes(range(first, first + 8 * (index + 8))).counts
    return first + int((counts == 2).nonzero()[index])


def _other(seed: int, scenes: Scenes) -> Scenes:
    here = slice(int(scenes.counts[0]))
    colours, kinds = scenes.colours[0, here].tolist(), scenes.kinds[0, here].tolist()
    while True:
        seed += OTHERS
        other = draw_scenes([seed], max_sprites=1)
        if int(other.colours[0, 0]) not in colours and int(other.kinds[0, 0]) not in kinds:
            return other
