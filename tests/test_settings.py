"""What a machine answers where a recipe is silent: who is asked first, what is refused, what is told on."""

import json
from pathlib import Path

import pytest

from vacestream import cli
from vacestream.errors import RecipeError
from vacestream.recipe import load_recipe
from vacestream.settings import KEYS, machine_settings, user_file


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A project in a home of its own, with nothing said anywhere."""
    for variable in ("XDG_CONFIG_HOME", "APPDATA", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    for key in KEYS:
        monkeypatch.delenv(f"VACESTREAM_{key.upper()}", raising=False)
    folder = tmp_path / "project"
    (folder / "shots").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def user_says(text: str) -> Path:
    file = user_file()
    assert file is not None
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def device(text: str = "prompt: x\nlength: 9f\n", *overrides: tuple[str, str]) -> tuple[str, str | None]:
    """The device of a recipe under the settings, and where it comes from."""
    recipe = load_recipe(text, overrides=overrides, machine=machine_settings())
    return recipe.device, recipe.origin(("device",))


def test_each_layer_speaks_only_where_those_above_it_are_silent(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert device() == ("auto", None)
    user = user_says("precision = 'bf16'\ndevice = 'cuda:1'\n")
    assert device() == ("cuda:1", f"{user}:2")
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n\n[tool.vacestream]\ndevice = 'cuda:2'\n")
    assert device() == ("cuda:2", "pyproject.toml:5")
    (project / "vacestream.toml").write_text("device = 'cuda:3'\n")
    assert device() == ("cuda:3", "vacestream.toml:1")
    monkeypatch.setenv("VACESTREAM_DEVICE", "cuda:4")
    assert device() == ("cuda:4", "VACESTREAM_DEVICE")
    (project / "base.yaml").write_text("device: cuda:5\n")
    preset = "preset: base.yaml\nprompt: x\nlength: 9f\n"
    assert device(preset) == ("cuda:5", "base.yaml:1")
    assert device(f"device: cuda:6\n{preset}") == ("cuda:6", "recipe:1")
    assert device(preset, ("device", "cpu")) == ("cpu", "--set device")
    assert load_recipe("prompt: x\n", machine=machine_settings()).precision == "bf16"


def test_the_nearest_project_file_with_a_word_for_us_counts(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "vacestream.toml").write_text("device = 'cpu'\n")
    (project / "shots" / "pyproject.toml").write_text("[tool.other]\ndevice = 'cuda'\n")
    monkeypatch.chdir(project / "shots")
    assert device() == ("cpu", f"{project / 'vacestream.toml'}:1")
    (project / "shots" / "pyproject.toml").write_text("[tool.vacestream]\ndevice = 'mps'\n")
    assert device() == ("mps", "pyproject.toml:2")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("devce = 'cpu'", "vacestream.toml:1: 'devce' is no setting; did you mean 'device'?"),
        ("zzz = 1", "vacestream.toml:1: 'zzz' is no setting; write one of device, precision, offload"),
        ("\nseed = 3", "vacestream.toml:2: 'seed' is no setting but a key of recipes, .*write `seed:` there"),
        ("device = 'gpu'", "vacestream.toml:1: device: 'gpu' is not one of auto, cpu, cuda"),
        ("device = 3", "vacestream.toml:1: device: 3 is not text"),
        ("device = ", r"vacestream.toml: not readable as TOML \(.*\); correct it"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_place_and_the_remedy(
    project: Path, text: str, said: str
) -> None:
    (project / "vacestream.toml").write_text(text)
    with pytest.raises(RecipeError, match=said):
        device()


def test_a_wrong_variable_is_refused_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VACESTREAM_MODELS", "weights")
    monkeypatch.setenv("VACESTREAM_OFFLOAD", "true")
    assert load_recipe("prompt: x\n", machine=machine_settings()).offload == "model"
    monkeypatch.setenv("VACESTREAM_DEVCE", "cpu")
    with pytest.raises(
        RecipeError, match="'VACESTREAM_DEVCE' is no setting; did you mean 'VACESTREAM_DEVICE'"
    ):
        device()


def test_explain_says_where_each_value_comes_from(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "fox.yaml").write_text("prompt: a fox\nlength: 21f\n")
    (project / "vacestream.toml").write_text("precision = 'bf16'\n")
    monkeypatch.setenv("VACESTREAM_DEVICE", "cpu")
    assert cli.run(["plan", "fox.yaml", "--explain", "--json"]) == 0
    origins = json.loads(capsys.readouterr().out)["origins"]
    assert origins["device"] == ["cpu", "VACESTREAM_DEVICE"]
    assert origins["precision"] == ["bf16", "vacestream.toml:1"]
    assert origins["offload"] == ["auto", "default"]
    monkeypatch.setenv("VACESTREAM_DEVICE", "gpu")
    assert cli.run(["plan", "fox.yaml"]) == 2
    assert "error: VACESTREAM_DEVICE: device: 'gpu' is not one of" in capsys.readouterr().err


def test_a_file_tells_others_what_decides_its_frames_and_not_where_they_were_made(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "vacestream.toml").write_text("precision = 'bf16'\ndevice = 'cuda:1'\n")
    recipe = load_recipe("prompt: x\nlength: 9f\n", machine=machine_settings())
    assert recipe.resolved() == {"version": 1, "prompt": "x", "length": "9f", "precision": "bf16"}
    said = load_recipe("prompt: x\nlength: 9f\ndevice: cpu\n", machine=machine_settings())
    assert said.resolved()["device"] == "cpu"
