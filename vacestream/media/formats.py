"""Names of video files, containers and codecs -> how frames are written: two tables, a row each."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vacestream.errors import RecipeError
from vacestream.media import ffmpeg


@dataclass(frozen=True)
class Codec:
    """How frames become bytes."""

    options: tuple[str, ...]
    pixels: str
    grid: tuple[int, int] = (1, 1)
    """Height and width are multiples of these: rows and columns of luma that share a chroma sample."""
    crf: bool = False
    """Has a quality that can be chosen."""
    four_letters: tuple[str, ...] = ()
    """What names it where names are that long, when players want another than ffmpeg's."""

    @property
    def encoder(self) -> str | None:
        """ffmpeg's name of it; None where the frames stay as they are."""
        return self.options[1] if self.options else None

    @property
    def is_rgb(self) -> bool:
        return not self.pixels.startswith("yuv")


@dataclass(frozen=True)
class Container:
    """What a kind of file is made of."""

    muxer: str
    suffix: str
    codecs: tuple[str, ...]
    """Those that it takes; the first where none is asked for."""
    flags: tuple[str, ...] = ()
    """So that a growing file plays."""
    piped: tuple[str, ...] = ()
    """The same, where one cannot go back."""
    sound: tuple[str, ...] = ()
    """Audio codecs that it takes as they are, others become AAC; none: it holds no sound."""
    four_letters: bool = False
    """Names its codecs so."""


@dataclass(frozen=True)
class Encoding:
    """How an output is written."""

    container: Container
    codec: Codec

    @property
    def options(self) -> tuple[str, ...]:
        """ffmpeg's options of the codec in this container."""
        return (*self.codec.options, *(self.codec.four_letters if self.container.four_letters else ()))


_X265 = ("-x265-params", "log-level=error:pools=4:frame-threads=2")

CODECS: dict[str, Codec] = {
    "h264": Codec(("-c:v", "libx264", "-preset", "veryfast", "-threads", "4"), "yuv420p", (2, 2), crf=True),
    "h265": Codec(
        ("-c:v", "libx265", "-preset", "fast", *_X265), "yuv420p", (2, 2), True, ("-tag:v", "hvc1")
    ),
    "ffv1": Codec(("-c:v", "ffv1", "-level", "3"), "bgr0"),
    "prores": Codec(("-c:v", "prores_ks", "-profile:v", "hq", "-vendor", "apl0"), "yuv422p10le", (1, 2)),
    "420": Codec((), "yuv420p", (2, 2)),
    "rgb24": Codec((), "rgb24"),
}
"""By name; ffv1 is lossless, in RGB. The number of threads is said: it changes bytes and frames held back."""

_HYBRID = ("-movflags", "+hybrid_fragmented+frag_keyframe+delay_moov")
_FRAGMENTS = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof+delay_moov")
_SOUND = ("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac")

CONTAINERS: dict[str, Container] = {
    "mp4": Container("mp4", ".mp4", ("h264", "h265"), _HYBRID, _FRAGMENTS, _SOUND, True),
    "mkv": Container(
        "matroska", ".mkv", ("ffv1", "h264", "h265", "prores"), sound=(*_SOUND, "vorbis", "pcm_s16le")
    ),
    "mov": Container("mov", ".mov", ("h264", "h265", "prores"), _HYBRID, _FRAGMENTS, ("aac", "mp3"), True),
    "y4m": Container("yuv4mpegpipe", ".y4m", ("420",)),
    "rawvideo": Container("rawvideo", ".rgb", ("rgb24",)),
}
"""By the name that `format:` gives. y4m cannot say its matrix and is read as BT.601; rawvideo is bare RGB."""

SUFFIXES = {container.suffix: name for name, container in CONTAINERS.items()}
PIPED = "y4m"
"""What goes to stdout and into named pipes where nothing else is asked for."""


def encoding(path: str, *, container: str | None = None, codec: str | None = None) -> Encoding:
    """How this path is written; RecipeError where ending, container and codec do not go together."""
    own = SUFFIXES.get(Path(path).suffix.lower())
    if container and own and container != own:
        raise RecipeError(f"{path} is {own} by its ending, not {container}; leave one of the two out")
    name = container or own or PIPED
    made = CONTAINERS[name]
    if codec is None:
        return Encoding(made, CODECS[made.codecs[0]])
    if codec in made.codecs:
        return Encoding(made, CODECS[codec])
    homes = [other.suffix for other in CONTAINERS.values() if codec in other.codecs]
    if made.sound:
        what = f"holds {listed(made.codecs)}; write one of those, or name a {listed(homes)} file"
    else:
        what = f"has no codec; leave it out, or name a {listed(homes)} file"
    raise RecipeError(f"{codec} does not go into {name}, which {what}")


def even(size: tuple[int, int], codec: Codec) -> tuple[int, int]:
    """The largest (height, width) not above this one that the codec takes."""
    return size[0] // codec.grid[0] * codec.grid[0], size[1] // codec.grid[1] * codec.grid[1]


@cache
def refusal(encoder: str) -> str | None:
    """Why the shipped ffmpeg's encoder does not take a frame here; None when it does."""
    source = ["-f", "lavfi", "-i", "color=size=256x256:rate=1:duration=1"]
    child = ffmpeg.start(
        [*source, "-frames:v", "1", "-c:v", encoder, "-f", "null", "-"], stdin=None, stdout=None
    )
    status = child.end()
    words = child.words()
    child.log.close()
    return None if status == 0 else (words[0].rpartition("] ")[2] if words else f"exit status {status}")


def opening() -> Iterator[str]:
    """The codecs whose encoders open here."""
    return (name for name, codec in CODECS.items() if codec.encoder and not refusal(codec.encoder))


def listed(names: "tuple[str, ...] | list[str]") -> str:
    """a, b or c."""
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
