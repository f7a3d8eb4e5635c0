"""Signed distances of the sprite shapes in their own frame: unit radius, y down, upright, negative inside."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vacestream.sprites import figure


def _box(u: Tensor, v: Tensor, half_width: float, half_height: float) -> Tensor:
    return torch.maximum(u.abs() - half_width, v.abs() - half_height)


def _circle(u: Tensor, v: Tensor) -> Tensor:
    return torch.hypot(u, v) - 0.92


def _square(u: Tensor, v: Tensor) -> Tensor:
    return _box(u, v, 0.8, 0.8)


def _triangle(u: Tensor, v: Tensor) -> Tensor:
    slope = 0.5 * math.sqrt(3) * u.abs() - 0.5 * v
    return torch.maximum(v, slope) - 0.56


def _star(u: Tensor, v: Tensor) -> Tensor:
    """Five points: fold the plane onto half a point, then one straight edge from tip to notch."""
    sector = math.pi / 5
    tip, notch = 1.08, 0.46
    radius, angle = torch.hypot(u, v), torch.atan2(u, -v)
    folded = (torch.remainder(angle + sector, 2 * sector) - sector).abs()
    edge_u, edge_v = notch * math.cos(sector) - tip, notch * math.sin(sector)
    length = math.hypot(edge_u, edge_v)
    along_u, along_v = radius * torch.cos(folded) - tip, radius * torch.sin(folded)
    return (along_v * -edge_u + along_u * edge_v) / length


def _ring(u: Tensor, v: Tensor) -> Tensor:
    return (torch.hypot(u, v) - 0.68).abs() - 0.27


def _cross(u: Tensor, v: Tensor) -> Tensor:
    return torch.minimum(_box(u, v, 0.95, 0.33), _box(u, v, 0.33, 0.95))


SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "figure": figure.distance,
}
FIGURE = list(SHAPES).index("figure")

REACH = 1.13
"""No shape leaves this distance from its centre, in radii."""


def distance(kinds: Tensor, u: Tensor, v: Tensor, limbs: Tensor = figure.REST) -> Tensor:
    """[M] indices into SHAPES and local coordinates [M ... H W] -> signed distances, in radii.

    `limbs` [M ... 10 2 2] are those of figures; without them figures stand still.
    """
    out = torch.empty_like(u)
    for index, shape in enumerate(SHAPES.values()):
        chosen = kinds == index
        if chosen.any() and index == FIGURE:
            own = limbs if limbs is figure.REST else limbs[chosen]
            out[chosen] = figure.distance(u[chosen], v[chosen], own)
        elif chosen.any():
            out[chosen] = shape(u[chosen], v[chosen])
    return out
