"""What outputs show of a running stream: its frames, black, or the last one held."""

from collections import deque

import numpy as np

from vacestream.live.orders import Order
from vacestream.timeline import Chunk


class Screen:
    """The last thing before the outputs, so that black comes as soon as it can."""

    def __init__(self) -> None:
        self.blackout = self.freeze = False
        self.frame = 0
        """Frames shown so far."""
        self._orders: deque[Order] = deque()
        self._chunk, self._last = -1, np.empty(0, np.uint8)

    def add(self, order: Order) -> None:
        """Take effect at the next chunk border, from any thread."""
        self._orders.append(order)

    def turn(self, chunk: Chunk) -> list[Order]:
        """What takes effect with this chunk, which is about to be shown, in whole or in part."""
        if chunk.index == self._chunk:
            return []
        self._chunk, taken = chunk.index, []
        while self._orders:
            taken.append(order := self._orders.popleft())
            said = order.message
            self.blackout = self.blackout if said.blackout is None else said.blackout
            self.freeze = self.freeze if said.freeze is None else said.freeze
        return taken

    def show(self, frames: np.ndarray) -> np.ndarray:
        """Frames [T H W 3] as they are shown."""
        self.frame += len(frames)
        if not self.freeze or not len(self._last):
            self._last = frames[-1:].copy()
        elif not self.blackout:
            frames = self._last.repeat(len(frames), axis=0)
        return np.zeros_like(frames) if self.blackout else frames
