"""`vacestream bench`: what it tells, and what it refuses."""

import json
from pathlib import Path

import pytest

from vacestream import cli
from vacestream.bench import STAGES

Capture = pytest.CaptureFixture[str]


def test_one_line_tells_stage_by_stage_what_a_stream_took_with_vace_and_without(capsys: Capture) -> None:
    assert cli.run(["bench", "--chunks", "1", "--size", "32x32", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["schema"], told["size"], told["pipeline"]) == ("vacestream.bench/1", "32x32", "sprites")
    for run in (told["with_vace"], told["without_vace"]):
        assert run["ms_per_chunk"].keys() == {*STAGES, "total"}
        parts = sum(run["ms_per_chunk"][stage]["p50"] for stage in STAGES)
        assert parts == pytest.approx(run["ms_per_chunk"]["total"]["p50"], abs=0.5)
        assert run["fps"] <= run["fps_denoise"]
        assert run["peak_mib"].keys() == set(STAGES)
        assert min(run["peak_mib"].values()) > 0


def test_a_recipe_of_too_few_chunks_is_refused_before_anything_is_loaded(
    capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "short.yaml"
    path.write_text("prompt: a red star\nlength: 21f\n")
    assert cli.run(["bench", str(path)]) == 2
    assert "its 2 chunks are too few, 12 are run" in capsys.readouterr().err


def test_an_option_is_a_field_of_the_recipe(capsys: Capture) -> None:
    assert cli.run(["bench", "--pipeline", "longlive"]) == 2
    assert "pipeline" in capsys.readouterr().err


def test_the_table_of_full_size_pipelines_says_that_it_is_estimated_and_from_what(capsys: Capture) -> None:
    assert cli.run(["bench", "--table", "--device", "cpu", "--tflops", "100", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["how"] == "estimated: counted operations at 100 TFLOP/s"
    assert len(told["rows"]) == 5
    depth = next(row for row in told["rows"] if row["row"] == "LongLive + depth")
    counted = 5 * (28.3 + 8.45) + 40.7 + 24.2  # TFLOP of five calls, of decoding and encoding 12 frames
    assert depth["ms_per_chunk"] == pytest.approx(10 * counted, rel=0.01)
    assert all(row["fps"] > 0 < row["peak_gib"] for row in told["rows"])
