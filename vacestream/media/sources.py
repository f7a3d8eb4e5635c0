"""Anything that `input` may name -> frames uint8 [t H W 3], in order, fitted, at a constant rate."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from vacestream.errors import InputError
from vacestream.media import patterns
from vacestream.media.contracts import SignalledSource as SignalledSource
from vacestream.media.contracts import Source as Source
from vacestream.media.feed import Waits as Waits
from vacestream.media.feed import open_feed
from vacestream.media.fit import Fit, place
from vacestream.media.images import read_image
from vacestream.media.info import FREE_SIZE, IMAGE_FPS, MediaInfo, as_fraction, nearest
from vacestream.media.playback import HoldSource, IndexedSource, LateSource, LoopSource
from vacestream.media.probe import image_paths, kind_of, probe
from vacestream.media.stream import Y4mSource, is_stream, stream
from vacestream.media.video import VideoSource

AtEnd = Literal["stop", "loop", "hold", "free"]
"""What follows the last frame: nothing, the first again, itself again; free frames are made by others."""


@dataclass(frozen=True)
class _Asked:
    """What is asked of a source, `at_end` aside."""

    where: str
    size: tuple[int, int] | None
    fps: Fraction | None
    fit: Fit
    start: Fraction
    end: Fraction | None
    signal: str | None
    waits: Waits


def open_source(
    where: str,
    *,
    size: tuple[int, int] | None = None,
    fps: Fraction | None = None,
    fit: Fit = "crop",
    start: Fraction | float = 0,
    end: Fraction | float | None = None,
    at_end: AtEnd = "stop",
    signal: str | None = None,
    waits: Waits = Waits(),  # noqa: B008  (frozen)
) -> Source:
    """Open a file, folder, numbered pattern, a pipe or `-`, test:NAME, sprites:SEED, camera, screen or URL.

    Times are in seconds. `waits`: what becomes of frames of the last three that nobody has read yet. `signal`
    asks a sprites: source for the exact depth, pose, ... of its frames instead of the frames.
    """
    stop = None if end is None else as_fraction(end)
    asked = _Asked(where, size, fps, fit, as_fraction(start), stop, signal, waits)
    if at_end == "loop":
        if is_stream(where):
            name = "stdin" if where == "-" else where
            raise InputError(f"{name}: cannot be looped; write it to a file first, or say `at_end: hold`")
        return LoopSource(lambda: _open(asked))
    return HoldSource(_open(asked)) if at_end == "hold" else _open(asked)


def _open(asked: _Asked) -> Source:
    kind, where = kind_of(asked.where), asked.where
    if asked.signal is not None and not where.startswith("sprites:"):
        raise InputError(
            f"{where}: has no exact {asked.signal}; only sprites: sources come with their signals"
        )
    match kind:
        case "free":
            return _drawn(asked)
        case "live":
            size, fps = asked.size or FREE_SIZE, asked.fps or IMAGE_FPS
            lasts = None if asked.end is None else nearest((asked.end - asked.start) * fps)
            return open_feed(where, size, fps, asked.fit, asked.waits, lasts)
        case "stream":
            return Y4mSource(
                stream(where), size=asked.size, fps=asked.fps, fit=asked.fit, start=asked.start, end=asked.end
            )
        case "still" | "images":
            return _images(asked)
        case "video":
            return VideoSource(
                probe(where), size=asked.size, fps=asked.fps, fit=asked.fit, start=asked.start, end=asked.end
            )


def _drawn(asked: _Asked) -> Source:
    """A pattern or a clip of the Sprites world, drawn at the size that is asked for."""
    info = MediaInfo(asked.where, asked.size or FREE_SIZE, asked.fps or IMAGE_FPS, None)
    first, num_frames = _range(info, info.fps, asked)
    kind, _, name = asked.where.partition(":")
    if kind == "test":
        frame_at = patterns.pattern(name, info.size)
        return IndexedSource(frame_at, size=info.size, fps=info.fps, first=first, num_frames=num_frames)
    if not name.isdecimal():
        raise InputError(f"{asked.where}: the word after sprites: is a seed, such as sprites:7")
    from vacestream.sprites.source import SpritesSource

    stop = None if num_frames is None else first + num_frames
    source: SignalledSource = SpritesSource(int(name), size=info.size, fps=info.fps, num_frames=stop)
    source = LateSource(source, first) if first else source
    return source if asked.signal is None else source.signal(asked.signal)


def _images(asked: _Asked) -> Source:
    """Images, a frame each at any rate."""
    info, where = probe(asked.where), Path(asked.where)
    paths = [where] if where.is_file() else image_paths(asked.where)
    placement = place(info.size, asked.size, asked.fit)

    def frame_at(index: int) -> np.ndarray:
        frame = read_image(paths[index])
        if frame.shape[:2] != info.size:
            height, width = frame.shape[:2]
            raise InputError(
                f"{paths[index]}: is {width}x{height}, the first image is {info.size[1]}x{info.size[0]}; "
                "the frames of one video have one size"
            )
        return placement.apply(frame)

    rate = asked.fps or info.fps
    first, num_frames = _range(info, rate, asked)
    return IndexedSource(frame_at, size=placement.target, fps=rate, first=first, num_frames=num_frames)


def _range(info: MediaInfo, rate: Fraction, asked: _Asked) -> tuple[int, int | None]:
    """The first frame at a rate, and how many there are from it."""
    return nearest(asked.start * rate), info.frames_at(rate, start=asked.start, end=asked.end)
