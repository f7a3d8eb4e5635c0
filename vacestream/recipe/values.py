"""The values of a recipe that are written as short text: times, ranges, sizes, boxes, places of media."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

SIDE = 16
"""Pixels: both sides of a picture are multiples of this (a latent is 8, a token 2 latents)."""

AREAS = {"480p": 480 * 832, "720p": 720 * 1280}
"""VACE's names of sizes: pixels a frame, in the input's aspect."""

STILL_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic")

_SECONDS = {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600)}
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_CLOCK = r"(?:([0-9]{1,3}):)?([0-9]{1,3}):([0-9]{2}(?:\.[0-9]{1,9})?)"
_TIME = rf"(?:{_NUMBER} ?(?:ms|s|m|h)|[0-9]{{1,9}} ?(?:f|chunks?)|{_CLOCK})"


@dataclass(frozen=True)
class Time:
    """A moment or a length: seconds, output frames, or chunks."""

    amount: Fraction
    unit: Literal["s", "f", "chunks"]

    def __str__(self) -> str:
        amount = f"{self.amount}" if self.amount.denominator == 1 else f"{float(self.amount):.9g}"
        return f"{amount} chunks" if self.unit == "chunks" else f"{amount}{self.unit}"


@dataclass(frozen=True)
class Span:
    """From a moment to a later one; `inclusive` where both ends are numbers of frames."""

    start: Time
    stop: Time
    inclusive: bool

    def __str__(self) -> str:
        return f"{self.start.amount}..{self.stop.amount}" if self.inclusive else f"{self.start}..{self.stop}"


@dataclass(frozen=True)
class Steps:
    """Denoising steps from the first to the last of these, counted from 1."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"


@dataclass(frozen=True)
class Size:
    """Height and width in pixels, or an area whose aspect is the input's."""

    height: int = 0
    width: int = 0
    name: str = ""

    @property
    def area(self) -> int:
        return AREAS[self.name] if self.name else self.height * self.width

    def __str__(self) -> str:
        return self.name or f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Coordinate:
    """A distance from the left or upper edge, in pixels or in percent of the side."""

    amount: float
    percent: bool = False

    def pixels(self, side: int) -> float:
        """In pixels of a picture whose side is this long."""
        return self.amount * side / 100 if self.percent else self.amount


@dataclass(frozen=True)
class Point:
    """A place in the picture."""

    x: Coordinate
    y: Coordinate

    def pixels(self, height: int, width: int) -> tuple[float, float]:
        """x and y in a picture of this size."""
        return self.x.pixels(width), self.y.pixels(height)


@dataclass(frozen=True)
class Box:
    """A rectangle, right and lower edge excluded."""

    x1: Coordinate
    y1: Coordinate
    x2: Coordinate
    y2: Coordinate

    def pixels(self, height: int, width: int) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 in a picture of this size."""
        return self.x1.pixels(width), self.y1.pixels(height), self.x2.pixels(width), self.y2.pixels(height)


def parse_time(value: Any) -> Time:
    if isinstance(value, Time):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9:
        raise ValueError(f"{value} has no unit; write {value}s for seconds or {value}f for frames")
    if isinstance(value, str):
        text = value.strip()
        if found := re.fullmatch(rf"({_NUMBER}) ?(ms|s|m|h)", text):
            return Time(Fraction(found[1]) * _SECONDS[found[2]], "s")
        if found := re.fullmatch(r"([0-9]{1,9}) ?(f|chunks?)", text):
            return Time(Fraction(found[1]), "f" if found[2] == "f" else "chunks")
        if (found := re.fullmatch(_CLOCK, text)) and Fraction(found[3]) < 60:
            return Time(int(found[1] or 0) * 3600 + int(found[2]) * 60 + Fraction(found[3]), "s")
    raise ValueError(f"{shown(value)} is not a time; write 4s, 1:30, 96f or 2 chunks")


def parse_span(value: Any) -> Span:
    if isinstance(value, Span):
        return value
    start, dots, stop = str(value).partition("..")
    if not isinstance(value, str) or not dots:
        raise ValueError(
            f"{shown(value)} is not a range; write 0..47 (frames, both ends included) or 12s..18s"
        )
    if start.strip().isdecimal() and stop.strip().isdecimal():
        span = Span(Time(Fraction(start.strip()), "f"), Time(Fraction(stop.strip()), "f"), inclusive=True)
    else:
        span = Span(parse_time(start), parse_time(stop), inclusive=False)
    backwards = span.stop.amount < span.start.amount or (not span.inclusive and span.stop == span.start)
    if span.start.unit == span.stop.unit and backwards:
        raise ValueError(f"{shown(value)} ends before it starts; write the earlier end first")
    return span


def parse_rate(value: Any) -> Fraction:
    try:
        rate = Fraction(value if isinstance(value, str | Fraction) else str(value))
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if isinstance(value, bool) or not 0 < rate <= 240:
        raise ValueError(f"{shown(value)} is not a frame rate; write a number up to 240, or 24000/1001")
    return rate.limit_denominator(1_000_000)


def parse_steps(value: Any) -> Steps:
    if isinstance(value, Steps):
        return value
    found = re.fullmatch(r"\s*([0-9]{1,4})\.\.([0-9]{1,4})\s*", value) if isinstance(value, str) else None
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"{shown(value)} is not a range of steps; write 1..2 for the first two")
    return Steps(int(found[1]), int(found[2]))


def parse_size(value: Any) -> Size:
    if isinstance(value, Size):
        return value
    if isinstance(value, str):
        if value.strip() in AREAS:
            return Size(name=value.strip())
        if found := re.fullmatch(r"\s*([0-9]{1,5})\s*[xX]\s*([0-9]{1,5})\s*", value):
            width, height = int(found[1]), int(found[2])
            if width >= SIDE and height >= SIDE:
                return Size(height, width)
    raise ValueError(f"{shown(value)} is not a size; write WIDTHxHEIGHT, such as 832x480, or 480p or 720p")


def parse_coordinate(value: Any) -> Coordinate:
    if isinstance(value, Coordinate):
        return value
    if isinstance(value, str) and (found := re.fullmatch(rf"\s*({_NUMBER})\s*%\s*", value)):
        if float(found[1]) <= 100:
            return Coordinate(float(found[1]), percent=True)
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e6:
        return Coordinate(float(value))
    raise ValueError(f"{shown(value)} is not a place in the picture; write pixels from its edge, or 25%")


def parse_point(value: Any) -> Point:
    if isinstance(value, Point):
        return value
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"{shown(value)} is not a point; write [x, y]")
    return Point(*map(parse_coordinate, value))


def parse_box(value: Any) -> Box:
    if isinstance(value, Box):
        return value
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise ValueError(f"{shown(value)} is not a box; write [x1, y1, x2, y2]")
    box = Box(*map(parse_coordinate, value))
    for low, high in ((box.x1, box.x2), (box.y1, box.y2)):
        if low.percent == high.percent and high.amount <= low.amount:
            raise ValueError(
                f"{shown(value)} is an empty box; write [x1, y1, x2, y2] with x1 < x2 and y1 < y2"
            )
    return box


def write_box(box: Box | Point) -> list[float | str]:
    """A box or point as a recipe writes it."""
    return [f"{side.amount:g}%" if side.percent else side.amount for side in vars(box).values()]


_KINDS = ("sprites", "test", "camera", "screen", "file")
_STREAMS = ("http", "https", "rtsp", "rtmp", "srt", "udp", "tcp", "rtmps")


def media_kind(where: str) -> Literal["file", "sprites", "test", "camera", "screen", "url", "stdin"]:
    """What sort of source or sink this text names."""
    head = where.partition(":")[0]
    if where.startswith("/dev/"):
        return "camera"
    if where == "-":
        return "stdin"
    if "://" in where and head in _STREAMS:
        return "url"
    if where == "screen" or head == "screen":
        return "screen"
    return head if ":" in where and head in ("sprites", "test", "camera") else "file"  # type: ignore[return-value]


def is_still(where: str) -> bool:
    """Whether this is one picture: by its name, before anything is opened."""
    return (
        media_kind(where) == "file" and "%" not in where and PurePath(where).suffix.lower() in STILL_SUFFIXES
    )


def parse_media(value: Any) -> str:
    """Text that names media: what looks like a kind of source must be one."""
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not a file name; put it in quotes")
    if not value.strip() or "\0" in value:
        raise ValueError("the name is empty; write a file, or sprites:7")
    kind, (head, colon, rest) = media_kind(value), value.partition(":")
    if kind == "sprites" and not (rest.isdecimal() and len(rest) <= 9):
        raise ValueError(
            f"{shown(value)} names no clip; write sprites: and a whole number, such as sprites:7"
        )
    if head in ("test", "camera") and not rest:
        raise ValueError(f"{shown(value)} names nothing; write {head}:NAME")
    if colon and kind == "file" and re.fullmatch(r"[a-z]{3,}", head):
        near = get_close_matches(head, (*_KINDS[:-1], *_STREAMS), 1)
        hint = f"did you mean {near[0]}:{rest}?" if near else f"write ./{value} if that is a file"
        raise ValueError(f"{shown(value)} is not a source that exists; {hint}")
    return value


def shown(value: object) -> str:
    """A value as an error shows it, never longer than a line can take."""
    text = repr(value) if not isinstance(value, bool) else str(value).lower()
    return text if len(text) <= 60 else text[:57] + "..."


def _text(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)})


_SIDE = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^[0-9.]+ ?%$"}]}
_AS_TEXT = PlainSerializer(str, return_type=str)
_AS_LIST = PlainSerializer(write_box, return_type=list[float | str])


def _sides(count: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "array", "items": _SIDE, "minItems": count, "maxItems": count})


TimeValue = Annotated[
    Time, PlainValidator(parse_time), _AS_TEXT, _text(_TIME, "4s", "1:30", "96f", "2 chunks")
]
RATE_SCHEMA: list[dict[str, Any]] = [
    {"type": "number", "exclusiveMinimum": 0, "maximum": 240},
    {"type": "string", "pattern": "^[0-9]+/[0-9]+$"},
]
RateValue = Annotated[Fraction, PlainValidator(parse_rate), _AS_TEXT, WithJsonSchema({"anyOf": RATE_SCHEMA})]
SpanValue = Annotated[Span, PlainValidator(parse_span), _AS_TEXT, _text(r".+\.\..+", "0..47", "12s..18s")]
StepsValue = Annotated[Steps, PlainValidator(parse_steps), _AS_TEXT, _text(r"[0-9]+\.\.[0-9]+", "1..2")]
SizeValue = Annotated[
    Size, PlainValidator(parse_size), _AS_TEXT, _text("([0-9]+[xX][0-9]+|480p|720p)", "832x480", "480p")
]
PointValue = Annotated[Point, PlainValidator(parse_point), _AS_LIST, _sides(2)]
BoxValue = Annotated[Box, PlainValidator(parse_box), _AS_LIST, _sides(4)]
