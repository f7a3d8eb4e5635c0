"""The numbers of a source, and how many frames it gives at a rate between two times."""

import re
from dataclasses import dataclass
from fractions import Fraction

from vacestream.errors import InputError

IMAGE_FPS = Fraction(16)
"""Images have no rate of their own: one a frame at any rate, and at this one where none is asked for."""
FREE_SIZE = (128, 128)
"""Patterns and sprites are drawn at any size, and at this one where none is asked for."""


@dataclass(frozen=True)
class MediaInfo:
    """What a source holds before it is fitted, resampled or cut."""

    where: str
    size: tuple[int, int]
    """(height, width) as displayed: rotation and sample aspect applied."""
    fps: Fraction
    num_frames: int | None
    """At `fps`; None = endless, or unknown until it ends (stdin)."""
    audio: str | None = None
    """Codec of the first audio stream."""
    timed: bool = True
    """False: images, which are one frame each at any rate."""
    variable: bool = False
    """The file has no constant rate; `fps` is the one that it is made constant at."""
    start: Fraction = Fraction(0)
    """Time of the first frame in the file, whose audio may begin earlier."""
    pixels: str = "rgb24"
    """ffmpeg's name of the pixel format."""
    matrix: str = "unknown"
    range: str = "unknown"
    primaries: str = "unknown"
    transfer: str = "unknown"

    @property
    def is_hdr(self) -> bool:
        return self.transfer in ("smpte2084", "arib-std-b67")

    @property
    def is_deep(self) -> bool:
        """More than 8 bits a sample."""
        return bool(re.search(r"(9|1[0246]|32|48|64)(le|be)$", self.pixels))

    @property
    def has_audio(self) -> bool:
        return self.audio is not None

    @property
    def duration(self) -> Fraction | None:
        """Seconds, None where endless."""
        return None if self.num_frames is None else self.num_frames / self.fps

    def frames_at(
        self, fps: Fraction | None = None, *, start: Fraction | float = 0, end: Fraction | float | None = None
    ) -> int | None:
        """How many frames a source gives at `fps` between two times in seconds; refuses what is not there."""
        rate = fps or self.fps
        duration = None if self.num_frames is None else self.num_frames / (self.fps if self.timed else rate)
        slack = 1 / (2 * rate)
        begin, stop = as_fraction(start), duration if end is None else as_fraction(end)
        if duration is not None and (begin >= duration or (stop is not None and stop > duration + slack)):
            asked = f"start {float(begin):g} s" if begin >= duration else f"end {float(stop or 0):g} s"
            raise InputError(f"{self.where}: {asked} is past its end; it lasts {float(duration):.3f} s")
        if stop is None:
            return None
        if stop <= begin:
            raise InputError(f"{self.where}: end {float(stop):g} s is not after start {float(begin):g} s")
        return max(1, nearest((stop - begin) * rate))


def as_fraction(value: Fraction | float) -> Fraction:
    """Seconds as written by a person, without the noise of a float."""
    return Fraction(value).limit_denominator(1_000_000)


def nearest(value: Fraction) -> int:
    """Rounded to nearest, halves up."""
    return int((2 * value + 1) // 2)
