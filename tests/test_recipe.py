"""The recipe language as a whole: what reads, what is refused and in which words, the schema."""

import json
import os
import random
import re
from pathlib import Path

import pytest
import yaml

from vacestream.errors import RecipeError, VacestreamError
from vacestream.plan import make_plan
from vacestream.recipe import Recipe, json_schema, load_recipe

DATA = Path(__file__).parent / "data"
ROOT = Path(__file__).parent.parent
RECIPES = (DATA / "recipes.yaml").read_text().split("---\n")
REFUSED = (DATA / "refused.yaml").read_text().split("---\n")
SHIPPED = sorted((ROOT / "recipes").glob("*.yaml"))


def first_line(text: str) -> str:
    return text.split("\n", 1)[0]


@pytest.mark.parametrize("text", RECIPES, ids=first_line)
def test_what_a_recipe_resolves_to_reads_back_as_the_same_recipe(text: str) -> None:
    recipe = load_recipe(text)
    again = load_recipe(yaml.safe_dump(recipe.resolved()))
    assert again.resolved() == recipe.resolved()
    assert again.model_dump() == recipe.model_dump()


@pytest.mark.parametrize("text", REFUSED, ids=first_line)
def test_a_wrong_recipe_is_refused_with_its_line_its_key_and_a_remedy(text: str) -> None:
    expected = re.match(r"# (\d+): (.*)", text)
    assert expected
    with pytest.raises(RecipeError) as refusal:
        make_plan(load_recipe(text.split("\n", 1)[1], name="dance.yaml"), media=False)
    assert str(refusal.value).startswith(f"dance.yaml:{expected[1]}: {expected[2]}")
    assert "; " in str(refusal.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_recipe_says_what_it_gives_knows_its_schema_and_plans(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# ")
    schema = next(line for line in lines if line.startswith("# yaml-language-server: $schema="))
    assert (path.parent / schema.partition("=")[2]).is_file()
    assert make_plan(load_recipe(path)).notes == ()


def test_the_schema_file_for_editors_is_the_schema_of_the_models() -> None:
    assert json.loads((ROOT / "vacestream" / "recipe" / "schema.json").read_text()) == json_schema()


def test_every_field_and_every_part_of_the_schema_is_described() -> None:
    schema = json_schema()
    parts = [schema, *schema["$defs"].values()]
    for part in parts:
        assert part["description"]
        mapping = next((choice for choice in part.get("anyOf", []) if "properties" in choice), part)
        for name, field in mapping["properties"].items():
            assert "description" in field or "$ref" in field, (part["title"], name)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("input: a.mp4", "input: {path: a.mp4}"),
        ("controls: depth", "controls: [{signal: depth}]"),
        ("controls: [depth, pose]", "controls: [{signal: depth}, {signal: pose}]"),
        ("references: a.png", "references: [{image: a.png}]"),
        ("references: {image: a.png}", "references: [{image: a.png, mode: plain, scale: 1}]"),
        ("mask: m.png", "mask: {mode: mask, mask: m.png}"),
        ("mask: {label: dog}", "mask: {mode: label, label: dog}"),
        ("mask: {mode: bbox, bbox: [1, 2, 3, 4]}", "mask: {mode: bbox, bbox: [[1, 2, 3, 4]]}"),
        ("mask: {label: dog, augment: hull}", "mask: {label: dog, augment: {mode: hull}}"),
        ("mask: {points: [1, 2]}", "mask: {mode: pointtrack, points: [[1, 2]]}"),
        ("outpaint: fill", "outpaint: {fill: true}"),
        ("output: a.mp4", "output: [{path: a.mp4}]"),
        ("output: {save: sheet}", "output: [{save: [sheet]}]"),
        ("loras: s.safetensors", "loras: [{path: s.safetensors, scale: 1}]"),
        ("timeline: {at: 2s, references: a.png}", "timeline: [{at: 2s, references: [{image: a.png}]}]"),
    ],
)  # fmt: skip
def test_a_short_form_means_the_long_one(short: str, long: str) -> None:
    assert load_recipe(short + "\n").model_dump() == load_recipe(long + "\n").model_dump()


def test_a_recipe_cannot_change() -> None:
    recipe = load_recipe("prompt: x\n")
    with pytest.raises(ValueError, match="frozen"):
        recipe.prompt = "y"


def test_a_recipe_made_in_python_is_judged_by_the_same_words() -> None:
    with pytest.raises(RecipeError, match="recipe: mask: keeps the input"):
        make_plan(Recipe(mask="m.png"), media=False)


def test_all_findings_are_told_at_once_in_the_order_of_the_file() -> None:
    with pytest.raises(RecipeError) as refusal:
        load_recipe("promt: x\nseed: -1\ncontrols: [dept]\n", name="r.yaml")
    lines = str(refusal.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["r.yaml:1", "r.yaml:2", "r.yaml:3"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "r.yaml:1: the recipe is empty"),
        (b"# nothing\n", "r.yaml:1: the recipe is empty"),
        (b"- a\n", "r.yaml:1: a recipe is `key: value` lines, this is a list"),
        (b"just words\n", "r.yaml:1: a recipe is `key: value` lines, this is a single value"),
        (b"prompt: x\n\xff\xfe", "r.yaml:2: not a recipe: this is not UTF-8 text"),
        (b"prompt: x\nseed: \x07\n", "r.yaml:2: a character that YAML does not allow"),
    ],
)
def test_a_file_that_holds_no_recipe_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(RecipeError, match=re.escape(said)):
        load_recipe(tmp_path / "r.yaml")


def test_a_file_with_a_byte_order_mark_and_windows_lines_reads(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_bytes(b"\xef\xbb\xbfprompt: x\r\nlength: 4s\r\n")
    assert load_recipe(tmp_path / "r.yaml").prompt == "x"


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.yaml: cannot read this recipe"):
        load_recipe(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match="a folder, not a recipe"):
        load_recipe(tmp_path)


def test_paths_are_relative_to_the_recipe_and_to_the_current_folder_on_the_command_line(
    tmp_path: Path,
) -> None:
    text = "input: a.mp4\nreferences: [sprites:3, pics/b.png]\nmask: /abs/m.png\noutput: [out/, '-']\n"
    (tmp_path / "r.yaml").write_text(text)
    recipe = load_recipe(tmp_path / "r.yaml")
    assert recipe.input
    assert recipe.mask
    assert recipe.input.path == str(tmp_path / "a.mp4")
    assert [reference.image for reference in recipe.references] == [
        "sprites:3",
        str(tmp_path / "pics" / "b.png"),
    ]
    assert recipe.mask.mask == "/abs/m.png"
    assert [output.path for output in recipe.output] == [f"{tmp_path}/out/", "-"]
    moved = load_recipe(tmp_path / "r.yaml", overrides=[("input", "b.mp4"), ("output", "c.mp4")])
    assert moved.input
    assert moved.input.path == "b.mp4"
    assert [output.path for output in moved.output] == ["c.mp4"]


def test_the_word_input_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        "input: a.png\nextend: {firstframe: input}\nlength: 4s\noutput: {audio: none}\n"
    )
    recipe = load_recipe(tmp_path / "r.yaml")
    assert recipe.extend
    assert recipe.extend.firstframe == "input"
    assert recipe.output[0].audio == "none"


def test_what_a_preset_says_stands_below_and_its_paths_are_its_own(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    base = "prompt: x\nseed: 5\ninput: a.mp4\noutput: {path: o.mp4, crf: 30}\ncontrols: [depth, pose]\n"
    (tmp_path / "base" / "base.yaml").write_text(base)
    (tmp_path / "r.yaml").write_text("preset: base/base.yaml\nseed: 6\noutput: {crf: 20}\ncontrols: [flow]\n")
    recipe = load_recipe(tmp_path / "r.yaml")
    assert (recipe.prompt, recipe.seed) == ("x", 6)
    assert recipe.input
    assert recipe.input.path == str(tmp_path / "base" / "a.mp4")
    assert [control.signal for control in recipe.controls] == ["flow"]
    assert (recipe.output[0].path, recipe.output[0].crf) == (str(tmp_path / "base" / "o.mp4"), 20)
    assert recipe.origin(("prompt",)) == f"{tmp_path / 'base' / 'base.yaml'}:1"
    assert recipe.origin(("seed",)) == f"{tmp_path / 'r.yaml'}:2"


def test_presets_that_stand_on_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("preset: b.yaml\n")
    (tmp_path / "b.yaml").write_text("preset: a.yaml\n")
    with pytest.raises(RecipeError, match=r"preset: presets stand on each other without end"):
        load_recipe(tmp_path / "a.yaml")


ODD = (
    "", "~", "true", "-1", "1e999", ".nan", "[]", "{}", "{", "'", "\t", "*a", "!!int x", "1:75", "[[1]]",
    ": ", "#", "9" * 400, "\u0000", "\U0001f98a", "sprites:x", "preset: study", "<<: *a", "&a [*a]", "null",
    "-0.0", "0x10",
)  # fmt: skip


def corpus() -> list[str]:
    """Recipes that read: those of the tests, those that are shipped, and the shared ones where they are."""
    shared = Path(os.environ.get("VACESTREAM_GOLDEN", "none")).parent / "design" / "recipes-corpus.yaml"
    return [
        *RECIPES,
        *(path.read_text() for path in SHIPPED),
        *(shared.read_text().split("---\n") if shared.is_file() else ()),
    ]


def edited(text: str, rng: random.Random, recipes: list[str]) -> str:
    """A recipe with one place changed as a careless hand would."""
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    match rng.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, rng.choice(rng.choice(recipes).split("\n")))
        case 2:
            lines[at] = re.sub(r":\s.*$", lambda _: ": " + rng.choice(ODD), lines[at])
        case 3:
            lines[at] = "  " + lines[at]
        case 4:
            lines[at] = re.sub(r"[\w.]+(?=[^\w]*$)", lambda _: rng.choice(ODD), lines[at])
        case _:
            text = "\n".join(lines)
            at = rng.randrange(len(text) + 1)
            return text[:at] + rng.choice(ODD) + text[at + rng.randrange(4) :]
    return "\n".join(lines)


def judged(text: str) -> tuple[Recipe | None, str]:
    """The recipe, or why it is refused."""
    try:
        recipe = load_recipe(text, name="r")
        make_plan(recipe, media=False).to_dict()
    except VacestreamError as refusal:
        return None, str(refusal)
    return recipe, ""


def test_whatever_a_hand_does_to_a_recipe_it_reads_or_is_refused_with_a_line() -> None:
    rng, recipes, refused = random.Random(0), corpus(), 0
    for _ in range(2000):
        text = rng.choice(recipes)
        for _ in range(rng.randrange(1, 4)):
            text = edited(text, rng, recipes) + "\n"
        recipe, refusal = judged(text)
        refused += recipe is None
        assert all(re.match(r"(r|preset \w+):\d+: .*; ", line) for line in refusal.splitlines()), (
            text,
            refusal,
        )
        if recipe:
            assert load_recipe(recipe.resolved()).resolved() == recipe.resolved(), text
    assert 500 < refused < 1800
