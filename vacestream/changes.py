"""A recipe and its timeline -> what holds from each change on, and every control that ever acts."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from vacestream.moments import Switch
from vacestream.recipe import Control, Mask, Recipe, Reference
from vacestream.unbuilt import STEERED

NONE: dict[str, Any] = {"prompt": "", "references": (), "controls": (), "context_scale": 1.0, "mask": None}
"""Keys of a recipe that a change may hold, and what they are when it takes them away."""


@dataclass(frozen=True)
class Told:
    """What holds until the next change."""

    frame: int
    """The first frame of the chunk where it takes effect."""
    chunk: int
    prompt: str
    references: tuple[Reference, ...]
    controls: tuple[Control, ...]
    context_scale: float
    mask: Mask | None

    def heard(self) -> "Told":
        """The same without the references that are scaled to nothing."""
        return replace(self, references=tuple(one for one in self.references if one.scale))


def told(recipe: Recipe, switches: Iterable[Switch] = ()) -> tuple[Told, ...]:
    """What holds from the start, and from each change on."""
    mask = None if _is_off(recipe.mask) else recipe.mask
    now = Told(0, 0, recipe.prompt, recipe.references, recipe.controls, recipe.context_scale, mask)
    found = [now]
    for switch in sorted(switches, key=lambda one: one.chunk):
        change = recipe.timeline[switch.index]
        given: dict[str, Any] = {"frame": switch.frame, "chunk": switch.chunk}
        for key in set(switch.keys) & set(STEERED):
            value = getattr(change, key)
            given[key] = NONE[key] if value is None or _is_off(value) else value
        now = replace(now, **given)
        found.append(now)
    starts = {one.chunk: one.heard() for one in found}  # a change at the very start replaces what was said
    return tuple(starts.values())


def _is_off(value: Any) -> bool:
    """Whether `mask: none` takes the region away."""
    return isinstance(value, Mask) and value.mask == "none"


def streams(recipe: Recipe) -> tuple[Control, ...]:
    """Every control that acts at some time, once each however its scale changes."""
    every = [*recipe.controls, *(one for change in recipe.timeline for one in change.controls or ())]
    found: list[Control] = []
    for control in every:
        if all(plain(control) != plain(one) for one in found):
            found.append(control)
    return tuple(found)


def stream_of(recipe: Recipe, index: int) -> int:
    """The stream of a control; two that differ in strength alone are one, whose scales add."""
    every = [plain(one) for one in streams(recipe)]
    return every.index(plain(recipe.controls[index]))


def plain(control: Control) -> Control:
    """A control without its strength: what must be the same for it to be one stream."""
    return control.model_copy(update={"scale": 1.0, "on": True})
