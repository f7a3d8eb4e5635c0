"""Times, ranges, sizes, boxes, and the names of media."""

from fractions import Fraction

import pytest

from vacestream.recipe.values import (
    Time,
    is_still,
    media_kind,
    parse_box,
    parse_media,
    parse_point,
    parse_size,
    parse_span,
    parse_steps,
    parse_time,
    write_box,
)


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("4s", 4, "s"), ("0.5s", Fraction(1, 2), "s"), ("250ms", Fraction(1, 4), "s"), ("2m", 120, "s"),
        ("1h", 3600, "s"), ("1:30", 90, "s"), ("0:01.5", Fraction(3, 2), "s"), ("1:02:03", 3723, "s"),
        ("96f", 96, "f"), ("96 f", 96, "f"), ("2 chunks", 2, "chunks"), ("1 chunk", 1, "chunks"),
        ("0s", 0, "s"),
    ],
)  # fmt: skip
def test_a_time_reads_and_what_it_writes_reads_as_the_same(text: str, amount: Fraction, unit: str) -> None:
    time = parse_time(text)
    assert (time.amount, time.unit) == (amount, unit)
    assert parse_time(str(time)) == time


@pytest.mark.parametrize(
    "value", [4, 4.0, "4", "", "4 s s", "-4s", "1.5f", "1:75", "x", "1e3s", True, None, [1], float("nan")]
)
def test_what_is_no_time_is_refused_with_a_remedy(value: object) -> None:
    with pytest.raises(ValueError, match="; write 4"):
        parse_time(value)


def test_ranges_of_frames_hold_both_ends_and_ranges_of_time_do_not() -> None:
    assert parse_span("0..47").inclusive
    span = parse_span("12s..18s")
    assert not span.inclusive
    assert (span.start, span.stop) == (Time(Fraction(12), "s"), Time(Fraction(18), "s"))
    assert parse_span(str(span)) == span
    assert str(parse_span("0..47")) == "0..47"


@pytest.mark.parametrize("value", ["5..2", "4s..4s", "4s..2s", "1", 3, "a..b", "..", "1..", [0, 4]])
def test_what_is_no_range_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="; write"):
        parse_span(value)


@pytest.mark.parametrize("value", ["0..2", "3..1", "2", 2, "1-2"])
def test_steps_count_from_one(value: object) -> None:
    assert parse_steps("1..2").last == 2
    with pytest.raises(ValueError, match=r"write 1\.\.2"):
        parse_steps(value)


def test_a_size_is_width_by_height_or_a_named_area() -> None:
    size = parse_size("832x480")
    assert (size.height, size.width, str(size)) == (480, 832, "832x480")
    assert parse_size("480p").area == 480 * 832
    assert parse_size("720p").area == 720 * 1280


@pytest.mark.parametrize("value", ["832", "832*480", "8x8", "0x0", "-1x4", 480, "1080p", [832, 480]])
def test_what_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="write WIDTHxHEIGHT"):
        parse_size(value)


def test_boxes_and_points_are_in_pixels_or_percent_of_the_picture() -> None:
    box = parse_box([10, "25%", 20.5, "100%"])
    assert box.pixels(height=80, width=200) == (10, 20, 20.5, 80)
    assert parse_box(write_box(box)) == box
    assert parse_point(["50%", 7]).pixels(height=80, width=200) == (100, 7)


@pytest.mark.parametrize(
    "value", [[1, 2, 3], [3, 2, 1, 4], [0, "50%", 9, "50%"], [0, 0, "101%", 4], [0, 0, -1, 4], "1,2,3,4"]
)
def test_what_is_no_box_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="; write"):
        parse_box(value)


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("a.mp4", "file"), ("C:\\clips\\a.mp4", "file"), ("folder/", "file"),
        ("shot.%04d.png", "file"), ("-", "stdin"),
        ("sprites:7", "sprites"), ("test:bars", "test"), ("camera:HD cam", "camera"), ("screen", "screen"),
        ("rtmp://host/live", "url"), ("https://host/a.mp4", "url"),
    ],
)  # fmt: skip
def test_media_are_told_apart_by_their_name(where: str, kind: str) -> None:
    assert parse_media(where) == where
    assert media_kind(where) == kind


@pytest.mark.parametrize(
    "where", ["sprites:", "sprites:x", "sprites:-1", "sprite:7", "cam:0", "camera:", "test:", "", 7, None]
)
def test_names_of_nothing_are_refused(where: object) -> None:
    with pytest.raises(ValueError, match="; "):
        parse_media(where)


def test_a_still_is_one_picture_and_a_numbered_pattern_is_not() -> None:
    assert is_still("a.PNG")
    assert not is_still("frame.%04d.png")
    assert not is_still("a.mp4")
