"""A recipe and its timeline -> what holds from each change on, and every control that ever acts."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from vacestream.method import Method
from vacestream.moments import Switch
from vacestream.recipe import Control, Lora, Mask, Recipe, Reference, Vace
from vacestream.unbuilt import STEERED

NONE: dict[str, Any] = {
    "prompt": "", "references": (), "controls": (), "context_scale": 1.0, "mask": None, "seed": 0,
    "steps": None, "strength": None, "loras": (), "vace": Vace(),
}  # fmt: skip
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
    seed: int
    steps: int | None
    strength: float | None
    loras: tuple[Lora, ...]
    vace: Vace
    switch: Literal["recache", "keep"] | None = None
    """What the last new prompt does to what is remembered."""
    cut: bool = False
    """Whether nothing is remembered at its first chunk."""

    @property
    def lora_files(self) -> tuple[tuple[str, float], ...]:
        """Files and scales, in order."""
        return tuple((lora.path, lora.scale) for lora in self.loras)

    @property
    def method(self) -> Method:
        """The method's choices."""
        return Method(**{choice.name: getattr(self.vace, choice.name) for choice in fields(Method)})

    def heard(self) -> "Told":
        """The same without the references that are scaled to nothing."""
        return replace(self, references=tuple(one for one in self.references if one.scale))


def told(recipe: Recipe, switches: Iterable[Switch] = ()) -> tuple[Told, ...]:
    """What holds from the start, and from each change on."""
    begun = {key: getattr(recipe, key) for key in NONE}
    now = Told(0, 0, **begun | {"mask": None if _is_off(recipe.mask) else recipe.mask})
    found = [now]
    for switch in sorted(switches, key=lambda one: one.chunk):
        change = recipe.timeline[switch.index]
        given: dict[str, Any] = {"frame": switch.frame, "chunk": switch.chunk}
        for key in set(switch.keys) & set(STEERED):
            value = getattr(change, key)
            given[key] = NONE[key] if value is None or _is_off(value) else value
        if change.vace is not None:
            given["vace"] = joined(now.vace, change.vace)
        given["cut"] = change.cut
        if {"prompt", "loras"} & set(switch.keys):
            given["switch"] = change.switch
        now = replace(now, **given)
        found.append(now)
    starts = {one.chunk: one.heard() for one in found}  # a change at the very start replaces what was said
    return tuple(starts.values())


def joined(before: Vace, said: Vace) -> Vace:
    """The method's choices behind a change, which leaves those that it does not name."""
    return before.model_copy(update={name: getattr(said, name) for name in said.model_fields_set})


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
