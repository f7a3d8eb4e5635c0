"""What is kept between runs: where, under which name, how much, and what goes first."""

import os
import re
import sys
import time
from pathlib import Path

import pytest

from vacestream import cache
from vacestream.errors import RecipeError


def keep(name: str, num_bytes: int = 10, age: float = 0.0, kind: str = "annotations") -> str:
    """A file of this size that was last used so many seconds ago; its key."""
    key = cache.key({"name": name})
    cache.put(kind, key, name, ".bin", b"x" * num_bytes)
    if found := cache.find(kind, key):
        os.utime(found, (time.time() - age,) * 2)
    return key


def names() -> list[str]:
    return [entry.name for entry in cache.entries()]


@pytest.mark.parametrize(
    ("system", "told", "folder"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/vacestream"),
        ("linux", {}, "/home/me/.cache/vacestream"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "/home/me/Library/Caches/vacestream"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/vacestream"),
        ("win32", {"VACESTREAM_CACHE": "/mine", "LOCALAPPDATA": "/local"}, "/mine"),
        ("linux", {"VACESTREAM_CACHE": "~/mine"}, "/home/me/mine"),
    ],
)
def test_the_folder_is_where_the_system_keeps_caches(
    system: str, told: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "VACESTREAM_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(sys, "platform", system)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert cache.root() == Path(folder)


def test_without_a_home_it_is_the_folder_for_what_may_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "VACESTREAM_CACHE"):
        monkeypatch.delenv(name, raising=False)

    def nobody(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", nobody)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache.root() == tmp_path / "vacestream"


def test_a_file_is_found_under_its_key_in_the_folder_of_its_kind_and_says_its_name() -> None:
    key = keep("big dance.flow", kind="annotations")
    keep("a fox", kind="embeddings")
    found = cache.find("annotations", key)
    assert found is not None
    assert found == cache.folder("annotations") / f"big_dance.flow-{key}.bin"
    assert cache.find("embeddings", key) is None
    assert sorted((entry.kind, entry.name) for entry in cache.entries()) == [
        ("annotations", "big_dance.flow"),
        ("embeddings", "a_fox"),
    ]


def test_a_key_is_of_the_facts_and_of_nothing_else() -> None:
    assert cache.key({"a": 1, "b": 2}) == cache.key({"b": 2, "a": 1})
    assert cache.key({"a": 1}) != cache.key({"a": 2})
    assert re.fullmatch("[0-9a-f]{32}", cache.key({}))


def test_what_was_not_used_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VACESTREAM_CACHE_LIMIT", "100")
    keep("old", 40, age=30)
    keep("older", 40, age=60)
    cache.find("annotations", cache.key({"name": "older"}))  # used again
    keep("new", 40)
    assert sorted(names()) == ["new", "older"]
    keep("vast", 101)
    assert sorted(names()) == ["new", "older"]


@pytest.mark.parametrize(
    ("told", "limit"),
    [("", 10**10), ("0", 0), ("500", 500), ("2GB", 2 * 10**9), ("1.5 tb", 15 * 10**11), ("20mb", 2 * 10**7)],
)
def test_the_limit_is_a_size(told: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VACESTREAM_CACHE_LIMIT", told)
    assert cache.limit() == limit


@pytest.mark.parametrize("told", ["much", "-1", "2 boxes"])
def test_a_limit_that_is_no_size_is_refused(told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VACESTREAM_CACHE_LIMIT", told)
    with pytest.raises(RecipeError, match=r"VACESTREAM_CACHE_LIMIT: .* is not a size; write such as 10GB"):
        cache.limit()


def test_only_what_is_old_enough_is_cleared() -> None:
    keep("old", age=3600)
    keep("new")
    assert [entry.name for entry in cache.clear(unused=60)] == ["old"]
    assert names() == ["new"]
    cache.clear()
    assert names() == []


def test_nothing_half_written_is_ever_found_and_what_a_killed_run_left_is_swept() -> None:
    part = cache.Part("annotations", "a" * 32, "dance", ".bin")
    part.path.write_bytes(b"half")
    assert cache.find("annotations", "a" * 32) is None
    assert cache.entries() == []
    cache.clear()
    assert part.path.exists()  # somebody may be writing it
    os.utime(part.path, (0, 0))
    cache.clear()
    assert not part.path.exists()


def test_two_that_write_the_same_leave_one() -> None:
    parts = [cache.Part("annotations", "a" * 32, "dance", ".bin") for _ in range(2)]
    for part in parts:
        part.path.write_bytes(b"same")
    for part in parts:
        part.keep()
    assert names() == ["dance"]


def test_a_folder_that_cannot_be_written_is_a_warning_not_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VACESTREAM_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="nothing is kept in the cache"):
        cache.put("timings", "a" * 32, "x", ".json", b"{}")
    assert cache.entries() == []
