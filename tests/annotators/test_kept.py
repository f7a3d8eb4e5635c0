"""Signals that are kept: read again instead of made, all or nothing, and never another's."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vacestream import cache
from vacestream.annotators import ANNOTATORS, TASKS, annotator
from vacestream.annotators.kept import Taken, kept
from vacestream.annotators.parameters import Flow
from vacestream.annotators.stream import Annotated
from vacestream.media.contracts import Source
from vacestream.media.hashes import content
from vacestream.media.sinks import open_sink
from vacestream.media.sources import open_source

ROW, LENGTH = ANNOTATORS["flow"], 11


class Footage:
    """A clip on disk, and how often its signal was made."""

    def __init__(self, folder: Path, *, size: tuple[int, int] = (48, 64), fps: str = "16") -> None:
        self.path, self.made = str(folder / "dance.mkv"), 0
        self.taken = Taken(self.path, size, Fraction(fps), LENGTH)
        self.draw("sprites:7")

    def draw(self, clip: str) -> None:
        height, width = self.taken.size
        frames = open_source(clip, size=(64, 80), fps=self.taken.fps).read(LENGTH)
        sink = open_sink(self.path, self.taken.size, self.taken.fps)
        sink.write(frames[:, :height, :width])
        sink.close()

    def make(self) -> Source:
        self.made += 1
        source = open_source(self.path, size=self.taken.size, fps=self.taken.fps)
        return Annotated(source, annotator("flow"))

    def signal(self, *sizes: int, **other: Any) -> np.ndarray:
        """The signal as it comes, read in pieces of these sizes, then closed."""
        parameters = other.pop("parameters", Flow())
        source = kept(ROW, parameters, replace(self.taken, **other), self.make)
        frames = np.concatenate([source.read(n) for n in sizes or (9, 2)])
        source.close()
        return frames


@pytest.fixture
def footage(tmp_path: Path) -> Footage:
    return Footage(tmp_path)


@pytest.mark.parametrize(
    ("fps", "size"), [("16", (48, 64)), ("24000/1001", (47, 65)), ("60000/1001", (48, 65)), ("120", (47, 64))]
)
def test_a_kept_signal_is_the_signal_bit_for_bit_at_every_rate_and_size(
    tmp_path: Path, fps: str, size: tuple[int, int]
) -> None:
    footage = Footage(tmp_path, size=size, fps=fps)
    first = footage.signal(4, 5, 2)
    again = footage.signal(1, 10)
    assert footage.made == 1
    assert len(first) == LENGTH
    assert np.array_equal(first, again)
    assert [entry.name for entry in cache.entries()] == ["dance.flow"]


def test_the_name_of_the_file_does_not_matter_and_its_content_does(footage: Footage, tmp_path: Path) -> None:
    first = footage.signal()
    other = Path(footage.path).rename(tmp_path / "other.mkv")
    assert np.array_equal(footage.signal(where=str(other)), first)
    assert footage.made == 1
    footage.draw("sprites:8")
    assert not np.array_equal(footage.signal(), first)
    assert footage.made == 2


@pytest.mark.parametrize(
    "other",
    [
        {"start": Fraction(1, 16)}, {"end": Fraction(1)}, {"fps": Fraction(8)}, {"fit": "letterbox"},
        {"at_end": "hold"}, {"num_frames": LENGTH - 1}, {"parameters": Flow(preset="medium")},
    ],
    ids=str,
)  # fmt: skip
def test_every_fact_that_changes_the_signal_makes_it_anew(footage: Footage, other: dict[str, Any]) -> None:
    footage.signal()
    footage.signal(**other)
    assert footage.made == 2
    footage.signal(**other)
    assert footage.made == 2


def test_other_code_makes_it_anew(footage: Footage, monkeypatch: pytest.MonkeyPatch) -> None:
    footage.signal()
    monkeypatch.setattr("vacestream.annotators.kept.version", lambda name: f"{name} of another day")
    footage.signal()
    assert footage.made == 2


@pytest.mark.parametrize("read", [0, 9, LENGTH - 1])
def test_a_run_that_ends_early_leaves_nothing(footage: Footage, read: int, cache_folder: Path) -> None:
    footage.signal(read)
    assert [path for path in cache_folder.rglob("*") if path.is_file()] == []
    footage.signal()
    assert footage.made == 2


def test_a_damaged_file_is_made_anew(footage: Footage) -> None:
    first = footage.signal()
    (entry,) = cache.entries()
    entry.path.write_bytes(b"nonsense")
    assert np.array_equal(footage.signal(), first)
    assert footage.made == 2


def test_a_cache_that_cannot_be_written_warns_and_the_signal_is_there(
    footage: Footage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = footage.signal()
    (tmp_path / "file").touch()
    monkeypatch.setenv("VACESTREAM_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="the signal is not kept"):
        assert np.array_equal(footage.signal(), first)


@pytest.mark.parametrize(
    ("limit", "other"),
    [("0", {}), ("1GB", {"num_frames": None}), ("1GB", {"where": "sprites:7"}), ("1GB", {"where": "-"})],
    ids=["limit 0", "endless", "drawn", "stdin"],
)
def test_what_is_endless_drawn_piped_or_forbidden_is_not_kept(
    footage: Footage, limit: str, other: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VACESTREAM_CACHE_LIMIT", limit)
    footage.signal(**other)
    footage.signal(**other)
    assert footage.made == 2
    assert cache.entries() == []


def test_only_signals_that_cost_more_than_a_file_are_kept() -> None:
    assert {row.name for row in TASKS.values() if row.kept} == {
        "flow",
        "scribble",
        "depth",
        "depthv2",
        "pose",
        "pose_body",
    }


def test_a_folder_of_pictures_has_the_hash_of_all_of_them(tmp_path: Path) -> None:
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(bytes([i]))
    before = content(str(tmp_path))
    (tmp_path / "1.png").write_bytes(b"other")
    assert content(str(tmp_path)) != before
