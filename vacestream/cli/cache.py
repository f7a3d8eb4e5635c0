"""`vacestream cache`: what is kept between runs."""

import json as json_text
import re
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vacestream.cli.options import Group, JsonOption, say, told_bytes
from vacestream.errors import RecipeError

if TYPE_CHECKING:
    from vacestream.cache import Entry

AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
"""Units of time, in seconds."""


def list_cache(json: JsonOption = False) -> None:
    """List what is kept: kind, size, last use, source."""
    from vacestream import cache

    found, most = cache.entries(), cache.limit()
    total = sum(entry.num_bytes for entry in found)
    if json:
        rows = [_row(entry) for entry in found]
        told = {"schema": "vacestream.cache/1", "folder": str(cache.root()), "limit": most, "bytes": total}
        print(json_text.dumps({**told, "entries": rows}, indent=2))
        return
    for entry in found:
        used = _age(time.time() - entry.used)
        print(f"{entry.kind:<12} {told_bytes(entry.num_bytes):>9}  used {used:>4} ago  {entry.name}")
    say(f"{len(found)} files, {told_bytes(total)} of {told_bytes(most)}, in {cache.root()}")


def clear_cache(
    older: Annotated[
        str | None, typer.Option("--older", metavar="T", help="Only what was not used for T: 12h, 30d, 8w.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Remove what is kept; it is made again when it is needed."""
    from vacestream import cache

    gone = cache.clear(unused=_seconds(older) if older is not None else 0.0)
    total = sum(entry.num_bytes for entry in gone)
    if json:
        rows = [_row(entry) for entry in gone]
        print(json_text.dumps({"schema": "vacestream.cache/1", "bytes": total, "removed": rows}, indent=2))
        return
    say(f"removed {len(gone)} files, {told_bytes(total)}")


GROUP: Group = "cache", "Show or clear what is kept between runs.", {"ls": list_cache, "clear": clear_cache}


def _row(entry: "Entry") -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "bytes": entry.num_bytes,
        "used": entry.used,
        "path": str(entry.path),
    }


def _seconds(told: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", told)
    if not found:
        raise RecipeError(f"--older {told}: not a time; write 12h, 30d or 8w")
    return float(found[1]) * AGES[found[2]]


def _age(seconds: float) -> str:
    """In the largest unit that fits."""
    unit, length = next(
        ((name, length) for name, length in reversed(AGES.items()) if seconds >= length), ("s", 1)
    )
    return f"{max(0, seconds) / length:.0f}{unit}"
