"""The numbers and switches of a recipe that a fader, a button or a slider can turn while it runs."""

from dataclasses import dataclass
from typing import Any

from annotated_types import Ge, Le

from vacestream.recipe import Recipe
from vacestream.recipe.shape import fields, part_at, shape
from vacestream.recipe.text import Key


@dataclass(frozen=True)
class Knob:
    """One of them, and how far it goes."""

    key: str
    """Such as controls.0.scale."""
    low: float
    high: float
    is_switch: bool
    value: float

    def at(self, share: float) -> float | bool:
        """What it is when it is turned up by this share, 0..1."""
        return share >= 0.5 if self.is_switch else self.low + share * (self.high - self.low)


def knobs(recipe: Recipe) -> tuple[Knob, ...]:
    """Every knob of a recipe as it stands, in the order of the recipe."""
    keys: list[tuple[Key, Any]] = [(("context_scale",), recipe.context_scale)]
    for i, control in enumerate(recipe.controls):
        keys += [(("controls", i, "scale"), control.scale), (("controls", i, "on"), control.on)]
    keys += [(("references", i, "scale"), one.scale) for i, one in enumerate(recipe.references)]
    return tuple(_knob(key, value) for key, value in keys)


def fitted(dotted: str, value: Any) -> Any:
    """A number as this key takes it: 1.0 is `true` for a switch, and 7 for a whole number."""
    key: Key = tuple(int(name) if name.isdecimal() else name for name in dotted.split("."))
    part = part_at(Recipe, key[:-1])
    info = fields(part).get(str(key[-1])) if part else None
    if info is None or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    kind = shape(info).kind
    if kind is bool and value in (0, 1):
        return bool(value)
    return int(value) if kind is int and value == int(value) else value


def _knob(key: Key, value: Any) -> Knob:
    part = part_at(Recipe, key[:-1])
    assert part is not None
    info = fields(part)[str(key[-1])]
    low = next((float(limit.ge) for limit in info.metadata if isinstance(limit, Ge)), 0.0)  # type: ignore[arg-type]
    high = next((float(limit.le) for limit in info.metadata if isinstance(limit, Le)), 1.0)  # type: ignore[arg-type]
    return Knob(".".join(map(str, key)), low, high, shape(info).kind is bool, float(value))
