"""Which task a recipe is, and which of render and live it suits."""

import re
from pathlib import Path

import pytest
import yaml

from vacestream.errors import RecipeError
from vacestream.recipe import load_recipe
from vacestream.tasks import ALIASES, FAMILIES, TERMS, infer
from vacestream.ways import why_not_live, why_not_render

RECIPES = (Path(__file__).parent / "data" / "recipes.yaml").read_text().split("---\n")


@pytest.mark.parametrize("text", RECIPES, ids=lambda text: text.split("\n", 1)[0])
def test_a_recipe_is_the_task_that_its_author_expects(text: str) -> None:
    expected = yaml.safe_load(text)["expect"]
    task = infer(load_recipe(text))
    terms = task.split(" + ")
    if expected in ALIASES:
        assert frozenset(terms) in ALIASES[expected]
    elif expected in FAMILIES:
        assert set(terms) <= {*FAMILIES[expected], "R2V"}
    else:
        assert task == expected


@pytest.mark.parametrize("text", RECIPES, ids=lambda text: text.split("\n", 1)[0])
def test_the_same_recipe_with_another_expectation_is_refused(text: str) -> None:
    wrong = "R2V + gray + keyframes"
    with pytest.raises(RecipeError, match=re.escape(f"you mean {wrong}, and this recipe is ")):
        infer(load_recipe(re.sub(r"expect: .*", f"expect: {wrong}", text)))


@pytest.mark.parametrize("expected", ["depth + R2V", "R2V+depth", "R2V + V2V"])
def test_the_order_of_an_expectation_does_not_matter_and_a_family_holds_its_members(expected: str) -> None:
    text = f"input: a.mp4\ncontrols: depth\nreferences: a.png\nexpect: {expected}\n"
    assert infer(load_recipe(text)) == "R2V + depth"


def test_two_controls_of_one_signal_are_said_once() -> None:
    assert (
        infer(
            load_recipe(
                "prompt: x\ncontrols: [{signal: depth, video: a.mp4}, {signal: depth, video: b.mp4}]\n"
            )
        )
        == "depth"
    )


def test_every_term_is_known_once() -> None:
    assert len(set(TERMS)) == len(TERMS)


@pytest.mark.parametrize(
    ("text", "render", "live"),
    [
        ("input: a.mp4\ncontrols: depth\n", None, None),
        ("input: camera:0\ncontrols: depth\n", ("input", "path"), None),
        ("input: sprites:3\ncontrols: depth\n", ("input", "path"), None),
        ("input: sprites:3\ncontrols: depth\nlength: 4s\n", None, None),
        ("prompt: x\nlength: endless\n", ("length",), None),
        ("input: a.mp4\ncontrols: depth\noutput: [a.mp4, camera:out]\n", ("output", 1, "path"), None),
        ("input: a.jpg\nmask: m.png\noutput: b.png\n", None, ("output", 0, "path")),
        ("prompt: x\nlength: 4s\nmode: batch\n", None, ("mode",)),
    ],
)
def test_what_suits_render_and_what_suits_live(text: str, render: object, live: object) -> None:
    recipe = load_recipe(text)
    infer(recipe)
    for reason, key in ((why_not_render(recipe), render), (why_not_live(recipe), live)):
        assert (reason and reason[0]) == key


def test_stdin_cannot_hold_the_recipe_and_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    from types import SimpleNamespace

    text = b"input: '-'\ncontrols: {signal: depth}\nlength: 4s\n"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    with pytest.raises(RecipeError, match=r"-:1: input\.path: stdin holds the recipe already"):
        infer(load_recipe("-"))
