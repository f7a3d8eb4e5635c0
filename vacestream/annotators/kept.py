"""A signal that was made from the same footage before is read from the cache; a new one is kept there."""

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from vacestream import cache
from vacestream.annotators.parameters import SPAN
from vacestream.annotators.rows import Row
from vacestream.errors import InputError, OutputError
from vacestream.media.contracts import Sink, Source
from vacestream.media.hashes import content, sha256
from vacestream.media.sinks import open_sink
from vacestream.media.sources import open_source
from vacestream.media.stream import is_stream
from vacestream.recipe.base import Model
from vacestream.recipe.values import media_kind
from vacestream.weights import find

KIND, SUFFIX = "annotations", ".mkv"
"""Lossless."""


@dataclass(frozen=True)
class Taken:
    """Which frames of which footage."""

    where: str
    size: tuple[int, int]
    fps: Fraction
    num_frames: int | None
    """None: endless, so that nothing is kept."""
    start: Fraction = Fraction(0)
    end: Fraction | None = None
    fit: str = "crop"
    at_end: str = "stop"

    @property
    def facts(self) -> dict[str, Any]:
        """What the frames follow from: the file's content, not its name."""
        return {**asdict(self), "where": content(self.where)}


def kept(row: Row, parameters: Model, taken: Taken, make: Callable[[], Source]) -> Source:
    """The signal of a row: from the cache, or as `make` opens it, kept once its last frame was read."""
    row = row.chosen(parameters)
    lasts = media_kind(taken.where) == "file" and not is_stream(taken.where)
    if not row.kept or not taken.num_frames or not lasts or not cache.limit():
        return make()
    facts = {
        "row": row.name,
        "set": parameters.model_dump(mode="json", exclude=set(SPAN)),
        "made by": _maker(row),
    }
    key = cache.key({**facts, **taken.facts})
    return _read(key, taken) or _keeping(make(), key, f"{Path(taken.where).stem}.{row.name}", taken)


def _read(key: str, taken: Taken) -> Source | None:
    """The kept signal; None, and gone, where it cannot be read."""
    path = cache.find(KIND, key)
    if path is None:
        return None
    try:
        source = open_source(str(path), size=taken.size, fps=taken.fps)
    except InputError:
        path.unlink(missing_ok=True)
        return None
    if source.num_frames == taken.num_frames:
        return source
    source.close()
    path.unlink(missing_ok=True)
    return None


def _keeping(source: Source, key: str, name: str, taken: Taken) -> Source:
    """The same signal, kept as it is read; where that cannot be, a warning."""
    part = cache.Part(KIND, key, name, SUFFIX)
    try:
        sink = open_sink(str(part.path), taken.size, taken.fps)
    except OutputError as error:
        _warn(error)
        return source
    return _Keeping(source, part, sink, taken.num_frames or 0)


def _maker(row: Row) -> dict[str, str]:
    """The code that makes it: its packages by version, its module and its weights by content."""
    made = {name: _version(name) for name in ("vacestream", *row.packages)}
    for net in row.weights:
        made |= {f"{net} {part}": sha256(found.path) for part, found in find(net)[0].items()}
    spec = find_spec(f"vacestream.annotators.{row.place.partition(':')[0]}")
    return {**made, "module": sha256(Path(spec.origin)) if spec and spec.origin else ""}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


class _Keeping:
    """A signal that goes into the cache as it is read; all of it or nothing."""

    def __init__(self, source: Source, part: cache.Part, sink: Sink, num_frames: int) -> None:
        self._source, self._part, self._missing = source, part, num_frames
        self._sink: Sink | None = sink
        self.size, self.fps, self.num_frames = source.size, source.fps, source.num_frames

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        frames = self._source.read(n)
        if self._sink is not None:
            try:
                self._keep(self._sink, frames[: self._missing])
            except OutputError as error:
                _warn(error)
                self._drop()
        return frames

    def close(self) -> None:
        """Close the footage, and forget a signal that did not get to its end."""
        self._source.close()
        self._drop()

    def _keep(self, sink: Sink, frames: np.ndarray) -> None:
        sink.write(frames)
        self._missing -= len(frames)
        if not self._missing:
            sink.close()
            self._sink = None
            self._part.keep()

    def _drop(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            with suppress(OutputError):
                sink.abort()
            self._part.drop()


def _warn(error: OutputError) -> None:
    warnings.warn(f"the signal is not kept: {error}", stacklevel=2)
