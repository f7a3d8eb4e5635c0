"""What a recipe needs of the model files, from its text alone."""

import pytest

from vacestream.errors import RecipeError
from vacestream.needs import parts_left_out, parts_needed
from vacestream.plan import make_plan
from vacestream.recipe import Recipe, load_recipe

WAN = ("transformer", "lora", "vace", "vae", "text", "tokenizer")


def longlive(**keys: object) -> Recipe:
    return load_recipe({"pipeline": "longlive-1.3b", "prompt": "x", "length": "9f", **keys})


@pytest.mark.parametrize(
    ("keys", "left_out", "more"),
    [
        ({}, {"vace"}, set()),
        ({"references": "a.png"}, set(), set()),
        ({"timeline": {"at": "4s", "references": "a.png"}}, set(), set()),
        ({"vae": "tae"}, {"vace", "vae"}, {"taew2_1"}),
        ({"vae": {"output": "light"}}, {"vace"}, {"lightvaew2_1"}),
        ({"input": "a.mp4", "controls": "pose"}, set(), {"dwpose"}),
        ({"controls": {"signal": "pose", "video": "p.mp4"}}, set(), set()),
        ({"references": {"image": "a.png", "mode": "face"}}, set(), {"yunet"}),
    ],
    ids=str,
)
def test_a_recipe_needs_its_pipeline_without_what_it_does_not_use_and_the_nets_that_it_asks_for(
    keys: dict[str, object], left_out: set[str], more: set[str]
) -> None:
    recipe = longlive(**keys)
    assert {*parts_left_out(recipe)} == left_out
    needed = parts_needed(recipe)
    assert [part for name, part in needed if name == recipe.pipeline] == [p for p in WAN if p not in left_out]
    assert {name for name, _ in needed} - {recipe.pipeline} == more


def test_the_embedded_model_needs_no_file_and_has_no_other_vae() -> None:
    assert parts_needed(load_recipe({"prompt": "x", "length": "9f"})) == {}
    with pytest.raises(RecipeError, match="vae: sprites has a VAE of its own; leave `vae:` out"):
        make_plan(load_recipe({"prompt": "x", "length": "9f", "vae": "tae"}))
