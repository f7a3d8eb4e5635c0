"""What a render that was stopped keeps beside its output, as far as it is told without weights.

NAME.mp4.resume/ holds job.json (how far it got, and what it was made of), the frames that were made, and the
state of the stream behind them; `vacestream.resume` writes and reads it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vacestream.errors import RecipeError
from vacestream.recipe.values import media_kind
from vacestream.targets import Target, beside, is_there

if TYPE_CHECKING:
    from vacestream.plan import Plan

LOGS = ("chunks", "warnings", "sightings")
"""What a sidecar says of every part of a render."""
SHOWN = 3
"""Differences that are named."""


@dataclass(frozen=True)
class Unfinished:
    """A render that can go on."""

    folder: Path
    frame: int
    """Frames made."""
    chunk: int
    """Chunks made."""
    num_frames: int | None
    state: str
    """The file of the stream's state."""
    made_of: dict[str, Any]
    chunks: tuple[dict[str, Any], ...] = ()
    """The chunk log of its sidecar."""
    warnings: tuple[str, ...] = ()
    sightings: tuple[dict[str, Any], ...] = ()


def folder_of(made: Iterable[Target]) -> Path | None:
    """Where a job with these outputs keeps itself; None where all of them are pipes."""
    for target in made:
        if media_kind(target.path) == "file" and not Path(target.path).is_fifo():
            stem = beside(target.path)
            return stem.with_name(f"{stem.name}.resume")
    return None


def find(made: Iterable[Target]) -> Unfinished | None:
    """What these outputs can go on from."""
    folder = folder_of(made)
    if folder is None or not (folder / "job.json").is_file():
        return None
    told = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    return Unfinished(folder, **{**told, **{key: tuple(told[key]) for key in LOGS}})


def refuse_unfinished(made: Sequence[Target]) -> None:
    """Refuse to write over what is not finished, and name both ways on."""
    parts = [part for target in made if (part := _part(target)) is not None]
    kept = find(made)
    if kept is None and not parts:
        return
    whole = f" of {kept.num_frames}" if kept and kept.num_frames else ""
    far = f", {kept.frame}{whole} frames" if kept else ""
    raise RecipeError(
        f"{made[0].path}: an unfinished render is there{far}; --resume goes on with it, -y starts over"
    )


def is_finished(plan: "Plan") -> bool:
    """Whether every output is there, made by this very recipe."""
    files = [file for target in plan.outputs for file in target.files]
    sidecars = [Path(target.sidecar) for target in plan.outputs if target.sidecar]
    if not sidecars or not all(is_there(file) for file in files) or not sidecars[0].is_file():
        return False
    try:
        told = json.loads(sidecars[0].read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(told, dict) and told.get("recipe") == plan.recipe.resolved(sidecars[0].parent)


def differences(then: Any, now: Any, key: str = "") -> Iterator[str]:
    """What differs between two pieces of plain data, by dotted key."""
    if isinstance(then, list) and isinstance(now, list):
        then, now = ({str(i): value for i, value in enumerate(one)} for one in (then, now))
    if isinstance(then, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*then, *now]):
            yield from differences(then.get(name), now.get(name), f"{key}.{name}".lstrip("."))
    elif then != now:
        yield f"{key} ({_shown(then)} then, {_shown(now)} now)"


def refuse_changed(kept: Unfinished, made_of: dict[str, Any], path: str) -> None:
    """Refuse to go on with what was begun otherwise."""
    found = list(differences(kept.made_of, json.loads(json.dumps(made_of))))
    if found:
        more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise RecipeError(
            f"{path}: was begun otherwise: {', '.join(found[:SHOWN])}{more}; "
            "take that back to go on with --resume, or start over with -y"
        )


def _part(target: Target) -> Path | None:
    from vacestream.media.encoder import part_of

    part = part_of(target.path) if media_kind(target.path) == "file" else None
    return part if part is not None and part.exists() else None


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
