"""Frames uint8 [T H W 3] -> files, pipes and images, visible as soon as they are written."""

import stat
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np

from vacestream.errors import OutputError, RecipeError
from vacestream.media.colour import Colour as Colour
from vacestream.media.contracts import Sink as Sink
from vacestream.media.encoder import EncoderSink
from vacestream.media.formats import SUFFIXES, Encoding, encoding
from vacestream.media.images import NUMBER, write_image
from vacestream.media.sound import Audio as Audio

Kind = Literal["video", "pipe", "frames", "still"]
STILLS = (".png", ".jpg", ".jpeg", ".webp")


class FramesSink:
    """A numbered image a frame, from 1 as ffmpeg counts."""

    def __init__(self, pattern: str) -> None:
        folder = Path(pattern).parent
        try:
            folder.mkdir(exist_ok=True)
        except OSError as e:
            raise OutputError(
                f"{folder}: cannot be made ({e.strerror}); make its parent folders first"
            ) from e
        self._pattern, self._number = pattern, 0

    def write(self, frames: np.ndarray) -> None:
        """[T H W 3] -> T files."""
        for frame in frames:
            self._number += 1
            write_image(Path(NUMBER.sub(lambda place: place[0] % self._number, self._pattern)), frame)

    def close(self) -> None:
        """Every file is complete already."""

    def abort(self) -> None:
        """Every file is complete already."""


class StillSink:
    """One image: the last frame."""

    def __init__(self, path: Path) -> None:
        _check_folder(path)
        self._path = path

    def write(self, frames: np.ndarray) -> None:
        """[T H W 3]: the last replaces what is there."""
        if len(frames):
            write_image(self._path, frames[-1])

    def close(self) -> None:
        """The image is complete already."""

    def abort(self) -> None:
        """The image is complete already."""


class Tee:
    """Several sinks that get the same frames."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks

    def write(self, frames: np.ndarray) -> None:
        """[T H W 3] to each."""
        for sink in self._sinks:
            sink.write(frames)

    def close(self) -> None:
        """Finish each, also after one has failed; then tell the first failure."""
        failures = []
        for sink in self._sinks:
            try:
                sink.close()
            except OutputError as e:
                failures.append(e)
        if failures:
            raise failures[0]

    def abort(self) -> None:
        """Stop each."""
        for sink in self._sinks:
            sink.abort()


def sink_kind(path: str, *, container: str | None = None) -> Kind:
    """What a name is written as; RecipeError for a name that means nothing."""
    suffix = Path(path).suffix.lower()
    if path == "-" or _is_fifo(path):
        return "pipe"
    if NUMBER.search(Path(path).name) and suffix in STILLS:
        return "frames"
    if suffix in STILLS:
        return "still"
    if suffix in SUFFIXES or container:
        return "video"
    raise RecipeError(
        f"{path}: '{suffix}' is not written; use {', '.join(SUFFIXES)}, frames/%05d.png, "
        f"a still ({', '.join(STILLS)}), or -"
    )


def open_sink(
    path: str,
    size: tuple[int, int],
    fps: Fraction,
    *,
    written: Encoding | None = None,
    crf: int = 18,
    comment: str | None = None,
    audio: Audio | None = None,
    colour: Colour | None = None,
) -> Sink:
    """Open what `path` names for frames of (height, width) `size`; replaces what is there when complete.

    `written`: how, where the path alone does not say it.
    """
    kind = "video" if written else sink_kind(path)
    match kind:
        case "frames":
            return FramesSink(path)
        case "still":
            return StillSink(Path(path))
        case "pipe" | "video":
            if path != "-" and not _is_fifo(path):
                _check_folder(Path(path))
            how = written or encoding(path)
            return EncoderSink(
                path, size, fps, encoding=how, crf=crf, comment=comment, audio=audio, colour=colour
            )


def _check_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder '{path.parent}'; make it first")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; name a file in it")


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(Path(path).stat().st_mode)
    except OSError:
        return False
