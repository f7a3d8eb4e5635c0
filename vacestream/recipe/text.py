"""YAML text -> plain data and the line of each key, scalars as in YAML 1.2 (`1:30`, `off`, `no` are text)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vacestream.errors import RecipeError

Key = tuple[str | int, ...]
"""The way to a value: ("controls", 0, "scale")."""

MAX_VALUES = 20_000
"""More values than any recipe has: stops aliases that multiply themselves."""

_SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
}
_TAG = "tag:yaml.org,2002:"
_REMEDIES = {
    "mapping values are not allowed here": "put text that contains ': ' in quotes",
    "sequence entries are not allowed here": "put a lone - in quotes, or start the list on its own line",
    "cannot start any token": "indent with spaces, and put text that starts with a special sign in quotes",
    "but found another document": "keep one recipe in a file",
    "could not find expected ':'": "write `key: value`",
    "expected <block end>": "keys of one level start in one column",
    "expected ',' or": "close the bracket, or put a comma between the values",
    "found undefined alias": "put text that starts with * in quotes",
    "while scanning a quoted scalar": "close the quotation mark",
}


class _Yaml12(yaml.SafeLoader):
    """PyYAML's reader with the scalars of YAML 1.2 and no others."""

    yaml_implicit_resolvers: dict[Any, Any] = {}


for _name, _pattern in _SCALARS.items():
    _Yaml12.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), None)


@dataclass(frozen=True)
class Place:
    """Where a value stands: a line of a file, or an option of the command line."""

    name: str
    line: int = 0
    folder: Path = field(default=Path())
    """What a relative path at this place is relative to."""
    local: bool = False
    """Whether what stands here holds for this machine alone."""

    def __str__(self) -> str:
        return f"{self.name}:{self.line}" if self.line else self.name


@dataclass(frozen=True)
class Document:
    """A recipe as plain data, with the place of every key."""

    data: dict[str, Any]
    places: dict[Key, Place]

    def place(self, key: Key) -> Place:
        """The place of this value, or of what holds it."""
        found = self.places.get((), Place("recipe"))
        data: Any = self.data
        way: Key = ()
        for name in key:
            if isinstance(name, int) and not isinstance(data, list):
                continue  # one item that stands alone
            way = (*way, name)
            found = self.places.get(way, found)
            data = _inside(data, name)
        return found

    def error(self, key: Key, what: str) -> RecipeError:
        dotted = ".".join(map(str, key))
        place = self.place(key)
        known = not dotted or (not place.line and place.name.endswith(f" {dotted}"))
        return RecipeError(f"{place}: {what}" if known else f"{place}: {dotted}: {what}")


def read_document(text: str, name: str, folder: Path = Path()) -> Document:
    """The one mapping that this text holds, or a RecipeError with its line."""
    places: dict[Key, Place] = {(): Place(name, 1, folder)}
    reader = _Reader(name, folder, places)
    data = reader.read(text)
    if data is None:
        raise RecipeError(f"{name}:1: the recipe is empty; write at least `prompt:` and `length:`")
    if not isinstance(data, dict):
        raise RecipeError(
            f"{name}:1: a recipe is `key: value` lines, this is {_kind(data)}; see `vacestream schema`"
        )
    return Document(data, places)


def read_value(text: str) -> Any:
    """One value as a recipe would read it, without places (for the command line)."""
    return _Reader("value", Path(), {}, nulls=True).read(text)


class _Reader:
    """Builds data from YAML nodes and notes where each value stands."""

    def __init__(self, name: str, folder: Path, places: dict[Key, Place], *, nulls: bool = False) -> None:
        self.name, self.folder, self.places, self.nulls, self.num_values = name, folder, places, nulls, 0

    def read(self, text: str) -> Any:
        try:
            loader = _Yaml12(text)
            node = loader.get_single_node()
            return None if node is None else self.build(node, ())
        except yaml.YAMLError as error:
            raise self.unreadable(error, text) from error
        except RecursionError as error:
            raise RecipeError(f"{self.name}:1: nested too deeply; a recipe is a few levels deep") from error

    def build(self, node: yaml.Node, key: Key) -> Any:
        line = node.start_mark.line + 1
        self.places.setdefault(key, Place(self.name, line, self.folder))
        self.num_values += 1
        if self.num_values > MAX_VALUES:
            raise self.error(
                line, f"more than {MAX_VALUES} values; write the aliases out or split the recipe"
            )
        if isinstance(node, yaml.MappingNode):
            return dict(self.pairs(node, key))
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*key, index)) for index, item in enumerate(node.value)]
        return self.scalar(node, key)

    def pairs(self, node: yaml.MappingNode, key: Key) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                raise self.error(line, "a key is a word, not a list or mapping; write `key: value`")
            name = str(name_node.value)
            if name in seen:
                raise self.error(line, f"{name} stands twice, first on line {seen[name]}; keep one")
            seen[name] = line
            self.places[*key, name] = Place(self.name, line, self.folder)
            yield name, self.build(value_node, (*key, name))

    def scalar(self, node: yaml.Node, key: Key) -> Any:
        line, text, kind = node.start_mark.line + 1, str(node.value), str(node.tag).removeprefix(_TAG)
        try:
            match kind:
                case "str":
                    return text
                case "null" if self.nulls or not key:
                    return None
                case "null":
                    dotted = ".".join(map(str, key))
                    raise self.error(line, f"{dotted}: has no value; write one or leave the key out")
                case "bool" if text.lower() in ("true", "false"):
                    return text.lower() == "true"
                case "int":
                    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
                case "float":
                    return float(text.replace(".inf", "inf").replace(".nan", "nan").lower())
        except ValueError as error:
            raise self.error(line, f"{text[:40]!r} is not a number; put text in quotes") from error
        raise self.error(line, f"the tag {node.tag} means nothing in a recipe; leave it out")

    def error(self, line: int, what: str) -> RecipeError:
        return RecipeError(f"{self.name}:{line}: {what}")

    def unreadable(self, error: yaml.YAMLError, text: str) -> RecipeError:
        """What PyYAML found wrong, with its line and a remedy."""
        if isinstance(error, yaml.reader.ReaderError):
            line = text.count("\n", 0, int(error.position)) + 1
            return self.error(line, "a character that YAML does not allow; write plain UTF-8 text")
        assert isinstance(error, yaml.MarkedYAMLError)
        mark = error.problem_mark or error.context_mark
        said = f"{error.context or ''} {error.problem or ''}"
        remedy = next(
            (what for sign, what in _REMEDIES.items() if sign in said),
            "compare it with the lines above",
        )
        return self.error(
            mark.line + 1 if mark else 1, f"not YAML ({(error.problem or said).strip()}); {remedy}"
        )


def _inside(data: Any, name: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(name)
    return data[name] if isinstance(data, list) and isinstance(name, int) and name < len(data) else None


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "a single value"
