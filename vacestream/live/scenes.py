"""Recipes that one stream turns between -> one plan that opens whatever any of them needs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vacestream.live.verbs import SETTABLE
from vacestream.moments import Switch
from vacestream.plan import Plan
from vacestream.recipe import Change, Recipe
from vacestream.unbuilt import STEERED

NEVER = 10**12
"""The chunk and frame of what comes only when it is asked for."""
_OWN = (*SETTABLE, "version", "preset", "expect", "length", "output", "size", "fps")
"""Keys that scenes need not share: set by the turn, the first one's, or compared once they are numbers."""


def joined(plans: Sequence[Plan]) -> Plan:
    """The first plan, with what the others need at changes that never come by themselves."""
    first, *others = plans
    for other in others:
        _refuse_unlike(first, other)
    changes = [_turn(other.recipe) for other in others]
    changes += [change for other in others for change in other.recipe.timeline]
    timeline = first.recipe.timeline
    later = tuple(
        Switch(i, NEVER, NEVER, NEVER + i, change.changed)
        for i, change in enumerate(changes, start=len(timeline))
    )
    recipe = first.recipe.model_copy(update={"timeline": (*timeline, *changes)})
    return replace(first, recipe=recipe, switches=(*first.switches, *later))


def keys_of(recipe: Recipe) -> dict[str, Any]:
    """All that a scene sets."""
    return {key: getattr(recipe, key) for key in SETTABLE}


def _turn(recipe: Recipe) -> Change:
    """The change that makes a stream this scene."""
    return Change.model_validate({"at": "0f", **{key: getattr(recipe, key) for key in STEERED}})


def _refuse_unlike(first: Plan, other: Plan) -> None:
    """Scenes share the input, the size and whatever else is fixed while a stream runs."""
    for key in Recipe.model_fields:
        if key not in _OWN and getattr(first.recipe, key) != getattr(other.recipe, key):
            what = f"is another than that of {first.recipe.name}; scenes of one stream share it"
            raise other.recipe.error((key,), what)
    for key in ("size", "fps"):
        if getattr(first, key) != getattr(other, key):
            what = f"is another than that of {first.recipe.name}; scenes of one stream share it"
            raise other.recipe.error((key,), what)
