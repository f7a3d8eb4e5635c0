"""Dark lines on white, drawn by a net, of each frame by itself.

VACE draws with informative drawings (arXiv 2203.12691) in its anime style; lineart is the same net with other
weights. HED (arXiv 1504.06375) and PiDiNet (arXiv 2108.07009) find edges, which are turned round here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vacestream.annotators.nets import as_tensor, load_net, quiet, resized, side_of

LARGEST, STEP = 1024, 16
"""Shorter side that a net sees at most; its sides are times 16."""

Draw = Callable[[Tensor], Tensor]
"""Colours [1 3 H W] from 0 to 1 -> ink or paper [1 1 H W] from 0 to 1."""


class Drawn:
    """Draws each frame; `white_lines` says that lines come white on black."""

    lead = 1

    def __init__(self, net: nn.Module, draw: Draw, *, white_lines: bool, side: int | None = None) -> None:
        self._net, self._draw, self._white_lines, self._side = net, draw, white_lines, side

    @torch.inference_mode()
    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        drawn = np.empty(frames.shape[:3], np.uint8)
        size = frames.shape[1:3]
        seen = side_of(size, self._side or min(*size, LARGEST), STEP)
        for i, frame in enumerate(frames):
            colours = as_tensor(resized(frame, seen), self._net) / 255
            paper = self._draw(colours)[0, 0].cpu().numpy()
            paper = resized(1 - paper if self._white_lines else paper, size)
            drawn[i] = np.rint(255 * np.clip(paper, 0, 1))
        return np.repeat(drawn[..., None], 3, axis=-1)


def lines(*, net: str, device: str, **choices: Any) -> Drawn:
    """Informative drawings, and lineart: three residual blocks."""
    with quiet():
        from controlnet_aux.lineart import Generator

        drawer = load_net(net, lambda: Generator(3, 1, 3), device)
    return Drawn(drawer, drawer, white_lines=False, **choices)


def hed(*, net: str, device: str, **choices: Any) -> Drawn:
    """Edges at five scales, averaged."""
    with quiet():
        from controlnet_aux.hed import ControlNetHED_Apache2

        finder = load_net(net, ControlNetHED_Apache2, device)

    def draw(colours: Tensor) -> Tensor:
        size = colours.shape[-2:]
        edges = [nn.functional.interpolate(one, size, mode="bilinear") for one in finder(colours * 255)]
        return torch.stack(edges).mean(dim=0).sigmoid()

    return Drawn(finder, draw, white_lines=True, **choices)


def pidinet(*, net: str, device: str, **choices: Any) -> Drawn:
    """Pixel differences; its colours are in the order blue, green, red."""
    with quiet():
        from controlnet_aux.pidi.model import pidinet as build

        finder = load_net(net, build, device)
    return Drawn(finder, lambda colours: finder(colours.flip(1))[-1], white_lines=True, **choices)
