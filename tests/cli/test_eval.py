"""`vacestream eval`: the true command on a clip, and what it says of numbers that fell."""

import json
from pathlib import Path

import pytest

from vacestream import cli
from vacestream.errors import NotMetError
from vacestream.evaluate import evaluation, levels
from vacestream.evaluate.rows import ROWS
from vacestream.media.images import read_image

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """Stands in for the model: what was measured last; a test may change it."""
    values = {name: list(each) for name, each in levels.read().values.items()}

    def evaluate(rows: list[object], **_: object) -> dict[str, list[float]]:
        names = {row.name for row in rows}  # type: ignore[attr-defined]
        return {name: each for name, each in values.items() if name in names}

    monkeypatch.setattr(evaluation, "evaluate", evaluate)
    return values


def test_the_embedded_model_holds_its_levels(capsys: Capture) -> None:
    code = cli.run(["eval", "sprites", "--assert", "--clips", "1", "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    told = json.loads(out)
    assert (told["schema"], told["clips"], told["ok"]) == ("vacestream.eval/1", 1, True)
    names = {row["name"] for row in told["rows"]}
    assert {row.name for row in ROWS if row.quick} <= names
    assert sum(row["holds"] is True for row in told["rows"]) > 40


def test_a_level_that_is_not_met_is_exit_7_and_every_one_is_named(
    capsys: Capture, measured: dict[str, list[float]]
) -> None:
    fallen = ["silhouette IoU: depth, streaming", "PSNR: the clips, vae"]
    for name in fallen:
        measured[name] = [value * 0.8 for value in measured[name]]
    assert cli.run(["eval", "sprites", "--assert"]) == NotMetError.exit_code == 7
    out, err = capsys.readouterr()
    assert "NOT MET" in out
    for name in fallen:
        assert any(line.startswith(f"error: {name}: ") and "[VS-ASSERT]" in line for line in err.splitlines())


def test_without_assert_fallen_values_are_shown_and_are_no_failure(
    capsys: Capture, measured: dict[str, list[float]]
) -> None:
    measured["PSNR: the clips, vae"] = [10.0] * 4
    assert cli.run(["eval", "sprites", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert [row["mean"] for row in told["rows"] if row["name"] == "PSNR: the clips, vae"] == [10.0]


def test_write_records_what_was_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, measured: dict[str, list[float]]
) -> None:
    path = tmp_path / "levels.json"
    path.write_text(levels.FILE.read_text())
    before, read, write = levels.read(), levels.read, levels.write
    monkeypatch.setattr(levels, "read", lambda: read(path))
    monkeypatch.setattr(levels, "write", lambda table: write(table, path))
    measured["PSNR: the clips, vae"] = [31.0, 32.0, 33.0]
    assert cli.run(["eval", "sprites", "--write"]) == 0
    after = read(path)
    assert after.values["PSNR: the clips, vae"] == [31.0, 32.0, 33.0]
    assert after.targets == before.targets
    assert cli.run(["eval", "sprites", "--assert", "--clips", "3"]) == 0


def test_a_strip_has_a_row_a_scale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from vacestream.evaluate import sampling

    monkeypatch.setattr(sampling, "load", lambda: None)
    monkeypatch.setattr(sampling, "streaming", lambda _: sampling.through_nothing)
    path = tmp_path / "strip.png"
    assert cli.run(["eval", "sprites", "--strip", str(path)]) == 0
    height, width, _ = read_image(path).shape
    assert height > 7 * 128
    assert width > 8 * 128


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["longlive-1.3b"], "write `eval sprites`"),
        (["sprites", "--size", "100x64"], "in steps of 16"),
        (["sprites", "--size", "wide"], "in steps of 16"),
        (["sprites", "--assert", "--size", "32x32"], "no levels were measured at 32x32"),
        (["sprites", "--assert", "--write"], "leave one of them out"),
    ],
)
def test_what_cannot_be_meant_is_refused(capsys: Capture, args: list[str], said: str) -> None:
    assert cli.run(["eval", *args]) == 2
    assert said in capsys.readouterr().err
