"""Frames [T H W 3] -> a video file or pipe, through the shipped ffmpeg; the file plays while it grows."""

import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np

from vacestream.errors import OutputError
from vacestream.media import ffmpeg
from vacestream.media.colour import SD, Colour
from vacestream.media.formats import Encoding, even
from vacestream.media.sound import Audio, sound_of

PATIENCE = 5.0
"""Seconds that the reader of a pipe has to take what is left, once the render has stopped."""


class EncoderSink:
    """Pipes raw frames into ffmpeg; NAME.part.mp4 becomes NAME.mp4 when it is complete."""

    def __init__(
        self,
        path: str,
        size: tuple[int, int],
        fps: Fraction,
        *,
        encoding: Encoding,
        crf: int = 18,
        comment: str | None = None,
        audio: Audio | None = None,
        colour: Colour | None = None,
    ) -> None:
        if (fitting := even(size, encoding.codec)) != size:
            raise OutputError(
                f"{path}: {size[1]}x{size[0]} is odd, which this kind of file cannot hold; "
                f"use {fitting[1]}x{fitting[0]}, or lossless .mkv"
            )
        self._size, self._path, self._part = size, path, part_of(path)
        if self._part is not None:
            _check_writable(self._part)
        args = _inputs(size, fps, encoding, audio)
        args += _encoder(encoding, colour or Colour(), crf, max(1, round(fps)))
        if comment is not None:
            args += ["-metadata", f"comment={comment}"]
        args += encoding.container.piped if self._part is None else encoding.container.flags
        args += ["-flush_packets", "1"]
        args += ["-f", encoding.container.muxer]
        where = "pipe:1" if path == "-" else ffmpeg.file(self._part or path)
        self._child = ffmpeg.start([*args, "-y", where], stdin=subprocess.PIPE, stdout=None)
        self._open, self._is_empty = True, True

    def write(self, frames: np.ndarray) -> None:
        """[T H W 3] uint8."""
        if frames.dtype != np.uint8 or frames.shape[1:] != (*self._size, 3):
            raise ValueError(f"{frames.shape = }, {frames.dtype = } for {self._size = }")
        stdin = self._child.process.stdin
        assert stdin is not None
        try:
            stdin.write(np.ascontiguousarray(frames).data)
            stdin.flush()
        except OSError as e:
            raise self._failure() from e
        self._is_empty &= not len(frames)

    def close(self) -> None:
        """Wait for the encoder and give the file its name."""
        if not self._open:
            return
        try:
            status = self._child.end()
        except BaseException:
            self.abort()
            raise
        if status != 0:
            raise self._failure()
        self.abort()
        if self._is_empty:
            raise OutputError(f"{self._path}: no frame was made, so nothing is written")
        if self._part is not None:
            try:
                self._part.replace(self._path)
            except OSError as e:
                raise OutputError(f"{self._path}: cannot be replaced ({e}); it is {self._part}") from e

    def abort(self) -> None:
        """Let the encoder finish what it has; the file keeps its .part name."""
        self._open = False
        self._child.end(patience=PATIENCE if self._part is None else None)
        self._child.log.close()
        if self._is_empty and self._part is not None:
            self._part.unlink(missing_ok=True)

    def _failure(self) -> OutputError:
        """Why the encoder is gone, in its last words."""
        self._child.end()
        words = self._child.last_words()
        self.abort()
        kept = f"; what was written is {self._part}" if self._part is not None and self._part.exists() else ""
        return OutputError(f"{self._path}: the encoder stopped ({words}){kept}")


def _inputs(size: tuple[int, int], fps: Fraction, encoding: Encoding, audio: Audio | None) -> list[str]:
    """The arguments that open frames and sound, and say which streams are written."""
    args = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[1]}x{size[0]}"]
    args += ["-r", f"{fps.numerator}/{fps.denominator}", "-i", "pipe:0"]
    sound = None if audio is None else sound_of(audio.path)
    if audio is not None and sound is not None:
        args += [*sound.input(audio), "-map", "1:a:0", *sound.output(audio, encoding.container.sound)]
    return [*args, "-map", "0:v"]


def _encoder(encoding: Encoding, colour: Colour, crf: int, gop: int) -> list[str]:
    """The arguments that encode the frames; a key frame every `gop`."""
    codec = encoding.codec
    args = ["-vf", (colour if encoding.container.sound else SD).filters(codec)]
    args += [*encoding.options, "-pix_fmt", codec.pixels, "-g", str(gop)]
    return [*args, "-crf", str(crf)] if codec.crf else args


def part_of(path: str) -> Path | None:
    """NAME.part.mp4 for NAME.mp4; pipes have none."""
    file = Path(path)
    if path == "-" or (file.exists() and not file.is_file()):
        return None
    return file.with_name(f"{file.stem}.part{file.suffix}")


def _check_writable(part: Path) -> None:
    try:
        part.open("wb").close()
    except OSError as e:
        raise OutputError(f"{part}: cannot be written ({e.strerror})") from e
