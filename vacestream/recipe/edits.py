"""Changes of a recipe's data before it is read: `--set a.b=c`, `-i`, `-o`, and the preset beneath it."""

from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from vacestream.errors import RecipeError
from vacestream.recipe.base import Model
from vacestream.recipe.shape import Shape, fields, shape
from vacestream.recipe.text import Document, Key, Place, read_value

_OPTIONS = {"input": "-i", "output": "-o"}


def merged(base: Document, top: Document, root: type[Model]) -> Document:
    """The recipe on top of its preset: mappings join, short forms too, everything else is replaced."""
    places = dict(base.places)

    def join(below: Any, above: Any, key: Key, at: Shape) -> Any:
        below, above = _alike(below, above, at)
        if isinstance(below, dict) and isinstance(above, dict):
            places.update({(*key, name): base.place((*key, name)) for name in below})
            places[key] = top.place(key)
            known = fields(at.part) if at.part else {}
            both = {
                name: join(below[name], above[name], (*key, name), _shape_of(known.get(name)))
                for name in below
                if name in above
            }
            for name in set(above) - set(below):
                adopt((*key, name))
            return {**below, **above, **both}
        adopt(key)
        return above

    def adopt(key: Key) -> None:
        for old in [known for known in places if known[: len(key)] == key]:
            del places[old]
        places.update({known: place for known, place in top.places.items() if known[: len(key)] == key})
        places.setdefault(key, top.place(key))

    data = join(base.data, top.data, (), Shape(root, False, False))
    return Document(data, places)


def _alike(below: Any, above: Any, at: Shape) -> tuple[Any, Any]:
    """Both spelled out where one is a mapping and the other the value of its main key."""
    if isinstance(below, dict) and isinstance(above, str | int | float):
        return below, _spelled_out(above, at) or above
    if isinstance(above, dict) and isinstance(below, str | int | float):
        return _spelled_out(below, at) or below, above
    return below, above


def _shape_of(info: FieldInfo | None) -> Shape:
    return shape(info) if info else Shape(object, False, False)


def with_override(document: Document, root: type[Model], dotted: str, value: Any) -> Document:
    """The recipe with one value set as the command line says; text for text is taken literally."""
    names = dotted.split(".")
    option = _OPTIONS.get(dotted, f"--set {dotted}")
    if not all(names):
        raise RecipeError(
            f"{option}: {dotted!r} is not a key; write --set KEY=VALUE, such as controls.0.scale=0.5"
        )
    way: list[str | int] = []
    data = _set(document.data, Shape(root, False, False), names, value, option, way)
    key = tuple(way)
    places = {known: place for known, place in document.places.items() if known[: len(key)] != key}
    for end in range(1, len(key)):
        places.setdefault(key[:end], Place(option))
    places[key] = Place(option, folder=Path())
    return Document(data, places)


def _set(old: Any, at: Shape, names: list[str], value: Any, option: str, way: list[str | int]) -> Any:
    """The old value with the new one at the end of these names; None where it is to be left out."""
    if not names:
        return _leaf(old, at, value)
    name, rest = names[0], names[1:]
    if at.several:
        items = [] if old is None else list(old) if isinstance(old, list) else [old]
        if not name.isdecimal() and len(items) < 2:
            name, rest = "0", names  # one item that stands alone
        if not name.isdecimal() or int(name) > len(items):
            raise RecipeError(f"{option}: {name!r} in a list of {len(items)}; write a number, counted from 0")
        items += [None] * (int(name) == len(items))
        way.append(int(name))
        items[int(name)] = _set(items[int(name)], Shape(at.kind, False, at.is_file), rest, value, option, way)
        return [item for item in items if item is not None]
    if at.part is None and not isinstance(old, dict | None):
        raise RecipeError(f"{option}: there is nothing named {name!r} in a single value; shorten the key")
    mapping = dict(old) if isinstance(old, dict) else _spelled_out(old, at)
    inner = _shape_of(fields(at.part).get(name) if at.part else None)
    way.append(name)
    new = _set(mapping.get(name), inner, rest, value, option, way)
    return {**mapping, name: new} if new is not None else {k: v for k, v in mapping.items() if k != name}


def _spelled_out(old: Any, at: Shape) -> dict[str, Any]:
    if old == "fill":
        return {"fill": True}
    return {at.part.main_key: old} if old is not None and at.part and at.part.main_key else {}


def _leaf(old: Any, at: Shape, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if at.kind is str and not at.several:
        return None if value == "null" else value
    main = at.part.main_key if at.part else ""
    if main and value not in ("null", "none") and value[:1] not in "[{":
        alone = old[0] if isinstance(old, list) and len(old) == 1 else old
        return {**alone, main: value} if isinstance(alone, dict) else value
    try:
        return read_value(value)
    except RecipeError:
        return value
