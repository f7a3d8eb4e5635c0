"""The articulated figure: a gait in time -> limbs -> signed distances, and where each of its points goes.

Coordinates (u, v) are those of shapes.py: unit radius, y down, upright. Limbs are capsules of fixed length.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

THICKNESS = {
    "torso": 0.17,
    "head": 0.25,
    "left upper arm": 0.11,
    "left forearm": 0.11,
    "right upper arm": 0.11,
    "right forearm": 0.11,
    "left thigh": 0.13,
    "left shin": 0.13,
    "right thigh": 0.13,
    "right shin": 0.13,
}
"""Half the width of each limb, in radii."""
UPPER_ARM, FOREARM, THIGH, SHIN = 0.32, 0.29, 0.36, 0.36
_NECK, _HIP, _HEAD = (0.0, -0.34), (0.0, 0.20), (0.0, -0.66)
STANDING = (0.0, 0.0, 0.0, 0.7)
"""A gait that does not move: frequency, phase, swing of the legs, lift of the arms."""


def _limb(start: Tensor, angle: Tensor, length: float) -> Tensor:
    """The end of a limb that hangs from `start` [... 2] at `angle` (0 = down)."""
    return start + length * torch.stack([torch.sin(angle), torch.cos(angle)], dim=-1)


def limbs(gait: Tensor, times: Tensor) -> Tensor:
    """Gaits [... 4] (frequency, phase, swing, lift) at `times` [T] -> ends (u, v) of limbs [... T 10 2 2]."""
    rate, phase, swing, lift = gait.double()[..., None, :].unbind(-1)
    turn = rate * times + phase
    wave, later = torch.sin(turn).float(), torch.sin(turn - 0.8).float()
    swing, lift = swing.float(), lift.float()
    neck, hip, head = (torch.tensor(place).expand(*wave.shape, 2) for place in (_NECK, _HIP, _HEAD))
    rows = [(neck, hip), (head, head + torch.tensor([0.0, 0.02]))]
    for side in (1.0, -1.0):
        raised = side * (lift + 0.9 * swing * wave * side)
        elbow = _limb(neck, raised, UPPER_ARM)
        rows += [(neck, elbow), (elbow, _limb(elbow, raised + side * (0.25 + 0.6 * swing * later), FOREARM))]
    for side in (1.0, -1.0):
        spread = side * 0.22 + 0.8 * swing * wave
        knee = _limb(hip, spread, THIGH)
        rows += [(hip, knee), (knee, _limb(knee, spread - 0.5 * swing * (1 + later), SHIN))]
    return torch.stack([torch.stack(row, dim=-2) for row in rows], dim=-3)


REST = limbs(torch.tensor(STANDING), torch.zeros(1))[0]
"""[10 2 2] the figure of reference pictures."""


def _frames(ends: Tensor, u: Tensor, v: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor, float]]:
    """Each limb's length, the points' places along and across it, and its thickness."""
    for index, thick in enumerate(THICKNESS.values()):
        (u0, v0), (u1, v1) = (ends[..., index, end, :, None, None].unbind(-3) for end in (0, 1))
        length = torch.hypot(u1 - u0, v1 - v0)
        eu, ev = (u1 - u0) / length, (v1 - v0) / length
        yield length, (u - u0) * eu + (v - v0) * ev, (v - v0) * eu - (u - u0) * ev, thick


def distance(u: Tensor, v: Tensor, ends: Tensor = REST) -> Tensor:
    """Signed distance [... H W] in radii to the nearest of the limbs [... 10 2 2]."""
    out = torch.full_like(u, torch.inf)
    for length, along, across, thick in _frames(ends.to(u.device), u, v):
        past = along - torch.minimum(along.clamp(min=0), length)
        out = torch.minimum(out, torch.hypot(past, across) - thick)
    return out


def moved(u: Tensor, v: Tensor, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
    """Where each point goes with its limb, as limbs move from `before` to `after` [... 10 2 2]."""
    best, to_u, to_v = torch.full_like(u, torch.inf), u, v
    for index, (length, along, across, thick) in enumerate(_frames(before, u, v)):
        gap = torch.hypot(along - torch.minimum(along.clamp(min=0), length), across) - thick
        (u0, v0), (u1, v1) = (after[..., index, end, :, None, None].unbind(-3) for end in (0, 1))
        eu, ev = (u1 - u0) / length, (v1 - v0) / length
        nearer = gap < best
        best = torch.where(nearer, gap, best)
        to_u = torch.where(nearer, u0 + along * eu - across * ev, to_u)
        to_v = torch.where(nearer, v0 + along * ev + across * eu, to_v)
    return to_u, to_v
