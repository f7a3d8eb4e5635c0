"""A camera, a screen or an address -> frames at a constant rate, for as long as somebody reads.

A thread reads; what is lost is opened again, and until it is back the last frame stands still.
"""

import subprocess
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from threading import Condition, Event, Thread
from time import monotonic
from typing import Any

import numpy as np

from vacestream.media import ffmpeg
from vacestream.media.devices import ends, reading
from vacestream.media.fit import Fit
from vacestream.media.shared import Shared

AGAIN = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before a source that was lost is opened again, and again."""
STILL = 1.0
"""Seconds without a frame after which the last one stands for those to come."""
DEAD = 10.0
"""Seconds without a frame after which a source that says nothing is lost."""


@dataclass(frozen=True)
class Waits:
    """What becomes of frames that nobody has read yet."""

    seconds: float = 2.0
    """How much may wait."""
    drops: bool = True
    """Then the oldest is left out; otherwise the source waits."""


class Feed:
    """One source that keeps its own time, and its thread."""

    def __init__(self, where: str, size: tuple[int, int], fps: Fraction, fit: Fit, waits: Waits) -> None:
        self.name, self.size, self.fps = where, size, fps
        self.dropped = self.held = self.opened = 0
        self.age = 0.0
        """Seconds that the last frame waited here before it was read."""
        self.shared = Shared(where, self._next, late=True)
        self._opens = [*reading(where, fps), *_filters(size, fps, fit)]
        self._room, self._drops = max(2, round(waits.seconds * fps)), waits.drops
        self._queue: deque[tuple[float, np.ndarray]] = deque()
        self._changed, self._closed, self._ended = Condition(), Event(), False
        self._last, self._due, self._seen = np.empty(0), 0.0, 0.0
        self._child: ffmpeg.Child | None = None
        self._thread = Thread(target=self._run, name=where, daemon=True)
        self._thread.start()

    def status(self) -> dict[str, Any]:
        """How it fares."""
        counts = {"dropped": self.dropped, "held": self.held, "opened": self.opened}
        return {"waiting": len(self._queue), "age": self.age, **counts}

    def close(self) -> None:
        """Let go of the device."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        if self._child is not None:
            self._child.process.kill()
        self._thread.join(DEAD)

    def _next(self) -> np.ndarray | None:
        """The next frame [H W 3]: a new one, or the last one where none comes; None at the end."""
        with self._changed:
            while not self._queue:
                if self._ended or self._closed.is_set():
                    return None
                now = monotonic()
                if len(self._last) and now >= self._due:
                    self._due = max(self._due, now - STILL) + float(1 / self.fps)
                    self.held += 1
                    self._wake(now)
                    return self._last
                self._changed.wait(max(0.0, self._due - now) if len(self._last) else None)
            arrived, self._last = self._queue.popleft()
            self.age, self._due = monotonic() - arrived, monotonic() + STILL
            self._changed.notify_all()
            return self._last

    def _wake(self, now: float) -> None:
        """End a child that has gone silent; the thread opens another."""
        if self._child is not None and self._seen and now - self._seen > DEAD:
            self._seen = 0.0
            self._child.process.kill()

    def _run(self) -> None:
        tries = 0
        while not self._closed.is_set():
            count, status, words = self._read_all()
            if self._closed.is_set():
                return
            if status == 0 and count and ends(self.name):
                break
            tries = 0 if count else tries + 1
            wait = AGAIN[min(tries, len(AGAIN) - 1)]
            warnings.warn(f"{self.name}: lost ({words}); it is opened again in {wait:g} s", stacklevel=1)
            self._closed.wait(wait)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_all(self) -> tuple[int, int, str]:
        """Frames read until it was lost, its exit status, and its last words."""
        self._child = child = ffmpeg.start(self._opens, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.opened += 1
        stdout, count, length = child.process.stdout, 0, int(np.prod(self.size)) * 3
        assert stdout is not None
        while not self._closed.is_set() and len(data := stdout.read(length)) == length:
            self._put(np.frombuffer(data, np.uint8).reshape(*self.size, 3))
            count += 1
        status = child.end(kill=self._closed.is_set())
        words = child.last_words()
        child.log.close()
        return count, status, words

    def _put(self, frame: np.ndarray) -> None:
        with self._changed:
            self._seen = monotonic()
            while len(self._queue) >= self._room and not self._drops and not self._closed.is_set():
                self._changed.wait()
            self._queue.append((monotonic(), frame))
            while len(self._queue) > self._room and self._drops:
                self._queue.popleft()
                self.dropped += 1
            self._changed.notify_all()


def _filters(size: tuple[int, int], fps: Fraction, fit: Fit) -> list[str]:
    """ffmpeg's arguments that give raw frames of one size and rate, whatever comes."""
    height, width = size
    how = "increase" if fit == "crop" else "decrease"
    scale = f"scale={width}:{height}:force_original_aspect_ratio={how}:flags=bicubic"
    place = f"crop={width}:{height}" if fit == "crop" else f"pad={width}:{height}:(ow-iw)/2:(oh-ih)/2"
    chain = f"fps={fps.numerator}/{fps.denominator},{scale},format=gbrp,{place}"
    return ["-map", "0:V:0", "-vf", chain, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]


class FeedSource:
    """One reader of a feed."""

    def __init__(self, feed: Feed, release: Callable[[Feed], None], num_frames: int | None) -> None:
        self.size, self.fps, self.num_frames = feed.size, feed.fps, num_frames
        self._feed, self._release, self._reader, self._left = feed, release, feed.shared.reader(), num_frames

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]; waits until they are there."""
        count = n if self._left is None else min(n, self._left)
        frames: list[np.ndarray] = []
        while len(frames) < count and (frame := self._reader.next()) is not None:
            frames.append(frame)
        self._left = None if self._left is None else self._left - len(frames)
        return np.stack(frames) if frames else np.empty((0, *self.size, 3), np.uint8)

    def close(self) -> None:
        """Read no more; with its last reader, the feed is closed."""
        self._reader.leave()
        self._release(self._feed)


def open_feed(
    where: str, size: tuple[int, int], fps: Fraction, fit: Fit, waits: Waits, num_frames: int | None = None
) -> FeedSource:
    """A reader of the feed of this name, size and rate, which is opened once."""
    key = where, size, fps, fit
    if key not in _feeds:
        _feeds[key] = Feed(where, size, fps, fit, waits)
    return FeedSource(_feeds[key], _left, num_frames)


def feeds() -> list[Feed]:
    """Every feed that is open."""
    return list(_feeds.values())


_feeds: dict[tuple[str, tuple[int, int], Fraction, Fit], Feed] = {}
"""By what was asked for."""


def _left(feed: Feed) -> None:
    """Close a feed that nobody reads."""
    if feed.shared.is_read:
        return
    for key in [key for key, known in _feeds.items() if known is feed]:
        del _feeds[key]
        feed.close()
