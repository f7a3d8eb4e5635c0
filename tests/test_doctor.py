"""What doctor says of a machine: that all is there, and the name of a thing that was taken away."""

import json
import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from vacestream import cli, doctor
from vacestream.media import ffmpeg
from vacestream.models import device
from vacestream.weights import EMBEDDED, places

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the checks that a test names."""
    monkeypatch.setattr(doctor, "CHECKS", (doctor._space,))


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A copy of the embedded weights, which tests may damage."""
    folder = tmp_path / "weights"
    shutil.copytree(Path(str(files(EMBEDDED["sprites"]) / "weights")), folder)
    monkeypatch.setattr(places, "files", lambda package: tmp_path)
    monkeypatch.setattr(doctor, "PIPELINES", ["sprites"])
    monkeypatch.setattr(doctor, "CHECKS", (doctor._weights,))
    return folder


def examined(capsys: Capture) -> tuple[int, list[dict[str, str]], list[str]]:
    """The exit code, the findings, and what people read."""
    code = cli.run(["doctor", "--json"])
    data = json.loads(capsys.readouterr().out)
    assert (data["schema"], data["ok"]) == ("vacestream.doctor/1", code == 0)
    assert cli.run(["doctor"]) == code
    return code, data["checks"], capsys.readouterr().out.splitlines()


def test_ffmpeg_and_the_encoders_that_render_needs_open(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (doctor._ffmpeg,))
    code, found, lines = examined(capsys)
    assert code == 0
    assert [row["name"].split()[-1] for row in found] == ["ffmpeg", *doctor.ENCODERS]
    assert all(row["ok"] for row in found[:4])
    assert lines[-1] == "render works here"


def test_an_ffmpeg_that_was_taken_away_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (doctor._ffmpeg,))
    monkeypatch.setattr(ffmpeg, "exe", lambda: "no/such/ffmpeg")
    code, found, lines = examined(capsys)
    assert (code, [row["name"] for row in found]) == (1, ["ffmpeg"])
    assert "no/such/ffmpeg" in found[0]["what"]
    assert found[0]["instead"].endswith("pip install --force-reinstall imageio-ffmpeg")
    assert lines[0].startswith("missing  ffmpeg")
    assert lines[-1].startswith("render does not work here")


def test_an_encoder_that_is_listed_but_does_not_open_is_told_in_the_words_of_ffmpeg(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (doctor._ffmpeg,))
    monkeypatch.setattr(doctor, "ENCODERS", {"ffv1": "lossless .mkv", "no_such": "nothing"})
    monkeypatch.setattr(doctor, "NEEDED_ENCODERS", ("ffv1",))
    code, found, lines = examined(capsys)
    assert (code, found[2]["ok"]) == (0, False)
    assert "Unknown encoder 'no_such'" in found[2]["what"]
    assert lines[2].startswith("-        encoder no_such")
    monkeypatch.setattr(doctor, "NEEDED_ENCODERS", ("no_such",))
    assert examined(capsys)[0] == 1


def test_whole_weights_are_whole(shipped: Path, capsys: Capture) -> None:
    code, found, _ = examined(capsys)
    assert (code, [row["name"] for row in found]) == (0, ["weights sprites"])


@pytest.mark.parametrize(
    ("name", "harm", "said"),
    [
        ("vae.safetensors", Path.unlink, "vae.safetensors: is missing"),
        ("vae.safetensors", lambda it: it.write_bytes(it.read_bytes()[:-9]), "vae.safetensors: is cut short"),
        ("text.safetensors", lambda file: file.write_bytes(b"\1" * 99), "text.safetensors: is damaged"),
        ("tokenizer.json", lambda file: file.write_text("{"), "tokenizer.json: is damaged"),
        ("config.json", Path.unlink, "weights/config.json: the weights of sprites are missing"),
    ],
)  # fmt: skip
def test_weights_that_were_taken_away_or_damaged_are_named(
    shipped: Path, capsys: Capture, name: str, harm, said: str
) -> None:
    harm(shipped / name)
    code, found, _ = examined(capsys)
    assert code == 4
    assert [row["what"] for row in found] == [said]
    assert "install" in found[0]["instead"]


def test_missing_weights_are_named_with_the_command_that_brings_them(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    monkeypatch.delenv("VACESTREAM_MODELS", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(doctor, "PIPELINES", ["wan2.1-1.3b"])
    monkeypatch.setattr(doctor, "CHECKS", (doctor._weights,))
    code, found, _ = examined(capsys)
    assert (code, [row["what"] for row in found]) == (0, ["none of its 5 files is here"])
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path))
    (tmp_path / "Wan2.1_VAE.pth").write_bytes(b"weights")
    code, some, _ = examined(capsys)
    assert code == 0
    assert [row["what"].partition(":")[0] for row in some] == ["transformer", "vace", "text", "tokenizer"]
    assert {row["instead"] for row in found + some} == {"vacestream models pull wan2.1-1.3b"}


def test_a_package_that_was_taken_away_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (doctor._versions, doctor._optional))
    monkeypatch.setattr(
        doctor, "find_spec", lambda module: None if module in ("torch", "onnxruntime") else module
    )
    monkeypatch.setattr(shutil, "which", lambda name: None)
    code, found, _ = examined(capsys)
    rows = {row["name"]: row for row in found}
    assert code == 1
    assert rows["torch"]["instead"] == "python -m pip install torch"
    assert rows["onnxruntime"]["instead"] == "python -m pip install onnxruntime"
    assert (rows["torch"]["exit_code"], rows["onnxruntime"]["exit_code"]) == (1, 0)
    assert rows["diffusers"]["ok"]


def test_devices_and_attention_are_told(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (doctor._devices, doctor._space))
    code, found, _ = examined(capsys)
    names = [row["name"] for row in found]
    assert (code, names[-3:]) == (0, ["attention", "memory", "disk"])
    assert "device cpu" in names
    assert "math" in found[-3]["what"]
    monkeypatch.setattr(device, "attention_kernels", lambda _: [])
    assert examined(capsys)[0] == 1


def test_a_full_disk_and_a_wrong_setting_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vacestream.toml").write_text("devce = 'cpu'\n")
    monkeypatch.setattr(doctor, "CHECKS", (doctor._space, doctor._settings))
    monkeypatch.setattr(doctor, "LOW_DISK", 1 << 60)
    code, found, _ = examined(capsys)
    assert (code, [row["ok"] for row in found[1:]]) == (1, [False, False])
    assert found[2]["instead"] == "did you mean 'device'?"


def test_a_reader_that_leaves_ends_a_listing_without_a_word() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "vacestream", "schema"],
        stdout=writer, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (6, b"")
