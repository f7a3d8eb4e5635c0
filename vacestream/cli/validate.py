"""`vacestream validate`: accept or refuse, without weights."""

import json as json_text
from typing import TYPE_CHECKING

from vacestream.cli.options import (
    DebugOption,
    InputOption,
    JsonOption,
    NoMediaOption,
    OutputOption,
    Recipes,
    SetOption,
    say,
)
from vacestream.cli.options import load as load_all

if TYPE_CHECKING:
    from vacestream.recipe import Recipe


def validate(
    recipes: Recipes,
    input_: InputOption = None,
    output: OutputOption = None,
    sets: SetOption = None,
    no_media: NoMediaOption = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Accept or refuse recipes, without weights or GPU; says for render and for live."""
    from vacestream.plan import make_plan
    from vacestream.unbuilt import unbuilt

    rows = []
    for recipe in load_all(recipes, input_, output, sets):
        made = make_plan(recipe, media=not no_media, built=False)
        ways = judged(recipe)
        missing = [str(recipe.error(key, what)) for key, what in unbuilt(recipe)]
        rows.append({"recipe": recipe.name, "task": made.task, **ways, "unbuilt": missing})
        if not json:
            print(f"{recipe.name}: {made.task}; render: {ways['render']}; live: {ways['live']}")
            for note in missing:
                say(f"note: {note}")
    if json:
        print(json_text.dumps(rows[0] if len(rows) == 1 else rows, indent=2))


def judged(recipe: "Recipe") -> dict[str, str]:
    """yes, or why not, for render and for live."""
    from vacestream.ways import why_not_live, why_not_render

    reasons = {"render": why_not_render(recipe), "live": why_not_live(recipe)}
    return {way: "yes" if reason is None else f"no, {reason[1]}" for way, reason in reasons.items()}
