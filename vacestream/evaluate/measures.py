"""One number of one made clip, held against the truth."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vacestream.evaluate import judge
from vacestream.evaluate.asks import Ask
from vacestream.evaluate.truth import Truth
from vacestream.pipelines import PIPELINES
from vacestream.sprites.scenes import COLOURS
from vacestream.timeline import chunks, first_frame

LEVEL = 1 / 255
"""A gray level: no divisor is taken to be less."""
LUMA = (0.114, 0.587, 0.299)
"""Of R, G, B, as VACE takes them."""


@dataclass(frozen=True)
class Measure:
    """A name, what it gives for frames [T 3 H W] in 0..1, and how it is read."""

    name: str
    of: Callable[[Tensor, Truth, Ask], float]
    share: bool = False
    """A share of clips, in 0..1."""
    less: bool = False
    """The less, the better."""
    decoded: bool = False
    """Of frames as they were decoded, before kept pixels are put back."""
    canvas: bool = False
    """Of the whole output, where that is wider than the clip."""


def _iou(made: Tensor, truth: Truth, ask: Ask) -> float:
    return judge.overlap(judge.silhouette(made), truth.instances > 0)


def _depth_error(made: Tensor, truth: Truth, ask: Ask) -> float:
    colours, nearness = truth.scenes.colours[0], truth.scenes.nearness[0]
    here = slice(truth.num_sprites)
    floor = 0.35 * (truth.clip.grid[0][0] / truth.clip.extent[0]).clamp(0, 1)
    seen = judge.depth_of(made, colours[here].tolist(), nearness[here], floor.expand(truth.size))
    return float((seen - truth.depth).abs().mean())


def _colour(made: Tensor, truth: Truth, ask: Ask) -> float:
    """At the sprites' places where something says where they are, else anywhere."""
    wanted = truth.other if ask.references == "other" else truth.scenes
    right = 0
    for n in range(truth.num_sprites):
        place = truth.instances == n + 1
        looked_at = place if ask.control else torch.ones_like(place)
        colour = judge.main_colour(made, looked_at, float(place.sum()))
        right += colour == int(wanted.colours[0, n])
    return right / truth.num_sprites


def _shape(made: Tensor, truth: Truth, ask: Ask) -> float:
    shape = judge.shape_of(judge.silhouette(made), float((truth.instances > 0).sum()))
    return float(shape == int(truth.scenes.kinds[0, 0]))


def _ground(made: Tensor, truth: Truth, ask: Ask) -> float:
    return float(judge.ground_of(made) == int(truth.scenes.ground[0]))


def psnr(made: Tensor, true: Tensor) -> float:
    return float(-10 * (made - true).square().mean().clamp(min=1e-10).log10())


def _first(made: Tensor, truth: Truth, ask: Ask) -> float:
    return psnr(made[0], truth.video[0])


def _last(made: Tensor, truth: Truth, ask: Ask) -> float:
    return psnr(made[-1], truth.video[-1])


def _half(made: Tensor, truth: Truth, ask: Ask) -> float:
    side = made.shape[3] // 2
    return psnr(made[..., :side], truth.video[..., :side])


def _unpainted(made: Tensor, truth: Truth, ask: Ask) -> float:
    """Whether the first frame is nearer to the video's others than to the picture of the reference."""
    picture = (truth.references("own")[0] + 1) / 2
    there = (made[0] - picture).square().mean()
    return float((made[0] - made[len(made) // 2]).square().mean() < there)


def _flicker(made: Tensor, truth: Truth, ask: Ask) -> float:
    """Mean of the second difference in time: none for still and for even motion."""
    return float((made[2:] - 2 * made[1:-1] + made[:-2]).abs().mean())


def _seam(made: Tensor, truth: Truth, ask: Ask) -> float:
    """Change across chunk borders over change elsewhere."""
    change = (made[1:] - made[:-1]).abs().flatten(1).mean(1)
    border = torch.zeros(len(change), dtype=torch.bool)
    for chunk in chunks(PIPELINES["sprites"], len(made)):
        if chunk.start:
            border[chunk.start - 1] = True
    return float(change[border].mean() / change[~border].mean().clamp(min=1e-6))


def _before(chunk: int) -> slice:
    """The frames of the five chunks before this one."""
    return slice(first_frame(3 * (chunk - 5)), first_frame(3 * chunk))


def _overlap_before(chunk: int) -> Callable[[Tensor, Truth, Ask], float]:
    def overlap(made: Tensor, truth: Truth, ask: Ask) -> float:
        here = _before(chunk)
        return judge.overlap(judge.silhouette(made[here]), truth.instances[here] > 0)

    return overlap


def _drift_before(chunk: int) -> Callable[[Tensor, Truth, Ask], float]:
    """How far the mean colour of the ground has gone from what it was in the first five chunks."""

    def drift(made: Tensor, truth: Truth, ask: Ask) -> float:
        then, now = (_ground_mean(made[_before(at)]) for at in (5, chunk))
        return float((now - then).abs().mean())

    return drift


def _ground_mean(frames: Tensor) -> Tensor:
    pixels = frames.movedim(-3, -1)[~judge.silhouette(frames)]
    return pixels.mean(0) if len(pixels) else torch.zeros(3)


def _early(made: Tensor, truth: Truth, ask: Ask) -> float:
    fifth = slice(0, len(made) // 5)
    return judge.overlap(judge.silhouette(made[fifth]), truth.instances[fifth] > 0)


def _late(made: Tensor, truth: Truth, ask: Ask) -> float:
    fifth = slice(-(len(made) // 5), None)
    return judge.overlap(judge.silhouette(made[fifth]), truth.instances[fifth] > 0)


def _late_colour(made: Tensor, truth: Truth, ask: Ask) -> float:
    late = made[-(len(made) // 5) :]
    area = float((truth.instances > 0).sum()) / 5
    place = torch.ones(late.shape[0], *late.shape[2:], dtype=torch.bool)
    return float(judge.main_colour(late, place, area) == int(truth.scenes.colours[0, 0]))


def _border_error(made: Tensor, truth: Truth, ask: Ask) -> float:
    """What the silhouette misses in the frames beside chunk borders, over what it misses in the others."""
    seen, true = judge.silhouette(made), truth.instances > 0
    missed = 1 - torch.tensor([judge.overlap(a, b) for a, b in zip(seen, true, strict=True)])
    beside = torch.zeros(len(made), dtype=torch.bool)
    for chunk in chunks(PIPELINES["sprites"], len(made)):
        if chunk.start:
            beside[chunk.start - 1 : chunk.start + 1] = True
    return float(missed[beside].mean() / missed[~beside].mean().clamp(min=LEVEL))


def _luma_error(made: Tensor, truth: Truth, ask: Ask) -> float:
    """Gray levels between the luma of what was made and of the clip, as VACE weighs it."""
    weights = torch.tensor(LUMA)[:, None, None]
    return float(((made - truth.video) * weights).sum(1).abs().mean() * 255)


def _both_colours(made: Tensor, truth: Truth, ask: Ask) -> float:
    """Which share of the colours of two references are seen, each on a tenth of the sprite's area or more."""
    strong = judge.silhouette(made)
    seen = judge.nearest_colour(made)[strong].bincount(minlength=len(COLOURS))
    area = float((truth.instances > 0).sum())
    wanted = [int(scenes.colours[0, 0]) for scenes in (truth.scenes, truth.other)]
    return sum(float(seen[colour]) > judge.SEEN * area for colour in wanted) / len(wanted)


IOU = Measure("silhouette IoU", _iou)
DEPTH_ERROR = Measure("depth error", _depth_error, less=True)
COLOUR = Measure("colour right", _colour, share=True)
SHAPE = Measure("shape right", _shape, share=True)
GROUND = Measure("ground right", _ground, share=True)
FIDELITY = Measure("PSNR", lambda made, truth, ask: psnr(made, truth.video))
FIRST = Measure("first frame PSNR", _first)
LAST = Measure("last frame PSNR", _last)
KEPT_HALF = Measure("left half PSNR", _half)
UNPAINTED = Measure("reference not painted into frame 0", _unpainted, share=True)
FLICKER = Measure("flicker", _flicker, less=True)
SEAM = Measure("seam ratio at chunk borders", _seam, less=True)
EARLY = Measure("silhouette IoU, first fifth", _early)
LATE = Measure("silhouette IoU, last fifth", _late)
LATE_COLOUR = Measure("colour right, last fifth", _late_colour, share=True)
BORDER_ERROR = Measure("misses at chunk borders over elsewhere", _border_error, less=True)
LUMA_ERROR = Measure("luma error, gray levels", _luma_error, less=True)
BOTH_COLOURS = Measure("colours seen", _both_colours, share=True)
IOU_AT = {at: Measure(f"silhouette IoU before chunk {at}", _overlap_before(at)) for at in (5, 50, 120)}
DRIFT_AT = {at: Measure(f"ground drift before chunk {at}", _drift_before(at), less=True) for at in (50, 120)}
