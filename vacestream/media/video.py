"""A video file -> frames at a constant rate, size and colour, through a pipe from ffmpeg."""

import subprocess
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np

from vacestream.errors import InputError
from vacestream.media import ffmpeg
from vacestream.media.fit import Fit, place
from vacestream.media.info import MediaInfo, as_fraction

_SEEK_MARGIN = 10
"""Seconds decoded before `start`, so that the frame shown at it is among them."""
_HD_HEIGHT = 720
"""Untagged video at least this high is read as BT.709, below as BT.601, as players do."""
_MAX_HELD = Fraction(1, 10)
"""Seconds that a file may end earlier than its packets say; its last frame is held for them."""


class VideoSource:
    """Decodes a range of a video file, resampled to `fps` at equal duration."""

    def __init__(
        self,
        info: MediaInfo,
        *,
        size: tuple[int, int] | None = None,
        fps: Fraction | None = None,
        fit: Fit = "crop",
        start: Fraction | float = 0,
        end: Fraction | float | None = None,
    ) -> None:
        num_frames = info.frames_at(fps, start=start, end=end)
        if num_frames is None:
            raise ValueError(f"{info.num_frames = } of a file")
        self.size = size or info.size
        self.fps = fps or info.fps
        self.num_frames: int | None = num_frames
        if info.is_hdr or info.is_deep:
            told = (
                "HDR, which is tone-mapped to" if info.is_hdr else "more than 8 bits deep, which is read as"
            )
            warnings.warn(f"{info.where}: is {told} 8-bit SDR", stacklevel=2)
        self._where = info.where
        self._last: np.ndarray | None = None
        self._left = num_frames
        self._child = ffmpeg.start(
            _arguments(info, self.size, self.fps, fit, as_fraction(start), num_frames),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3] uint8, t = n except at the end."""
        out = np.empty((min(n, self._left), *self.size, 3), np.uint8)
        for frame in out:
            if not self._read_into(frame):
                frame[:] = self._held()
            self._last = frame
            self._left -= 1
        self._last = None if self._last is None else self._last.copy()
        if not self._left:
            self._finish()
        return out

    def close(self) -> None:
        """Stop decoding; safe to call twice."""
        self._left = 0
        self._child.end(kill=self._child.process.poll() is None)
        self._child.log.close()

    def _finish(self) -> None:
        """Close, and pass on what the decoder complained about."""
        if self._child.log.closed:
            return
        self._child.end()
        words = self._child.words()
        self.close()
        if words:
            told = f"{self._where}: damaged in places, {len(words)} complaints: {words[0]}"
            warnings.warn(told, stacklevel=3)

    def _read_into(self, frame: np.ndarray) -> bool:
        stdout = self._child.process.stdout
        assert stdout is not None
        view, got = frame.data.cast("B"), 0
        while got < len(view):
            count = stdout.readinto(view[got:])  # type: ignore[attr-defined]
            if not count:
                return False
            got += count
        return True

    def _held(self) -> np.ndarray:
        """The last frame again, where the decoder ends a little before the packets do."""
        if self._last is not None and self._left / self.fps <= max(_MAX_HELD, 2 / self.fps):
            return self._last
        self._child.process.wait()
        words, done = self._child.last_words(), (self.num_frames or 0) - self._left
        self.close()
        raise InputError(
            f"{self._where}: decoding stopped after {done} of {self.num_frames} frames ({words}); "
            f"`ffmpeg -i {Path(self._where).name} repaired.mp4` keeps what can be read"
        )


def _arguments(
    info: MediaInfo, size: tuple[int, int], fps: Fraction, fit: Fit, start: Fraction, num_frames: int
) -> list[str]:
    """ffmpeg's arguments; times stay those of the file, whether or not it was seeked in."""
    args = []
    if start > _SEEK_MARGIN:
        args += ["-noaccurate_seek"]
        args += ["-ss", ffmpeg.seconds(start - _SEEK_MARGIN)]
    args += ["-copyts", "-start_at_zero"]
    args += ["-i", ffmpeg.file(info.where)]
    args += ["-map", "0:V:0"]
    args += ["-vf", _filters(info, size, fps, fit, info.start + start)]
    args += ["-fps_mode", "passthrough"]
    args += ["-frames:v", str(num_frames)]
    args += ["-f", "rawvideo"]
    args += ["-pix_fmt", "rgb24"]
    return [*args, "-"]


def _filters(info: MediaInfo, size: tuple[int, int], fps: Fraction, fit: Fit, origin: Fraction) -> str:
    """Output frame n is the last one whose time, counted from `origin`, rounds to n or less."""
    retime = f"setpts=round(PTS-({origin.numerator}/{origin.denominator})/TB)"
    resample = f"fps={fps.numerator}/{fps.denominator}:start_time=0:round=near"
    chain = [retime, resample]
    colour = ""
    if info.is_hdr:
        chain.append(_tone_map(info))
    elif info.matrix in ("unknown", "reserved"):
        colour = f":in_color_matrix={'bt709' if info.size[0] >= _HD_HEIGHT else 'bt601'}"
    return ",".join([*chain, place(info.size, size, fit).filters(colour)])


def _tone_map(info: MediaInfo) -> str:
    """HDR to sRGB: up to diffuse white (203 nits, ITU-R BT.2408) nearly as it is, highlights compressed."""
    assumed = ":pin=bt2020:min=bt2020nc" if info.primaries == "unknown" else ""
    return (
        f"zscale=t=linear:npl=203{assumed},format=gbrpf32le,zscale=p=bt709,"
        "tonemap=mobius:desat=0,zscale=t=iec61966-2-1:m=gbr:r=pc,format=gbrp"
    )
