"""`vacestream cache` as a user meets it, and the signals that `annotate` and `render` share through it."""

import json
import os
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from vacestream import cache, cli
from vacestream.media.sinks import open_sink
from vacestream.media.sources import open_source


@pytest.fixture
def dance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A lossless clip of 10 frames, 64x48, in the current folder."""
    monkeypatch.chdir(tmp_path)
    source = open_source("sprites:7", size=(48, 64))
    sink = open_sink("dance.mkv", (48, 64), source.fps)
    sink.write(source.read(10))
    sink.close()
    return "dance.mkv"


def test_what_is_kept_is_listed_with_its_size_and_age_and_cleared(
    dance: str, capsys: pytest.CaptureFixture[str], cache_folder: Path
) -> None:
    assert cli.run(["annotate", "flow", dance, "-q"]) == 0
    assert cli.run(["annotate", "scribble", dance, "-q"]) == 0
    assert cli.run(["annotate", "gray", dance, "-q"]) == 0
    capsys.readouterr()
    entry = next(entry for entry in cache.entries() if entry.name == "dance.flow")
    os.utime(entry.path, (time.time() - 3 * 86400,) * 2)
    assert cli.run(["cache", "ls"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["annotations"] * 2
    assert [line.split()[-4:] for line in out.splitlines()][1] == ["used", "3d", "ago", "dance.flow"]
    assert err == f"2 files, {_total()} of 10.0 GB, in {cache_folder}\n"
    assert cli.run(["cache", "ls", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in told["entries"]] == ["dance.scribble", "dance.flow"]
    assert told["bytes"] == sum(Path(row["path"]).stat().st_size for row in told["entries"])
    assert cli.run(["cache", "clear", "--older", "2d"]) == 0
    assert [entry.name for entry in cache.entries()] == ["dance.scribble"]
    assert cli.run(["cache", "clear", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["removed"][0]["name"] == "dance.scribble"
    assert cache.entries() == []


def _total() -> str:
    return f"{sum(entry.num_bytes for entry in cache.entries()) / 1000:.1f} kB"


@pytest.mark.parametrize("older", ["soon", "3", "-1d"])
def test_a_time_that_is_none_is_refused(older: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["cache", "clear", f"--older={older}"]) == 2
    assert "not a time; write 12h, 30d or 8w" in capsys.readouterr().err


def test_annotate_and_render_share_what_is_kept(dance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from vacestream.annotators.flow import Flow
    from vacestream.passes import open_passes
    from vacestream.plan import make_plan
    from vacestream.recipe import load_recipe

    assert cli.run(["annotate", "flow", dance, "-q"]) == 0
    monkeypatch.setattr(Flow, "__call__", lambda *_: pytest.fail("it is made again"))
    assert cli.run(["annotate", "flow", dance, "-o", "again.mkv", "-q"]) == 0
    first, again = (open_source(path).read(99) for path in ("dance.flow.mkv", "again.mkv"))
    assert np.array_equal(first, again)
    plan = make_plan(load_recipe("input: dance.mkv\nprompt: x\ncontrols: flow\nsize: 64x48\n"))
    with ExitStack() as stack:
        (one,) = open_passes(plan, stack)
        assert one.control is not None
        assert np.array_equal(one.control.read(10), first)
