"""`vacestream models`: files of weights, listed, fetched, checked, deleted."""

import json as json_text
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vacestream.cli.options import DebugOption, Group, JsonOption, say
from vacestream.errors import ModelError

if TYPE_CHECKING:
    from vacestream.weights import Part
    from vacestream.weights.check import Verdict

Parts = dict[tuple[str, str], "Part"]
"""(model, part) -> its files."""

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help="Pipelines, nets or recipes; all when none.")
]
Needed = Annotated[list[str], typer.Argument(metavar="NAME...", help="Pipelines, nets or recipes.")]
RECIPES = ("-", ".yaml", ".yml", ".json", ".mp4", ".mkv", ".mov")
"""Endings of what is read as a recipe."""


def list_models(names: Names = None, json: JsonOption = False, debug: DebugOption = False) -> None:
    """List what can be fetched, what is here, bytes and licences; of a NAME each file."""
    rows = [_row(key, part) for key, part in _parts(names or _all()).items()]
    if json:
        print(json_text.dumps({"schema": "vacestream.models/1", "files": rows}, indent=2))
    elif names:
        print("\n".join(_line(row) for row in rows))
    else:
        for name in dict.fromkeys(row["model"] for row in rows):
            print(_summary(name, [row for row in rows if row["model"] == name]))


def pull_models(names: Needed, json: JsonOption = False, debug: DebugOption = False) -> None:
    """Fetch what is needed; goes on where a download stopped."""
    from vacestream.cli.progress import write_json
    from vacestream.cli.pulling import SCHEMA, reporting
    from vacestream.weights.pull import order, pull, refuse_full

    ordered = order(_parts(names))
    with reporting(ordered, json=json) as report:
        refuse_full(ordered)
        paths = [str(path) for path in dict.fromkeys(pull(ordered, report))]
    if json:
        write_json(sys.stdout, f"{SCHEMA}.done/1", {"ok": True, "paths": paths})
    elif paths:
        print("\n".join(paths))


def verify_models(names: Names = None, json: JsonOption = False, debug: DebugOption = False) -> None:
    """Check every byte of what is here; exit 4 when a file is damaged."""
    rows, faults = [], []
    for (name, part), verdict in _verdicts(_parts(names or _all()), missing=bool(names)):
        rows.append({"model": name, "part": part, "path": str(verdict.path), "fault": verdict.fault,
                     "by": verdict.by})  # fmt: skip
        if not json:
            print(f"{'bad' if verdict.fault else 'ok':<4} {verdict.path}  {verdict.fault or verdict.by}")
        if verdict.fault:
            again = f"run `vacestream models rm --damaged {name}` and `vacestream models pull {name}`"
            faults.append(f"{name}: {part}: {verdict.path} {verdict.fault}; {again}")
    if json:
        data = {"schema": "vacestream.models.verify/1", "ok": not faults, "files": rows}
        print(json_text.dumps(data, indent=2))
    if faults:
        raise ModelError("\n".join(faults))


def remove_models(
    names: Needed,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Only files that `verify` finds at fault.")
    ] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Delete files; what another model that is here needs stays."""
    from vacestream.weights.check import delete, remove

    gone: list[Path] = []
    kept: dict[str, str] = {}
    for name in dict.fromkeys(names):
        if damaged:
            gone += [one.path for _, one in _verdicts(_parts([name])) if one.fault and delete(one.path)]
            continue
        paths, stays = remove(name)
        gone += paths
        kept |= {f"{name}: {part}": other for part, other in stays.items()}
    if json:
        data = {"schema": "vacestream.models.rm/1", "deleted": [str(path) for path in gone], "kept": kept}
        print(json_text.dumps(data, indent=2))
        return
    print("\n".join(map(str, gone)) or "nothing to delete")
    for part, other in kept.items():
        say(f"{part} stays: {other} needs it")


GROUP: Group = (
    "models",
    "List, fetch, check and delete files of weights.",
    {"ls": list_models, "pull": pull_models, "verify": verify_models, "rm": remove_models},
)


def _verdicts(parts: Parts, *, missing: bool = False) -> "list[tuple[tuple[str, str], Verdict]]":
    """What is wrong or right with each file that is here, once; `missing`: and with those that are not."""
    from vacestream.weights.check import Verdict, verify

    found: dict[Path, tuple[tuple[str, str], Verdict]] = {}
    for key, part in parts.items():
        verdicts = verify(part)
        if not verdicts and missing:
            verdicts = [Verdict(Path(part.files[0].path), "is missing", "looking")]
        for one in verdicts:
            found.setdefault(one.path, (key, one))
    return list(found.values())


def _all() -> list[str]:
    from vacestream.weights import MODELS

    return list(MODELS)


def _parts(names: list[str]) -> Parts:
    """Every part that names or recipes stand for."""
    from vacestream.weights import EMBEDDED, MODELS, model

    found: Parts = {}
    for name in names:
        if name in EMBEDDED:
            say(f"{name}: comes with vacestream")
        elif name not in MODELS and name.endswith(RECIPES):
            found |= _of_recipe(name)
        else:
            found |= {(name, key): part for key, part in model(name).parts.items()}
    return found


def _of_recipe(path: str) -> Parts:
    from vacestream.cli.options import load
    from vacestream.needs import parts_needed

    (recipe,) = load([path])
    return parts_needed(recipe)


def _row(key: tuple[str, str], part: "Part") -> dict[str, Any]:
    from vacestream.weights import look_up

    path = look_up(part)
    return {"model": key[0], "part": key[1], **part.to_dict(), "path": path and str(path)}


def _line(row: dict[str, Any]) -> str:
    from vacestream.cli.pulling import size

    where = row["path"] or f"{row['file']} of {row['repo']}"
    state = "here" if row["path"] else "-"
    name = f"{row['model']:<22} {row['part']:<12} {state:<5}"
    return f"{name} {size(row['bytes']):>9}  {_licence(row):<32} {where}"


def _summary(name: str, rows: list[dict[str, Any]]) -> str:
    from vacestream.cli.pulling import size

    here = sum(row["path"] is not None for row in rows)
    known = [row["bytes"] for row in rows if row["bytes"]]
    more = "+" if len(known) < len(rows) else ""
    total = size(sum(known)) + more if known else "?"
    licences = ", ".join(dict.fromkeys(map(_licence, rows)))
    return f"{name:<24} {here} of {len(rows)} here  {total:>10}  {licences}"


def _licence(row: dict[str, Any]) -> str:
    return f"{row['licence']}{' (not for commercial use)' if row['commercial'] is False else ''}"
