"""Where files of weights are looked for, and what is said when they are not there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from vacestream.errors import ModelError
from vacestream.weights import CONTEXT, File, Part, find, look_up


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without weights."""
    monkeypatch.delenv("VACESTREAM_MODELS", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no_cache"))


def test_missing_parts_are_named_with_the_command_that_brings_them(nowhere: None) -> None:
    with pytest.raises(ModelError, match=r"run `vacestream models pull wan2.1-14b`") as error:
        find("wan2.1-14b")
    named = [line.split(": ")[1] for line in str(error.value).splitlines()]
    assert named == ["transformer", "vace", "vae", "text", "tokenizer"]


def test_a_part_that_is_left_out_is_not_missed(nowhere: None) -> None:
    with pytest.raises(ModelError) as error:
        find("wan2.1-1.3b", without=[CONTEXT])
    assert "vace:" not in str(error.value)
    assert CONTEXT not in find("sprites", without=[CONTEXT])[0]


def test_a_name_without_weights_is_refused() -> None:
    with pytest.raises(ModelError, match="ltx: its weights are in no table"):
        find("ltx")


PART = Part((File("owner/repo", "sub/name.pt"), File("owner/other", "model.safetensors.index.json")))


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("owner/repo/sub/name.pt", True),
        ("repo/sub/name.pt", True),
        ("repo/sub/name.safetensors", True),
        ("name.pth", True),
        ("other/model.safetensors.index.json", True),
        ("other/model.safetensors", True),
        ("model.safetensors", False),
        ("owner/name.pt", False),
    ],
)
def test_a_part_is_found_under_its_repository_or_its_first_name_alone(
    where: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nowhere: None
) -> None:
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path))
    path = tmp_path / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert look_up(PART) == (path if found else None)


def test_a_sharded_part_is_there_with_all_its_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nowhere: None
) -> None:
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path))
    index = tmp_path / "other" / "model.safetensors.index.json"
    index.parent.mkdir()
    index.write_text(json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}))
    (index.parent / "1.safetensors").touch()
    assert look_up(PART) is None
    (index.parent / "2.safetensors").touch()
    assert look_up(PART) == index


def test_a_folder_of_weights_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path / "gone"))
    with pytest.raises(ModelError, match="gone is no folder"):
        look_up(PART)


def test_the_cache_of_hugging_face_is_where_hf_home_says(tmp_path: Path) -> None:
    repo = tmp_path / "hub" / "models--owner--repo"
    path = repo / "snapshots" / "abc" / "sub" / "name.pt"
    path.parent.mkdir(parents=True)
    path.touch()
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("abc")
    code = (
        "from vacestream.weights import *\n"
        "print(look_up(Part((File('owner/repo', 'sub/name.pt'),))))\n"
        "import sys; assert 'torch' not in sys.modules"
    )
    env = {"HF_HOME": str(tmp_path), "PATH": ""}
    out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == str(path)
