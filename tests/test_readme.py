"""What the README names is there: tests, files, commands."""

import ast
import re
from pathlib import Path
from typing import Any

import typer

from vacestream import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", README)
    assert len(named) > 10
    for file, name in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert not name or name in tests, f"{file}::{name}"


def test_every_row_about_vace_names_what_holds_it() -> None:
    section = README.partition("## What changed from VACE")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and "held by" not in line]
    assert len(rows) == 4 + 9
    assert all(re.search(r"`tests/[\w/]+\.py::test_\w+` \|$", row) for row in rows)


def test_every_file_and_folder_that_is_named_exists() -> None:
    named = re.findall(r"`([a-z_]+/[\w/.]*|\w+\.py)`", README)
    missing = [
        name for name in named if not any((root / name).exists() for root in (ROOT, ROOT / "vacestream"))
    ]
    assert named
    assert missing == []


def test_the_table_of_commands_is_that_of_the_commands_which_exist() -> None:
    table = README.partition("| command | does |")[2].partition("\n\n")[0]
    named: set[str] = set()
    for words in re.findall(
        r"`([^`]+)`", " ".join(line.split("|")[1] for line in table.splitlines() if line)
    ):
        first, *rest = re.sub(r"[A-Z\[][^,]*", "", words).replace(",", " ").split()
        named |= {f"{first} {word}" for word in rest} or {first}
    assert named == set(_commands(typer.main.get_command(cli.app), ""))


def _commands(command: Any, path: str) -> list[str]:
    inner = getattr(command, "commands", {})
    below = [way for name, one in inner.items() for way in _commands(one, f"{path} {name}".strip())]
    return below if inner else [path]
