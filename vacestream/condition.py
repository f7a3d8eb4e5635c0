"""Sources on the global timeline -> the VCU of each chunk; frames are read as the chunks ask for them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Literal, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor

from vacestream.encode import MaskTime, pool_masks
from vacestream.errors import InputError
from vacestream.frames import to_pixels
from vacestream.timeline import Chunk, first_frame
from vacestream.vcu import AS_BEGUN, VCU, Ahead, Fading, Layer, Manner


class FrameSource(Protocol):
    """Frames of one timeline, read in order."""

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3] uint8, t < n only at the end."""


@dataclass(frozen=True)
class Pass:
    """One context pass over the whole timeline; its sources are read in step.

    control: frames that say what to make. kept: footage whose pixels stay where the mask is black; where it
    is white there is mid-gray, or the control. mask: white = generate; without one, everything is generated.
    """

    control: FrameSource | None = None
    kept: FrameSource | None = None
    mask: FrameSource | None = None
    scale: float = 1.0
    frames: tuple[int, int] | None = None
    """The first frame that the control acts on, and one past the last; all when left out."""
    steps: tuple[int, int] | None = None
    """The denoising steps it acts in, from 1, both ends included; all when left out."""
    rest: bool = False
    """Acts only where no other pass does, and where there are references or kept footage to carry."""
    feather: int = 0
    """Pixels outside the mask over which kept footage fades in."""
    footage: FrameSource | None = None
    """The input itself, read in step, for what is made anew of it."""


@dataclass(frozen=True)
class Steering:
    """What may differ from chunk to chunk without being a stream of frames."""

    prompt: str
    references: tuple[Tensor, ...] = ()  # [3 H W] each
    context_scale: float = 1.0
    strength: float | None = 1.0
    """None: it starts from noise, whatever footage there is."""
    negative_prompt: str = ""
    fading: Fading | None = None
    ahead: tuple[Ahead, ...] = ()
    scales: tuple[float, ...] | None = None
    """Of each pass, if they are not the passes' own."""
    reference_scales: tuple[float, ...] | None = None
    """Of each reference; all 1 when left out."""
    manner: Manner = AS_BEGUN
    neutral: bool = True
    """Whether passes act also where nothing is given: no control, nothing kept, no references or anchors."""
    anchor: Tensor | Literal["first", "source"] | None = None
    """What the attention sink is made anew of: a picture [3 H W], the first frames, or the footage of now."""


def make_vcus(
    chunks: Iterable[Chunk],
    passes: Sequence[Pass],
    steer: Callable[[Chunk], Steering],
    size: tuple[int, int],
    *,
    mask_time: MaskTime = "group",
    source: FrameSource | None = None,
) -> Iterator[tuple[Chunk, VCU]]:
    """The VCUs of the chunks, in order; `source` gives the frames that they start from.

    A chunk that reaches past the end of the video, or of the first source that ends, is filled by holding the
    last frames; its `end` says where the video stops.
    """
    held: dict[int, _Held] = {}  # passes may share a source, which is read once
    readers = [_PassReader(item, size, held) for item in passes]
    start = None if source is None else _Held(source)
    for chunk in chunks:
        parts, planned = [reader.read(chunk) for reader in readers], chunk
        started, pixels = start.take(chunk) if start else (None, None)
        counts = [started, *(got for got, _, _ in parts)]
        end = min((chunk.start + got for got in counts if got is not None), default=chunk.stop)
        if end <= chunk.start:
            return
        if end < chunk.stop and (chunk.end is None or end < chunk.end):
            chunk = replace(chunk, end=end)
        if mask_time == "nearest" and chunk.end is None:
            raise InputError("mask: `time: nearest` must know where the video ends; write `time: group`")
        told = [
            _told(reader, masks, planned, mask_time)
            for reader, (_, _, masks) in zip(readers, parts, strict=True)
        ]
        steering = steer(chunk)
        scales = steering.scales or [item.scale for item in passes]
        layers = tuple(
            Layer(
                frames,
                masks,
                latent_masks,
                _acting(item, chunk, scale, steering, frames, masks),
                item.steps,
                item.rest,
            )
            for item, scale, (_, frames, masks), latent_masks in zip(passes, scales, parts, told, strict=True)
        )
        kept = next((reader.kept_pixels for reader in readers if reader.kept_pixels), None)
        shown = next((reader.shown for reader in readers if reader.shown is not None), pixels)
        yield (
            chunk,
            VCU(
                steering.prompt,
                layers,
                steering.references,
                steering.context_scale,
                source=pixels,
                strength=steering.strength,
                fading=steering.fading,
                negative_prompt=steering.negative_prompt,
                kept=kept,
                ahead=steering.ahead,
                reference_scales=steering.reference_scales,
                manner=steering.manner,
                anchor=_anchor(steering, shown),
            ),
        )
        if chunk.end is not None and chunk.end <= chunk.stop:
            return


def _told(reader: "_PassReader", masks: Tensor, chunk: Chunk, how: MaskTime) -> Tensor:
    """The mask that each latent of a pass is told [f 1 H W]."""
    beyond = how == "nearest" and chunk.end is not None and chunk.stop < chunk.end
    return pool_masks(torch.cat([masks, reader.next_mask()]) if beyond else masks, chunk, how)


def _anchor(steering: Steering, shown: Tensor | None) -> Tensor | Literal["first"] | None:
    """What the sink is made anew of; `shown` are the frames [T 3 H W] of the footage."""
    if steering.anchor != "source":
        return steering.anchor
    assert shown is not None
    return shown[0]


def _acting(
    item: Pass, chunk: Chunk, scale: float, steering: Steering, frames: Tensor, masks: Tensor
) -> float | Tensor:
    """The scale of a pass, or of each of its latents [f]: 0 where none of its frames are meant."""
    if item.rest and item.kept is None and not steering.references:
        return 0.0
    carries = steering.neutral or steering.references or steering.ahead
    if not carries and not frames.any() and bool((masks == 1).all()):
        return 0.0
    if item.frames is None:
        return scale
    start, stop = item.frames
    latents = range(chunk.first_latent, chunk.first_latent + chunk.num_latents)
    acts = [first_frame(j) < stop and first_frame(j + 1) > start for j in latents]
    if all(acts) or not any(acts):
        return scale if all(acts) else 0.0
    return scale * torch.tensor(acts, dtype=torch.float32)


def soft(masks: Tensor, feather: int) -> Tensor:
    """Masks [T 1 H W] of 0 and 1 -> the share of what is made: falls to 0 over `feather` pixels outside."""
    if not feather:
        return masks
    keeps = (masks[:, 0] <= 0.5).to(torch.uint8).cpu().numpy()
    far = [cv2.distanceTransform(keep, cv2.DIST_L2, 5) if keep.min() == 0 else keep * inf for keep in keeps]
    distance = torch.from_numpy(np.stack(far).astype(np.float32))[:, None]
    return (1 - distance / (feather + 1)).clamp(0, 1).to(masks)


class _PassReader:
    """Reads the sources of one pass, a chunk at a time."""

    def __init__(self, item: Pass, size: tuple[int, int], held: "dict[int, _Held]") -> None:
        self.size, self.feather, self.frames = size, item.feather, item.frames
        self.footage = _Held(item.footage) if item.footage else None
        self.shown: Tensor | None = None
        self.kept_pixels: tuple[Tensor, Tensor] | None = None
        self.control, self.kept, self.mask = (
            None if source is None else held.setdefault(id(source), _Held(source))
            for source in (item.control, item.kept, item.mask)
        )

    def read(self, chunk: Chunk) -> tuple[int | None, Tensor, Tensor]:
        """How many frames there really were (None: no source), frames [T 3 H W], masks [T 1 H W]."""
        got: list[int] = []

        def take(source: "_Held") -> Tensor:
            count, pixels = source.take(chunk)
            got.append(count)
            return pixels

        self.shown = take(self.footage) if self.footage else None
        T = chunk.num_frames
        frames = torch.zeros(T, 3, *self.size) if self.control is None else take(self.control)
        if self.frames is not None:
            times = torch.arange(chunk.start, chunk.stop)
            meant = (times >= self.frames[0]) & (times < self.frames[1])
            frames = frames * meant[:, None, None, None]
        masks = torch.ones(T, 1, *self.size)
        if self.mask is not None:
            masks = _made(take(self.mask))
        if self.kept is not None:
            source = take(self.kept)
            frames = source * (1 - masks) + frames * masks
            self.kept_pixels = source, soft(masks, self.feather)
        return min(got, default=None), frames, masks

    def next_mask(self) -> Tensor:
        """The mask of the frame after those that were read [1 1 H W]."""
        return torch.ones(1, 1, *self.size) if self.mask is None else _made(self.mask.peek())


def _made(pixels: Tensor) -> Tensor:
    """White and black [T 3 H W] -> 1 and 0 [T 1 H W]."""
    return (pixels.mean(dim=1, keepdim=True) > 0).float()


class _Held:
    """A source whose last frame stands still when it has ended."""

    def __init__(self, source: FrameSource) -> None:
        self.source, self.last = source, torch.empty(0)
        self._chunk, self._taken = -1, (0, self.last)
        self._seen: list[np.ndarray] = []
        """The next frame [1 H W 3], where it was looked at before it is taken."""

    def take(self, chunk: Chunk) -> tuple[int, Tensor]:
        """Frames that were there, and as many as the chunk holds [T 3 H W]; a chunk is read once."""
        if chunk.index != self._chunk:
            self._chunk, self._taken = chunk.index, self._read(chunk)
        return self._taken

    def peek(self) -> Tensor:
        """The next frame, or the last one again [1 3 H W]."""
        self._seen = self._seen or [frame for frame in [self.source.read(1)] if len(frame)]
        return to_pixels(self._seen[0]) if self._seen else self.last

    def _read(self, chunk: Chunk) -> tuple[int, Tensor]:
        frames = [*self._seen, self.source.read(chunk.num_wanted - len(self._seen))]
        self._seen = []
        pixels = to_pixels(np.concatenate(frames))
        count = len(pixels)
        if count:
            self.last = pixels[-1:].clone()
        if not len(self.last):
            raise InputError("a source ended before its first frame")
        return count, torch.cat([pixels, self.last.expand(chunk.num_frames - count, -1, -1, -1)])
