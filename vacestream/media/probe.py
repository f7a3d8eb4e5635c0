"""Anything that `input` may name -> its numbers, exactly: size as displayed, rate, frames, colour, audio."""

import re
import subprocess
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from vacestream.errors import InputError
from vacestream.media import ffmpeg, images
from vacestream.media.demux import probe_video
from vacestream.media.info import FREE_SIZE, IMAGE_FPS
from vacestream.media.info import MediaInfo as MediaInfo
from vacestream.media.stream import is_stream, stream


def probe(where: str) -> MediaInfo:
    """The numbers of anything `input` may name; InputError for what cannot be read."""
    kind = kind_of(where)
    match kind:
        case "free" | "live":
            return MediaInfo(where, FREE_SIZE, IMAGE_FPS, None)
        case "stream":
            piped = stream(where)
            return MediaInfo(piped.shared.name, piped.header.size, piped.header.fps, None)
        case "still":
            frame = images.read_image(Path(where))
            return MediaInfo(where, frame.shape[:2], IMAGE_FPS, 1, timed=False)
        case "images":
            paths = image_paths(where)
            return MediaInfo(where, images.image_size(paths[0]), IMAGE_FPS, len(paths), timed=False)
        case _:
            stat = Path(where).stat()
            return probe_video(where, stat.st_mtime_ns, stat.st_size)


Kind = Literal["free", "live", "stream", "still", "images", "video"]


def kind_of(where: str) -> Kind:
    """What sort of input a name is; InputError where nothing of the name is there."""
    if where.startswith(("test:", "sprites:")):
        return "free"
    if is_stream(where):
        return "stream"
    if is_live(where):
        return "live"
    path = Path(where)
    if path.is_dir():
        return "images"
    if not path.exists():
        if images.NUMBER.search(path.name):
            return "images"
        raise InputError(f"{where}: no such file{_nearest_name(path)}")
    if not path.is_file():
        raise InputError(f"{where}: is not a file; pipe y4m into `-i -`")
    if path.stat().st_size == 0:
        raise InputError(f"{where}: is empty")
    return "still" if path.suffix.lower() in images.IMAGE_SUFFIXES else "video"


def is_live(where: str) -> bool:
    """Whether this names a camera, a screen or an address."""
    return re.match(r"camera:|/dev/video|screen$|screen:|[a-z]+://", where) is not None


def image_paths(where: str) -> list[Path]:
    """The files of an image folder or numbered pattern, in order."""
    return images.in_folder(Path(where)) if Path(where).is_dir() else images.numbered(where)


def comment(path: str) -> str | None:
    """The comment that a file carries in its metadata, where a sink puts the recipe."""
    args = [ffmpeg.exe(), "-v", "error", "-nostdin", "-i", ffmpeg.file(path), "-f", "ffmetadata", "-"]
    text = subprocess.run(args, capture_output=True, check=False).stdout.decode(errors="replace")
    found = re.search(r"^comment=((?:\\.|[^\\\n])*)", text, re.M | re.I | re.S)
    return re.sub(r"\\(.)", r"\1", found[1], flags=re.S) if found else None


def _nearest_name(path: Path) -> str:
    names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
