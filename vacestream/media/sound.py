"""The sound of a file -> ffmpeg arguments that lay it under frames, in time with the file's own video."""

import re
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vacestream.errors import InputError
from vacestream.media import ffmpeg

RATE = 48000
"""Samples a second of sound that is repeated."""


@dataclass(frozen=True)
class Audio:
    """The sound of another file, a video's or its own, laid under the frames."""

    path: str
    duration: Fraction | float
    """Seconds of the output; the sound is cut there."""
    start: Fraction | float = 0
    """Seconds into the file's video at which the output begins."""
    repeat: Fraction | float | None = None
    """Seconds from `start` that are played over and over; None: played once."""


@dataclass(frozen=True)
class Sound:
    """The first audio stream of a file."""

    codec: str
    lead: Fraction
    """Seconds from the start of the file to its first frame."""
    late: Fraction = Fraction(0)
    """Seconds from the start of the file to the sound, where ffmpeg leaves them out."""

    def input(self, audio: Audio) -> list[str]:
        """The arguments that open it."""
        begin = self.lead + Fraction(audio.start)
        wait = max(self.late - begin, Fraction(0))
        seek = ["-itsoffset", ffmpeg.seconds(wait)] if wait else ["-ss", ffmpeg.seconds(begin)]
        played = audio.duration if audio.repeat is None else audio.repeat
        return [*seek, "-t", ffmpeg.seconds(max(played - wait, 0)), "-i", ffmpeg.file(audio.path)]

    def output(self, audio: Audio, copied: tuple[str, ...]) -> list[str]:
        """The arguments that write it: a codec of `copied` as it is, others as AAC."""
        if audio.repeat is not None:
            return ["-af", _over_and_over(audio.repeat, audio.duration), "-c:a", "aac"]
        if self.codec not in copied:
            return ["-c:a", "aac"]
        # in MPEG-TS it lacks a header that files keep
        raw = ["-bsf:a", "aac_adtstoasc"] if self.codec == "aac" else []
        return ["-c:a", "copy", "-copypriorss:a", "0", *raw]


def sound_of(path: str) -> Sound | None:
    """What a file sounds like; None where it is silent."""
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    command = [ffmpeg.exe(), "-hide_banner", "-nostdin", "-i", ffmpeg.file(path)]
    said = subprocess.run(command, capture_output=True, check=False).stderr.decode(errors="replace")
    header = next(iter(_lines(said, "  Duration: ")), None)
    if header is None:
        raise InputError(f"{path}: cannot be read as sound")
    audio = next(iter(_lines(said, "  Stream #0:.*: Audio: ")), None)
    if audio is None:
        return None
    video = next(iter(_lines(said, "  Stream #0:.*: Video: (?!.*attached pic)")), None)
    begin = _start(header, Fraction(0))
    lead = begin if video is None else _start(video, begin)
    late = _start(audio, begin) if "Input #0, mpegts," in said else begin
    return Sound(re.findall(r": Audio: (\w+)", audio)[0], lead - begin, late - begin)


def _over_and_over(part: Fraction | float, duration: Fraction | float) -> str:
    """The filter that plays the first `part` seconds again and again until `duration`."""
    once = f"aresample={RATE}:async=1:first_pts=0,apad=whole_dur={ffmpeg.seconds(part)}"
    samples = round(part * RATE)
    again = f"atrim=end_sample={samples},aloop=loop=-1:size={samples}"
    return f"{once},{again},atrim=end={ffmpeg.seconds(duration)}"


def _lines(said: str, beginning: str) -> list[str]:
    return [line for line in said.splitlines() if re.match(beginning, line)]


def _start(line: str, default: Fraction) -> Fraction:
    """The start time that a line of ffmpeg's tells, in seconds."""
    found = re.search(r", start:? (-?[\d.]+)", line)
    return Fraction(found[1]) if found else default
