"""Parts that are needed -> what is here, what is to come and how much that is; then their files."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vacestream.errors import ModelError
from vacestream.weights import hub
from vacestream.weights.places import files_of, locate
from vacestream.weights.rows import INDEX, File, Part
from vacestream.weights.sums import harm

Key = tuple[str, str]
"""The name of a model, and of its part."""


@dataclass(frozen=True)
class Order:
    """What is to be fetched, known before the first byte of it."""

    here: dict[Key, Path]
    coming: dict[Key, list[hub.Remote]]
    """A file, or all shards of it, that are not here."""

    @property
    def remotes(self) -> list[hub.Remote]:
        """Each file once, whatever needs it."""
        return list({remote.url: remote for files in self.coming.values() for remote in files}.values())

    @property
    def num_bytes(self) -> int:
        """Of all that is to come, with what came of it already."""
        return sum(remote.num_bytes for remote in self.remotes)

    @property
    def num_left(self) -> int:
        """Bytes that really have to come."""
        return sum(remote.num_bytes - remote.num_here for remote in self.remotes)


@dataclass(frozen=True)
class Progress:
    """How far it is."""

    file: File
    num_done: int
    """Of all files, with what had come before."""
    num_bytes: int
    """Of all files."""
    num_came: int
    """Since the start, for speed."""

    @property
    def num_left(self) -> int:
        return self.num_bytes - self.num_done


def order(parts: Mapping[Key, Part]) -> Order:
    """What of these parts is not here, as the hub has it now; ModelError where it cannot be had."""
    here: dict[Key, Path] = {}
    coming: dict[Key, list[hub.Remote]] = {}
    for key, part in parts.items():
        found = locate(part)
        if found and not any(harm(path) for path in files_of(found[1])):
            here[key] = found[1]
            continue
        hub.refuse_offline()
        coming[key] = _published(part.files[0])
    return Order(here, coming)


def refuse_full(order: Order) -> None:
    """ModelError where the disk cannot take what is to come."""
    if not order.remotes:
        return
    folder = order.remotes[0].place.parent
    there = next(parent for parent in (folder, *folder.parents) if parent.is_dir())
    if (free := shutil.disk_usage(there).free) < order.num_left:
        raise ModelError(
            f"{there}: {_size(order.num_left)} are to come and {_size(free)} are free; make room, or name"
            " another disk in HF_HOME or VACESTREAM_MODELS"
        )


def pull(order: Order, report: Callable[[Progress], None]) -> list[Path]:
    """Fetch what is ordered; the paths of all of it."""
    state = _State(order.num_bytes, order.num_bytes - order.num_left, report)
    paths = [*order.here.values()]
    for remote in order.remotes:
        paths.append(hub.fetch(remote, lambda count, file=remote.file: state.add(file, count)))  # type: ignore[misc]
    return paths


def _published(file: File) -> list[hub.Remote]:
    """A file, or a table of contents that is fetched at once, and its shards."""
    remote = hub.ask(file)
    if not file.path.endswith(INDEX):
        return [remote]
    contents = hub.fetch(remote, lambda _: None)
    return [hub.ask(file.beside(path.name)) for path in files_of(contents)[1:] if harm(path)]


@dataclass
class _State:
    num_bytes: int
    num_done: int
    report: Callable[[Progress], None]
    num_came: int = 0

    def add(self, file: File, count: int) -> None:
        self.num_done += count
        self.num_came += count
        self.report(Progress(file, self.num_done, self.num_bytes, self.num_came))


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
