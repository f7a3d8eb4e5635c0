"""YAML 1.2 scalars, places of values, and text that is no recipe."""

from typing import Any

import pytest

from vacestream.errors import RecipeError
from vacestream.recipe.text import MAX_VALUES, read_document, read_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1:30", "1:30"), ("off", "off"), ("no", "no"), ("yes", "yes"), ("on", "on"), ("y", "y"),
        ("True", True), ("false", False), ("2026-11-20", "2026-11-20"), ("1_000", "1_000"), ("017", 17),
        ("0o17", 15), ("0x1f", 31), ("1e3", 1000.0), (".5", 0.5), ("-3", -3), ("12s", "12s"),
        ("1..8", "1..8"), ("25%", "25%"), ("null", None), ("~", None), ("", None), ("'7'", "7"),
        ("832x480", "832x480"), ("<<", "<<"), ("=", "="), ("0b11", "0b11"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    read = read_value(text)
    assert read == value
    assert type(read) is type(value)


def test_every_value_has_its_place() -> None:
    document = read_document("a: 1\nb:\n  - c: 2\n  - {d: 3,\n     e: 4}\n", "r.yaml")
    assert str(document.place(("a",))) == "r.yaml:1"
    assert str(document.place(("b", 0, "c"))) == "r.yaml:3"
    assert str(document.place(("b", 1, "e"))) == "r.yaml:5"
    assert str(document.place(("b", 1, "e", "f"))) == "r.yaml:5"
    assert str(document.place(("z",))) == "r.yaml:1"


def test_an_item_that_stands_alone_is_found_under_its_number() -> None:
    document = read_document("a:\n  b: 1\n  c: 2\n", "r.yaml")
    assert str(document.place(("a", 0, "c"))) == "r.yaml:3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", r"r:3: not YAML .*; (close the bracket|write `key: value`)"),
        ("a:\n\t- 1\n", r"r:2: not YAML .*; indent with spaces"),
        ("a: &x [*x]\n", "r:1: nested too deeply"),
        ("a: *x\n", "r:1: not YAML .*; put text that starts with \\* in quotes"),
        ("a: !!python/object:os.system x\n", "r:1: the tag .* means nothing in a recipe"),
        ("[a]: 1\n", "r:1: a key is a word"),
        ("a: 'x\n", "r:[12]: not YAML .*; close the quotation mark"),
        ("a: 1\n---\nb: 2\n", "r:2: not YAML .*; keep one recipe in a file"),
        ("a: 1\n\nb: ~\n", "r:3: b: has no value"),
        ("a: -\n", "r:1: not YAML .*; put a lone - in quotes"),
        (f"a: {'9' * 5000}\n", "r:1: .* is not a number"),
        ("a: " + "[" * 3000 + "\n", "r:1: "),
    ],
)
def test_text_that_cannot_be_read_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        read_document(text, "r")


def test_aliases_that_multiply_themselves_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    with pytest.raises(RecipeError, match=f"more than {MAX_VALUES} values"):
        read_document("\n".join(lines), "r")
