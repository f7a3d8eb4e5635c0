"""Frames [T H W 3] -> a video file or pipe, through the shipped ffmpeg; the file plays while it grows."""

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vacestream.errors import OutputError
from vacestream.media import ffmpeg
from vacestream.media.sound import Audio, sound_of


@dataclass(frozen=True)
class Codec:
    """How frames are encoded in one kind of file."""

    format: str
    encoder: tuple[str, ...]
    pixels: str
    matrix: str = "bt709"
    even: bool = True
    """Chroma has half the size, so height and width are even."""
    crf: bool = False
    flags: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    """Audio codecs that the file takes as they are; others become AAC."""


_AS_IS = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")

CODECS: dict[str, Codec] = {
    ".mp4": Codec(
        "mp4",
        ("-c:v", "libx264", "-preset", "veryfast", "-threads", "4"),
        "yuv420p",
        crf=True,
        flags=("-movflags", "+hybrid_fragmented+frag_keyframe+delay_moov"),
        copies=_AS_IS,
    ),
    ".mkv": Codec(
        "matroska",
        ("-c:v", "ffv1", "-level", "3"),
        "bgr0",
        even=False,
        copies=(*_AS_IS, "vorbis", "pcm_s16le"),
    ),
    ".y4m": Codec("yuv4mpegpipe", (), "yuv420p", matrix="bt601"),
}
"""By suffix. MP4: more threads hold more frames back and make other bytes on other machines.
MKV is lossless FFV1 in RGB. y4m cannot say its matrix and is read as BT.601."""


class EncoderSink:
    """Pipes raw frames into ffmpeg; NAME.part.mp4 becomes NAME.mp4 when it is complete."""

    def __init__(
        self,
        path: str,
        size: tuple[int, int],
        fps: Fraction,
        *,
        codec: Codec,
        crf: int = 18,
        comment: str | None = None,
        audio: Audio | None = None,
    ) -> None:
        height, width = size
        if codec.even and (height % 2 or width % 2):
            raise OutputError(
                f"{path}: {width}x{height} is odd, which this kind of file cannot hold; "
                f"use {width // 2 * 2}x{height // 2 * 2}, or lossless .mkv"
            )
        self._size, self._path, self._part = size, path, _part(path)
        if self._part is not None:
            _check_writable(self._part)
        args = _arguments(size, fps, codec, crf, comment, audio)
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
        if self._child.end() != 0:
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
        self._child.end()
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


def _arguments(
    size: tuple[int, int], fps: Fraction, codec: Codec, crf: int, comment: str | None, audio: Audio | None
) -> list[str]:
    rate, gop = f"{fps.numerator}/{fps.denominator}", max(1, round(fps))
    args = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[1]}x{size[0]}", "-r", rate, "-i", "pipe:0"]
    sound = None if audio is None else sound_of(audio.path)
    if audio is not None and sound is not None:
        args += [*sound.input(audio), "-map", "1:a:0", *sound.output(audio, codec.copies)]
    args += ["-map", "0:v"]
    if codec.pixels.startswith("yuv"):
        args += ["-vf", _colour(codec.matrix)]
    args += [*codec.encoder, "-pix_fmt", codec.pixels, "-g", str(gop)]
    if codec.crf:
        args += ["-crf", str(crf)]
    if comment is not None:
        args += ["-metadata", f"comment={comment}"]
    return [*args, *codec.flags, "-flush_packets", "1", "-f", codec.format]


def _colour(matrix: str) -> str:
    """The filters that turn RGB into limited-range YUV of a matrix, and tag it where the file can say so."""
    convert = f"scale=out_color_matrix={matrix}:out_range=tv:flags=accurate_rnd+full_chroma_inp"
    if matrix != "bt709":
        return convert
    return f"{convert},setparams=colorspace=bt709:color_primaries=bt709:color_trc=iec61966-2-1:range=tv"


def _part(path: str) -> Path | None:
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
