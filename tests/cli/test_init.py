"""`vacestream init`: to stdout, to a file that is not there yet."""

from pathlib import Path

import pytest

from vacestream import cli
from vacestream.starters import starter


def test_init_prints_a_recipe_that_validates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["init", "depth"]) == 0
    assert capsys.readouterr() == (starter("depth"), "")
    assert cli.run(["init", "depth", "-o", "fox.yaml"]) == 0
    assert capsys.readouterr() == ("", "wrote fox.yaml\n")
    assert cli.run(["validate", "--no-media", "fox.yaml"]) == 0
    assert capsys.readouterr().out.startswith("fox: depth; render: yes; live: yes")


def test_init_keeps_a_file_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fox.yaml").write_text("mine")
    assert cli.run(["init", "depth", "-o", "fox.yaml"]) == 2
    assert "fox.yaml: exists already; add -y" in capsys.readouterr().err
    assert Path("fox.yaml").read_text() == "mine"
    assert cli.run(["init", "depth", "-o", "fox.yaml", "-y"]) == 0
    assert Path("fox.yaml").read_text() == starter("depth")


def test_init_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["init", "dept"]) == 2
    assert "did you mean 'depth'?" in capsys.readouterr().err
    assert cli.run(["init", "depth", "-o", "none/fox.yaml"]) == 6
    assert "cannot be written" in capsys.readouterr().err
