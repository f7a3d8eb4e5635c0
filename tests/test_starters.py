"""Recipes to start from: every task has one, and every one is what it says."""

import pytest

from vacestream.annotators import TASKS
from vacestream.errors import RecipeError
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe
from vacestream.starters import OTHER_NAMES, STARTERS, starter


def test_every_task_has_a_recipe() -> None:
    assert TASKS.keys() <= STARTERS.keys()
    assert {"T2V", "R2V"} <= STARTERS.keys()
    assert set(OTHER_NAMES.values()) <= STARTERS.keys()


@pytest.mark.parametrize("task", STARTERS)
def test_every_recipe_plans_and_is_read_as_its_task(task: str) -> None:
    text = starter(task)
    plan = make_plan(load_recipe(text), media=False)
    assert plan.recipe.expect == STARTERS[task].expect
    assert f"# {task}: " in text
    assert all("  # " in line for line in text.splitlines() if line.startswith(("input", "prompt")))
    assert max(map(len, text.splitlines())) <= 110


def test_what_is_left_out_reads_when_it_is_put_in() -> None:
    text = starter("depth").replace("# pipeline", "pipeline").replace("# context_scale", "context_scale")
    text = text.replace("# seed", "seed").replace("# output", "output")
    assert load_recipe(text).pipeline == "longlive-1.3b"
    given = text.replace("controls: [{signal: depth, scale", "# ").replace("# controls", "controls")
    given = given.replace("input: ", "# ")
    assert make_plan(load_recipe(given), media=False).task == "depth"


@pytest.mark.parametrize(
    ("name", "task"), [("t2v", "T2V"), ("Depth", "depth"), ("inpainting_bbox", "bbox"), ("MV2V", "mask")]
)
def test_other_names_of_a_task_mean_it(name: str, task: str) -> None:
    assert starter(name) == starter(task)


def test_a_name_that_is_none_is_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="'dept' is not a task; did you mean 'depth'"):
        starter("dept")
