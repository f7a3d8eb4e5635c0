"""What `set` says -> the keys of the recipe that change, judged as the recipe is."""

from collections.abc import Sequence
from typing import Any

from vacestream.changes import plain, streams
from vacestream.errors import RecipeError
from vacestream.footage import look_at
from vacestream.live.verbs import SETTABLE
from vacestream.moments import Switch, switches
from vacestream.pipelines import PIPELINES
from vacestream.plan import Plan
from vacestream.recipe import Control, Mask, Recipe, load_recipe
from vacestream.recipe.text import Key
from vacestream.sampling import as_asked
from vacestream.unbuilt import unbuilt

STAYS = ("bbox", "mask")
"""Modes of a mask that can come while a stream runs: the others follow a thing from the first frame on."""
_MEDIA = ("input", "extend", "references", "controls", "mask", "timeline")


def edited(recipe: Recipe, sets: dict[str, Any], plan: Plan) -> dict[str, Any]:
    """The keys of the recipe that `sets` changes, and their values; refused as `--set` is."""
    keys = list(dict.fromkeys(name.split(".")[0] for name in sets))
    if not keys:
        raise RecipeError('set: names no key; write {"set": {"prompt": "..."}}')
    made = load_recipe(recipe.resolved(), overrides=list(sets.items()))
    return turned(made, keys, plan)


def turned(recipe: Recipe, keys: Sequence[str], plan: Plan) -> dict[str, Any]:
    """These keys of a recipe, and their values; refused where they are fixed or a stream cannot take them."""
    for key in keys:
        if key not in SETTABLE:
            what = f"is fixed while the stream runs, which can change {', '.join(SETTABLE)}; start it again"
            raise recipe.error((key,), what)
    _refuse_unfit(recipe, keys, plan)
    as_asked(recipe, PIPELINES[recipe.pipeline])
    return {key: getattr(recipe, key) for key in keys}


def _refuse_unfit(recipe: Recipe, keys: Sequence[str], plan: Plan) -> None:
    """Refuse what these keys of a recipe ask of a running stream and it cannot do."""
    for key, what in unbuilt(recipe):
        if key[0] in keys:
            raise recipe.error(key, what)
    empty = Recipe()
    look_at(recipe.model_copy(update={key: getattr(empty, key) for key in _MEDIA if key not in keys}))
    if "controls" in keys:
        _refuse_new_controls(recipe, ("controls",), recipe.controls, plan)
    if "mask" in keys:
        _refuse_mask(recipe, ("mask",), recipe.mask, plan)
    starts = any(told.strength is not None for told in plan.told)
    if "strength" in keys and recipe.strength is not None and not starts:
        raise recipe.error(("strength",), "this stream starts from noise; start it with one, such as 1")
    if "timeline" in keys:
        for i, change in enumerate(recipe.timeline):
            _refuse_new_controls(recipe, ("timeline", i, "controls"), change.controls or (), plan)
            _refuse_mask(recipe, ("timeline", i, "mask"), change.mask, plan)
        moments(recipe, plan)


def moments(recipe: Recipe, plan: Plan) -> tuple[Switch, ...]:
    """Where the timeline of a recipe takes effect."""
    return tuple(switches(recipe, plan.spec, plan.fps, plan.num_frames))


def _refuse_new_controls(recipe: Recipe, key: Key, controls: tuple[Control, ...], plan: Plan) -> None:
    """A signal is read from the first frame on, so it cannot come later."""
    known = streams(plan.recipe)
    for i, control in enumerate(controls):
        if all(plain(control) != plain(one) for one in known):
            what = f"{control.signal} is not read by this stream; start it with this control and `on: false`"
            raise recipe.error((*key, i), what)


def _refuse_mask(recipe: Recipe, key: Key, mask: Mask | None, plan: Plan) -> None:
    opened = {told.mask for told in plan.told}
    if mask is None or mask.mask == "none" or mask in opened:
        return
    if opened == {None}:
        raise recipe.error(key, "this stream keeps nothing of its input; start it with a mask")
    if mask.mode not in STAYS:
        ways = " or ".join(STAYS)
        what = f"{mask.mode} follows a thing from the first frame on; write a {ways}, or start with it"
        raise recipe.error((*key, "mode"), what)
