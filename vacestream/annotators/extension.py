"""Pictures and clips that stay, mid-gray frames between them, and the mask of what is to be made."""

import random
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Literal

import numpy as np

from vacestream.errors import InputError
from vacestream.media.compose import BLACK, GRAY, WHITE, plain
from vacestream.media.contracts import Source
from vacestream.media.fit import letterbox_on_white
from vacestream.media.playback import IndexedSource
from vacestream.media.sources import open_source

Streams = dict[Literal["frames", "mask"], Source]
Mode = Literal["firstframe", "lastframe", "firstlastframe", "firstclip", "lastclip", "firstlastclip"]


def extension(
    source: Source,
    *,
    mode: Mode,
    expand_num: int,
    lastframe: str | None = None,
    lastclip: str | None = None,
) -> Streams:
    """`source` at its place, `expand_num` frames to make, and at the end the other picture or clip."""
    other = lastframe or lastclip
    kept = [source] if other is None else [source, Letterboxed(open_source(other), source)]
    counts = [_count(part, mode) for part in kept]
    gap = plain(GRAY, source.size, source.fps, expand_num)
    parts: list[tuple[Source, int]] = list(zip(kept, counts, strict=True))
    parts.insert(0 if mode.startswith("last") else 1, (gap, expand_num))
    starts = list(accumulate((count for _, count in parts), initial=0))
    at = next(start for (part, _), start in zip(parts, starts, strict=False) if part is gap)
    frames = Spliced(parts)
    return {"frames": frames, "mask": masked(frames, lambda i: at <= i < at + expand_num)}


def kept_frames(
    source: Source, *, mode: Literal["first", "last", "firstlast", "random"], ref_num: int, seed: int
) -> Streams:
    """A clip of which `ref_num` frames stay; the others are to be made."""
    total = _count(source, "clip")
    match mode:
        case "random":
            kept = set(random.Random(seed).sample(range(total), min(ref_num, total)))
        case _:
            first = range(ref_num if mode != "last" else 0)
            last = range(total - ref_num if mode != "first" else total, total)
            kept = {*first, *last}
    return {
        "frames": Grayed(source, lambda i: i not in kept),
        "mask": masked(source, lambda i: i not in kept),
    }


def masked(source: Source, is_made: Callable[[int], bool]) -> Source:
    """White frames where something is to be made, as many as the source has."""
    pictures = {value: np.full((*source.size, 3), value, np.uint8) for value in (WHITE, BLACK)}
    return IndexedSource(
        lambda i: pictures[WHITE if is_made(i) else BLACK],
        size=source.size,
        fps=source.fps,
        num_frames=source.num_frames,
    )


class Spliced:
    """Sources one after another, each for a number of frames."""

    def __init__(self, parts: Sequence[tuple[Source, int]]) -> None:
        self._parts, self._left = [part for part, _ in parts], [count for _, count in parts]
        self.size, self.fps = self._parts[0].size, self._parts[0].fps
        self.num_frames: int | None = sum(self._left)

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        pieces = [np.empty((0, *self.size, 3), np.uint8)]
        for i, part in enumerate(self._parts):
            count = min(n, self._left[i])
            if count:
                pieces.append(part.read(count))
                self._left[i] -= count
                n -= count
        return np.concatenate(pieces)

    def close(self) -> None:
        """Close all of them."""
        for part in self._parts:
            part.close()


class Letterboxed:
    """A source in the size and at the rate of another, whole, on white."""

    def __init__(self, source: Source, like: Source) -> None:
        self._source = source
        self.size, self.fps, self.num_frames = like.size, like.fps, source.num_frames

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        frames = [letterbox_on_white(frame, self.size) for frame in self._source.read(n)]
        return np.stack(frames) if frames else np.empty((0, *self.size, 3), np.uint8)

    def close(self) -> None:
        """Close it."""
        self._source.close()


class Grayed:
    """A source with mid-gray in place of some frames."""

    def __init__(self, source: Source, is_made: Callable[[int], bool]) -> None:
        self._source, self._is_made, self._next = source, is_made, 0
        self.size, self.fps, self.num_frames = source.size, source.fps, source.num_frames

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        frames = self._source.read(n).copy()
        for i in range(len(frames)):
            if self._is_made(self._next + i):
                frames[i] = GRAY
        self._next += len(frames)
        return frames

    def close(self) -> None:
        """Close it."""
        self._source.close()


def _count(source: Source, mode: str) -> int:
    """How many frames stay; a frame is one, a clip has an end."""
    if source.num_frames is None:
        raise InputError(f"a clip of {mode} has no end that is known; name a file, or add --set end=4s")
    if mode.endswith("frame") and source.num_frames != 1:
        clip = mode.replace("frame", "clip")
        raise InputError(f"{mode} keeps one picture, and this is {source.num_frames} frames; write {clip}")
    return source.num_frames
