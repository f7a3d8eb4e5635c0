"""Presets: each plans, the recipe on top wins, and where each value came from is told."""

from pathlib import Path

import pytest

from vacestream.errors import RecipeError
from vacestream.plan import make_plan
from vacestream.presets import FOLDER, NAMES, named
from vacestream.recipe import load_recipe
from vacestream.recipe.text import Document, Place

PLAIN = "prompt: x\ninput: sprites:7\nlength: 21f\n"
NEEDS = {"study": "controls: depth\n", "archive": "controls: depth\n", "frames": "controls: depth\n",
         "exact": "controls: depth\n", "longlive": "controls: depth\n"}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_preset_plans_says_what_it_gives_and_is_felt(name: str) -> None:
    text = PLAIN + NEEDS.get(name, "")
    with_it = load_recipe(f"preset: {name}\n{text}", name="r.yaml")
    assert make_plan(with_it).notes == ()
    assert with_it.resolved() != load_recipe(text, name="r.yaml").resolved()
    assert 20 < len(named(name).summary) < 115
    for key in named(name).document.data:
        assert with_it.origins((key,))[-1].startswith(f"preset {name}:")


def test_what_a_shipped_preset_writes_goes_to_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "fox.yaml").write_text("preset: archive\nprompt: x\nlength: 9f\n")
    (target,) = make_plan(load_recipe(tmp_path / "fox.yaml")).outputs
    assert target.path == "fox.mkv"


def test_a_short_form_joins_the_mapping_of_its_preset_and_the_other_way_round(tmp_path: Path) -> None:
    recipe = load_recipe(f"preset: study\noutput: mine.mp4\ncontrols: depth\n{PLAIN}", name="r.yaml")
    assert recipe.resolved()["output"] == [{"path": "mine.mp4", "save": ["sheet", "control"]}]
    assert recipe.origins(("output",)) == ("r.yaml:2", "preset study:3")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "base.yaml").write_text("output: base.mp4\ncontrols: gray\n")
    (tmp_path / "r.yaml").write_text("preset: below/base.yaml\noutput: {crf: 30}\ncontrols: [flow]\n")
    recipe = load_recipe(tmp_path / "r.yaml")
    assert (recipe.output[0].path, recipe.output[0].crf) == (str(tmp_path / "below" / "base.mp4"), 30)
    assert [control.signal for control in recipe.controls] == ["flow"]


def test_flag_recipe_preset_and_machine_speak_in_this_order() -> None:
    machine = Document({"device": "cuda:1", "precision": "bf16"}, {("device",): Place("VACESTREAM_DEVICE")})
    text = "preset: exact\nprompt: x\nlength: 9f\n"

    def device(text: str, *overrides: tuple[str, str]) -> tuple[str, tuple[str, ...]]:
        recipe = load_recipe(text, name="r.yaml", overrides=overrides, machine=machine)
        return recipe.device, recipe.origins(("device",))

    assert device("prompt: x\n") == ("cuda:1", ("VACESTREAM_DEVICE",))
    assert device(text) == ("cpu", ("preset exact:3",))
    assert device(f"{text}device: mps\n") == ("mps", ("r.yaml:4",))
    assert device(text, ("device", "cuda:2")) == ("cuda:2", ("--set device",))


def test_the_command_line_names_a_preset_too() -> None:
    assert load_recipe("prompt: x\n", overrides=[("seed", "4"), ("preset", "exact")]).precision == "fp32"
    assert load_recipe("preset: exact\nprompt: x\n", overrides=[("preset", "null")]).precision == "auto"


@pytest.mark.parametrize(
    ("preset", "said"),
    [
        ("studdy", r"r\.yaml:1: preset: 'studdy' is not a preset; did you mean 'study'\?; `vacestream pre"),
        ("[study]", r"r\.yaml:1: preset: \['study'\] is no preset; write a name or a recipe file"),
        ("study.yaml", r"r\.yaml:1: preset: there is no recipe study\.yaml"),
        ("./study", r"r\.yaml:1: preset: there is no recipe study"),
    ],
)
def test_a_preset_that_is_none_is_refused_with_the_nearest(preset: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe(f"preset: {preset}\nprompt: x\n", name="r.yaml")


def test_every_preset_knows_its_schema() -> None:
    for name in NAMES:
        line = (FOLDER / f"{name}.yaml").read_text().splitlines()[1]
        assert (FOLDER / line.removeprefix("# yaml-language-server: $schema=")).is_file()
