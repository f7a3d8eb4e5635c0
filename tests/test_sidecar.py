"""What lies beside a video: how it was made, and that it can be made again from that."""

import hashlib
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny import tiny_pipeline
from vacestream import cli, loading, sidecar
from vacestream.errors import ModelError
from vacestream.media.sinks import open_sink
from vacestream.media.sources import open_source
from vacestream.sidecar import input_hashes, sha256, weight_hashes
from vacestream.weights import Found

RECIPE = """
input: footage/clip.mkv
prompt: a red dog
controls: {signal: gray, scale: 0.5}
size: 32x32
length: 12f
seed: 3
device: cpu
output: out.mkv
"""


def noise(path: Path, num_frames: int = 12) -> Path:
    """A clip without loss, every frame another."""
    frames = np.random.default_rng(1).integers(0, 256, (num_frames, 32, 32, 3), dtype=np.uint8)
    sink = open_sink(str(path), (32, 32), Fraction(8))
    sink.write(frames)
    sink.close()
    return path


def frames_of(path: Path | str) -> np.ndarray:
    source = open_source(str(path))
    frames = source.read(100)
    source.close()
    return frames


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder to work in, whose renders take milliseconds; the weights are a file in it."""
    weights = tmp_path / "tiny.safetensors"
    weights.write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "load_pipeline", lambda **_: tiny_pipeline())
    monkeypatch.setattr(sidecar, "find", lambda *_, **__: ({"vace": Found(weights)}, {}))
    return tmp_path


@pytest.fixture
def job(tiny: Path) -> Path:
    """recipes/dog.yaml, whose input lies in a folder beside it."""
    (tiny / "recipes" / "footage").mkdir(parents=True)
    noise(tiny / "recipes" / "footage" / "clip.mkv")
    (tiny / "recipes" / "dog.yaml").write_text(RECIPE)
    return tiny / "recipes"


def render(*args: str) -> int:
    return cli.run(["render", *args, "-q"])


def told(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text())
    return data


def test_the_sidecar_says_all_that_made_the_video(job: Path) -> None:
    assert render("recipes/dog.yaml") == 0
    data = told(job / "out.json")
    assert data["schema"] == "vacestream.sidecar/1"
    assert data["recipe"]["input"] == {"path": "footage/clip.mkv"}
    assert (data["task"], data["pipeline"], data["seed"], data["fps"]) == ("gray", "sprites", 3, "8")
    assert data["size"] == {"width": 32, "height": 32}
    assert (data["num_frames"], data["device"], data["dtype"]) == (12, "cpu", "fp32")
    assert data["outputs"] == ["out.mkv"]
    assert set(data["versions"]) == {"vacestream", "torch", "diffusers", "python"}
    clip = (job / "footage" / "clip.mkv").read_bytes()
    assert data["inputs"] == {"input.path": hashlib.sha256(clip).hexdigest()}
    assert data["weights"] == {"vace": {"tiny.safetensors": hashlib.sha256(b"weights").hexdigest()}}
    assert [chunk["num_frames"] for chunk in data["chunks"]] == [9, 3]
    assert all({"condition", "encode", "denoise", "decode"} <= set(c["seconds"]) for c in data["chunks"])
    assert data["warnings"] == []


def test_a_rendered_file_makes_the_same_frames_again_from_any_folder(
    job: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert render("recipes/dog.yaml") == 0
    assert render("recipes/out.mkv", "-o", "again.mkv") == 0
    made = frames_of(job / "out.mkv")
    assert len(made) == 12
    assert (frames_of("again.mkv") == made).all()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert render("../again.mkv", "-o", "third.mkv") == 0  # which was written above its input
    assert (frames_of("third.mkv") == made).all()
    assert render("third.mkv", "-o", "other.mkv", "--set", "seed=4") == 0
    assert (frames_of("other.mkv") != made).any()


def test_a_sidecar_is_a_recipe_where_the_output_cannot_carry_one(job: Path) -> None:
    assert render("recipes/dog.yaml", "-o", "frames/%03d.png") == 0
    assert told(Path("frames.json"))["outputs"] == ["%03d.png"]
    assert render("frames.json", "-o", "again/%03d.png") == 0
    assert (frames_of("again") == frames_of("frames")).all()
    assert len(frames_of("frames")) == 12


def test_a_sidecar_that_exists_is_not_written_over(job: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (job / "out.json").write_text("mine")
    assert render("recipes/dog.yaml") == 2
    assert f"{Path('recipes/out.json')}: exists already; add -y" in capsys.readouterr().err
    assert render("recipes/dog.yaml", "-y") == 0
    assert told(job / "out.json")["task"] == "gray"


def test_a_recipe_written_as_json_is_never_taken_for_its_sidecar(tiny: Path) -> None:
    said = {"prompt": "a red dog", "length": "9f", "size": "32x32", "device": "cpu"}
    (tiny / "dog.json").write_text(json.dumps(said))
    assert render("dog.json") == 0
    assert told(tiny / "dog.json") == said
    assert told(tiny / "dog.mp4.json")["task"] == "T2V"


def test_outputs_that_differ_only_in_their_ending_share_one_sidecar(tiny: Path) -> None:
    (tiny / "dog.yaml").write_text("prompt: a red dog\nlength: 9f\nsize: 32x32\ndevice: cpu\n")
    assert render("dog.yaml", "-o", "a.mp4", "-o", "a.mkv", "-o", "b.mkv") == 0
    assert sorted(path.name for path in tiny.glob("*.json")) == ["a.json", "b.json"]
    assert told(tiny / "a.json")["outputs"] == ["a.mp4", "a.mkv", "b.mkv"]


def test_a_render_that_fails_leaves_no_sidecar(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: Any) -> None:
        raise ModelError("none")

    monkeypatch.setattr(loading, "load_pipeline", fail)
    assert render("recipes/dog.yaml") == 4
    assert not (job / "out.json").exists()


def test_a_file_that_is_gone_since_costs_its_hash_and_not_the_video(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise FileNotFoundError("tiny.safetensors")

    monkeypatch.setattr(sidecar, "find", gone)
    assert cli.run(["render", "recipes/dog.yaml"]) == 0
    data = told(job / "out.json")
    assert data["weights"] is None
    assert data["warnings"][-1] == "the sidecar cannot say the hashes of weights: tiny.safetensors"
    assert "warning: the sidecar cannot say the hashes of weights" in capsys.readouterr().err


def test_every_file_of_a_sharded_checkpoint_has_its_hash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.safetensors").write_text(name)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "b.safetensors", "y": "a.safetensors"}}))
    monkeypatch.setattr(sidecar, "find", lambda *_, **__: ({"text": Found(index)}, {}))
    hashes = weight_hashes("any")["text"]
    assert list(hashes) == [index.name, "a.safetensors", "b.safetensors"]
    assert hashes["b.safetensors"] == hashlib.sha256(b"b").hexdigest()


def test_a_blob_of_the_cache_is_named_by_its_hash(tmp_path: Path) -> None:
    name = "0123456789abcdef" * 4
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / name).write_text("not read")
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "blobs" / name)
    assert sha256(tmp_path / "model.safetensors") == name


def test_a_file_that_changes_has_another_hash(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    first = sha256(path)
    path.write_text("others")
    assert [first, sha256(path)] == [hashlib.sha256(text).hexdigest() for text in (b"one", b"others")]


def test_a_folder_of_images_has_one_hash_of_all_in_order(tmp_path: Path, recipe: Callable[..., Any]) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.png").write_text(str(number))
    made = input_hashes(recipe(f"input: {tmp_path}\ncontrols: gray\nreferences: sprites:3\n"))
    assert list(made) == ["input.path"]
    (tmp_path / "2.png").write_text("changed")
    assert input_hashes(recipe(f"input: {tmp_path}\ncontrols: gray\n")) != made


@pytest.fixture
def recipe() -> Callable[..., Any]:
    from vacestream.recipe import load_recipe

    return load_recipe
