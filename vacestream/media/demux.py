"""A video file -> its numbers, in one pass of ffmpeg over its packets and its first frame."""

import re
import subprocess
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from vacestream.errors import InputError
from vacestream.media import ffmpeg
from vacestream.media.info import IMAGE_FPS, MediaInfo, as_fraction, nearest

RATES = [Fraction(n) for n in (8, 10, 12, 15, 16, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 144, 240)]
RATES += [Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)]
_UNSET = str(-(2**63))
_CORRUPT, _NOT_SHOWN = 2, 4
"""Flags of a packet; what an edit list cuts off is decoded but not shown."""


@lru_cache(maxsize=64)
def probe_video(where: str, mtime: int, length: int) -> MediaInfo:
    """One pass of ffmpeg: the packets of the video stream, and its first frame; cached per version."""
    args = [ffmpeg.exe(), "-hide_banner", "-nostdin", "-nostats"]
    args += ["-copyts", "-start_at_zero", "-i", ffmpeg.file(where)]
    args += ["-map", "0:V:0", "-c", "copy", "-f", "framecrc", "-"]
    args += ["-map", "0:V:0", "-frames:v", "1", "-vf", "showinfo=checksum=0", "-f", "null", "-"]
    done = subprocess.run(args, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    packets, said = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if "matches no streams" in said:
        raise InputError(f"{where}: holds no video")
    if done.returncode != 0 or "frame_rate: " not in said:
        raise InputError(f"{where}: cannot be read as video ({_reason(said)})")
    times, last, damaged = _packet_times(packets)
    if damaged or re.search(r"partial file|ended prematurely|invalid as first byte", said):
        raise InputError(
            f"{where}: is cut off or damaged after {len(times)} frames; "
            f"`ffmpeg -i {Path(where).name} -c copy whole.mkv` keeps what is there"
        )
    shown = re.search(r"pts_time:(\S+) .*sar:(\d+)/(\d+) s:(\d+)x(\d+)", said)
    if not times or shown is None:
        raise InputError(f"{where}: holds no video frame that can be decoded")
    guess = _fraction(said, r"frame_rate: (\d+)/(\d+)")
    usual = next((rate for rate in RATES if abs(guess / rate - 1) < Fraction(1, 5000)), guess)
    fps, variable = _rate(times, last, usual)
    duration = times[-1] + last - times[0]
    across, down, width, height = (int(group) for group in shown.groups()[1:])
    audio = re.search(r"Stream #0:\d.*: Audio: (\w+)", said)
    tags = {key: _word(said, rf"color_{key}:([\w-]+)") for key in ("space", "range", "primaries", "trc")}
    return MediaInfo(
        where,
        (height, round(width * across / down) if across and down else width),
        fps,
        max(1, nearest(duration * fps)) if variable else len(times),
        audio=audio[1] if audio else None,
        variable=variable,
        start=times[0] if _UNSET not in packets else as_fraction(float(shown[1])),
        pixels=_word(said, r" fmt:(\w+)"),
        matrix=tags["space"],
        range=tags["range"],
        primaries=tags["primaries"],
        transfer=tags["trc"],
    )


def _packet_times(packets: str) -> tuple[list[Fraction], Fraction, bool]:
    """Display times of the shown frames in order, how long the last is shown, and whether one is damaged.

    Containers that do not tell display times (AVI, MPEG-PS) tell decoding times, which are as far apart.
    """
    base = _fraction(packets, r"#tb 0: (\d+)/(\d+)")
    column = 1 if _UNSET in packets else 2
    rows, damaged = [], False
    for line in packets.splitlines():
        if line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split(",")]
        flags = int(next((f[2:] for f in fields if f.startswith("F=")), "1"), 16)
        damaged |= bool(flags & _CORRUPT)
        if not flags & _NOT_SHOWN and int(fields[4]) > 0:
            rows.append((int(fields[column]), int(fields[3])))
    rows.sort()
    last = rows[-1][1] if rows else 0
    return [time * base for time, _ in rows], last * base, damaged


def _rate(times: list[Fraction], last: Fraction, guess: Fraction) -> tuple[Fraction, bool]:
    """The rate that the display times keep, or the one to make them constant at."""
    if len(times) == 1:
        return guess if 0 < guess <= 1000 else 1 / last if last else IMAGE_FPS, False
    steps = sorted(b - a for a, b in pairwise(times))
    middle = steps[len(steps) // 2]
    if middle <= 0:  # a container without display times
        return guess, False
    near = [rate for rate in RATES if abs(rate * middle - 1) < Fraction(3, 100)]
    usual = min(near or [(1 / middle).limit_denominator(1001)], key=lambda rate: _misfit(times, rate))
    for rate in (guess, usual):
        if rate > 0 and all(abs((t - times[0]) * rate - n) < Fraction(1, 2) for n, t in enumerate(times)):
            return rate, False
    return usual, True


def _misfit(times: list[Fraction], rate: Fraction) -> float:
    """How far from the ticks of a rate the display times are: 0 = on them."""
    places = [float((time - times[0]) * rate) for time in times]
    return sum(abs(place - round(place)) for place in places)


def _fraction(text: str, pattern: str) -> Fraction:
    found = re.search(pattern, text)
    return Fraction(int(found[1]), int(found[2])) if found and int(found[2]) else Fraction(0)


def _word(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else "unknown"


def _reason(said: str) -> str:
    """The first line in which ffmpeg says what is wrong, without its address."""
    wrong = re.compile(r"not found|nvalid|rror|nknown|nsupported|ermission|ecoder")
    lines = [line for line in said.splitlines() if wrong.search(line)]
    return re.sub(r"^\[.*?\] ", "", lines[0]).rstrip(".") if lines else "nothing was decoded"
