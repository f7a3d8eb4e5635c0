"""Pydantic's findings -> one sentence each: file, line, key, what is wrong, what to write instead."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from vacestream.recipe.base import Model
from vacestream.recipe.names import unknown_key, unknown_word
from vacestream.recipe.shape import fields, part_at
from vacestream.recipe.text import Document, Key
from vacestream.recipe.values import shown

MAX_PROBLEMS = 5
"""More than these at once help nobody."""

_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}
_NOUNS = {
    "at_end": "a way to go on",
    "save": "something to save",
    "fit": "a way to fit",
    "time": "a way to choose",
}
_TYPES = {
    "string_type": "text",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "tuple_type": "a list",
}


def problems(error: ValidationError, root: type[Model], document: Document) -> list[str]:
    """Every finding as a line, in the order of the file."""
    found: dict[Key, str] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] != "too_short" or not detail["input"]:  # else its items say what is wrong
            found.setdefault(detail["loc"], _sentence(detail, root))
    in_order = sorted(found.items(), key=lambda item: document.place(item[0]).line)
    return [str(document.error(key, what)) for key, what in in_order[:MAX_PROBLEMS]]


def _sentence(detail: Any, root: type[Model]) -> str:
    kind, key, value, context = detail["type"], detail["loc"], detail["input"], detail.get("ctx", {})
    part = part_at(root, key[:-1])
    if kind == "extra_forbidden" and part:
        return unknown_key(str(key[-1]), part.__name__, list(fields(part)))
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return _not_a_word(value, key, context["expected"])
    if kind == "missing":
        example = f"add `{key[-1]}:`"
        return f"is missing; {example}"
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        return f"{shown(value)} is out of range; write {words} {context[name]:g}"
    if kind == "too_long":
        return f"{context['actual_length']} are too many; write at most {context['max_length']}"
    if kind == "too_short":
        return "the list is empty; write at least one, or leave the key out"
    if kind == "string_pattern_mismatch":
        return f"{shown(value)} is not one of auto, cpu, cuda, cuda:N and mps; write one of these"
    if kind == "model_type":
        return f"{shown(value)} stands where keys are expected; write {{{_keys(root, key)}}}"
    if kind in _TYPES:
        return f"{shown(value)} is not {_TYPES[kind]}; {_remedy(kind, value)}"
    return f"{shown(value)} does not fit here ({detail['msg']}); see `vacestream schema`"


def _not_a_word(value: Any, key: Key, expected: str) -> str:
    ours = re.findall(r"'([^']*)'", expected) or [expected]
    noun = next((str(name) for name in reversed(key) if isinstance(name, str)), "value")
    if isinstance(value, str) and len(ours) > 1:
        return unknown_word(value, noun, ours)
    choice = " or ".join(ours) if len(ours) < 3 else f"one of {', '.join(ours)}"
    return f"{shown(value)} is not {_NOUNS.get(noun, 'a ' + noun)}; write {choice}"


def _remedy(kind: str, value: Any) -> str:
    if kind == "string_type" and not isinstance(value, list | dict):
        return "put it in quotes"
    return f"write {_TYPES[kind]}"


def _keys(root: type[Model], key: Key) -> str:
    part = part_at(root, key)
    names: Iterator[str] = iter(fields(part)) if part else iter(())
    return ", ".join(f"{name}: ..." for name in list(names)[:4])
