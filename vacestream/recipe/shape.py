"""The shape of a recipe's parts, read from their fields: which part holds which key, what may stand alone."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from vacestream.recipe.base import IsFile, Model
from vacestream.recipe.text import Document, Key
from vacestream.recipe.values import media_kind

WORDS = ("input", "source", "none", "own")
"""Words that stand where a file name could."""

Part = TypeVar("Part", bound=Model)


@dataclass(frozen=True)
class Shape:
    """What a key takes."""

    kind: Any
    """The part, or the plain type."""
    several: bool
    """Whether it is a list of those."""
    is_file: bool
    """Whether it is text that names media."""

    @property
    def part(self) -> type[Model] | None:
        return self.kind if isinstance(self.kind, type) and issubclass(self.kind, Model) else None


def fields(part: type[Model]) -> dict[str, FieldInfo]:
    """The keys of a part as they are written, in order."""
    return {info.alias or name: info for name, info in part.model_fields.items()}


def shape(info: FieldInfo) -> Shape:
    """What this field takes, without its optional, annotated and list wrapping."""
    kind, several, metadata = info.annotation, False, list(info.metadata)
    while True:
        origin = get_origin(kind)
        if origin is Annotated:
            kind, *more = get_args(kind)
            metadata += more
        elif origin in (Union, UnionType):
            kind = next(choice for choice in get_args(kind) if choice is not NoneType)
        elif origin is tuple:
            kind, several = get_args(kind)[0], True
        else:
            return Shape(kind, several, any(isinstance(item, IsFile) for item in metadata))


def part_at(root: type[Model], key: Key) -> type[Model] | None:
    """The part that this way leads to, if it leads to one."""
    part: type[Model] | None = root
    for name in key:
        if isinstance(name, str) and part is not None:
            info = fields(part).get(name)
            part = shape(info).part if info else None
    return part


def with_paths(part: Part, document: Document) -> Part:
    """The same part with every relative path read from where it stands."""
    return _with_files(part, lambda where, key: _rebased(where, str(document.place(key).folder)))


def relative_to(part: Part, folder: Path) -> Part:
    """The same part with every relative path as a file in this folder says it."""
    return _with_files(part, lambda where, _: _seen_from(where, folder))


def _with_files(part: Part, change: Callable[[str, Key], str], key: Key = ()) -> Part:
    """The same part with every name of a file changed."""
    changed: dict[str, Any] = {}
    for name, info in type(part).model_fields.items():
        value, here = getattr(part, name), (*key, info.alias or name)
        if isinstance(value, Model):
            changed[name] = _with_files(value, change, here)
        elif isinstance(value, tuple) and value and isinstance(value[0], Model):
            changed[name] = tuple(_with_files(item, change, (*here, i)) for i, item in enumerate(value))
        elif isinstance(value, str) and shape(info).is_file and value not in WORDS:
            changed[name] = change(value, here)
    unchanged = all(getattr(part, name) is value for name, value in changed.items())
    return part if unchanged else part.model_copy(update=changed)


def _rebased(path: str, folder: str) -> str:
    if media_kind(path) != "file":
        return path
    path = os.path.expanduser(path) if path.startswith("~") else path  # noqa: PTH111
    return path if folder == "." else os.path.join(folder, path)  # noqa: PTH118  (keeps the / of a folder)


def _seen_from(path: str, folder: Path) -> str:
    if media_kind(path) != "file" or os.path.isabs(path):  # noqa: PTH117
        return path
    try:
        seen = os.path.relpath(path, folder).replace(os.sep, "/")
    except ValueError:  # another drive
        return str(Path(path).absolute())
    seen = f"./{seen}" if seen in WORDS or ":" in seen else seen
    return f"{seen}/" if path.endswith("/") else seen
