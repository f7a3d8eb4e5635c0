"""Files kept between runs, because making them again costs more than reading them: one folder a kind."""

import hashlib
import json
import os
import re
import secrets
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vacestream.errors import RecipeError

KINDS = {
    "annotations": "signals made from footage",
    "embeddings": "prompts as the text encoder gave them",
    "timings": "how fast the last renders were on this machine",
}
"""A folder each."""
FOLDER, LIMIT = "VACESTREAM_CACHE", "VACESTREAM_CACHE_LIMIT"
DEFAULT_LIMIT = 10_000_000_000
"""Bytes; what was not used for longest goes first."""
STALE = 3600.0
"""Seconds after which an unfinished file is nobody's."""
UNFINISHED = "~"
"""First letter of a file that is being written."""
_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


@dataclass(frozen=True)
class Entry:
    """One file that is kept."""

    kind: str
    path: Path
    num_bytes: int
    used: float
    """When it was last read or written, in seconds since 1970."""

    @property
    def name(self) -> str:
        """What it was made from, and as what: `dance.flow`."""
        return re.sub(r"-[0-9a-f]{32}$", "", self.path.stem)


def root() -> Path:
    """The folder of the cache: VACESTREAM_CACHE, else where this system keeps caches."""
    if told := os.environ.get(FOLDER):
        return Path(told).expanduser()
    homes = {"win32": ("LOCALAPPDATA", "~/AppData/Local"), "darwin": ("", "~/Library/Caches")}
    variable, default = homes.get(sys.platform, ("XDG_CACHE_HOME", "~/.cache"))
    try:
        return Path(os.environ.get(variable) or default).expanduser() / "vacestream"
    except RuntimeError:  # nobody's home, as in some containers
        return Path(tempfile.gettempdir()) / "vacestream"


def folder(kind: str) -> Path:
    """Where files of this kind are; it may not be there yet."""
    assert kind in KINDS, kind
    return root() / kind


def limit() -> int:
    """Bytes that the cache may take; RecipeError for a VACESTREAM_CACHE_LIMIT that is no size."""
    told = os.environ.get(LIMIT, "")
    if not told:
        return DEFAULT_LIMIT
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]b)?", told.strip().lower())
    if not found:
        raise RecipeError(f"the environment: {LIMIT}: {told!r} is not a size; write such as 10GB, or 0")
    return int(float(found[1]) * _UNITS[found[2] or ""])


def key(facts: Mapping[str, Any]) -> str:
    """The name of what follows from these facts and from nothing else: 32 hexadecimal digits."""
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def find(kind: str, key: str) -> Path | None:
    """The file that is kept under a key, from now on the last used one."""
    found = next(iter(folder(kind).glob(f"[!{UNFINISHED}]*-{key}.*")), None)
    if found is not None:
        with suppress(OSError):  # read-only, or gone since
            os.utime(found)
    return found


class Part:
    """A file on its way into the cache: nobody sees it before `keep`. Failures warn and keep nothing."""

    def __init__(self, kind: str, key: str, name: str, suffix: str) -> None:
        safe = re.sub(r"[^\w.-]+", "_", name)[:60] or "file"
        self._final = folder(kind) / f"{safe}-{key}{suffix}"
        self.path = self._final.with_name(f"{UNFINISHED}{secrets.token_hex(4)}.{self._final.name}")
        """Where to write it."""
        with suppress(OSError):  # told when it is written
            self._final.parent.mkdir(parents=True, exist_ok=True)

    def keep(self) -> None:
        """Give the file its name; then what was not used for longest makes room."""
        with _warned():
            self.path.replace(self._final)
            trim(limit())

    def drop(self) -> None:
        """Leave nothing of it."""
        for left in self.path.parent.glob(f"{self.path.name.split('.')[0]}.*"):
            with suppress(OSError):
                left.unlink()


def put(kind: str, key: str, name: str, suffix: str, data: bytes) -> None:
    """Keep a small file."""
    part = Part(kind, key, name, suffix)
    with _warned():
        part.path.write_bytes(data)
        part.keep()


@contextmanager
def _warned() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        warnings.warn(f"nothing is kept in the cache: {root()} cannot be written ({error})", stacklevel=4)


def entries() -> list[Entry]:
    """All that is kept, what was used last first."""
    found = []
    for kind in KINDS:
        for path in folder(kind).glob(f"[!{UNFINISHED}]*"):
            with suppress(OSError):  # gone since
                stat = path.stat()
                found.append(Entry(kind, path, stat.st_size, stat.st_mtime))
    return sorted(found, key=lambda entry: (-entry.used, entry.path))


def trim(most: int) -> None:
    """Remove what passes `most` bytes alone, then what was not used for longest until all do not."""
    _sweep()
    total = 0
    for entry in entries():
        total += entry.num_bytes if entry.num_bytes <= most else 0
        if total > most or entry.num_bytes > most:
            _remove(entry)


def clear(unused: float = 0.0) -> list[Entry]:
    """Remove what was not used for this many seconds, and give it back."""
    _sweep()
    now = time.time()
    return [entry for entry in entries() if now - entry.used >= unused and _remove(entry)]


def _remove(entry: Entry) -> bool:
    try:
        entry.path.unlink()
    except OSError:  # being read, or not ours
        return False
    return True


def _sweep() -> None:
    """Remove unfinished files of runs that ended without a word."""
    for path in root().glob(f"*/{UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime >= STALE:
                path.unlink()
