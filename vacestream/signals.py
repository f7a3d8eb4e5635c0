"""Who makes the signal of a control: the recipe brings it, its source knows it, or an annotator reads it."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from vacestream.annotators.options import asked, asked_region
from vacestream.recipe import Control, Recipe

EXACT = ("depth", "depthv2", "pose", "pose_body", "flow", "scribble", "layout_bbox")
"""Signals that a sprites: source knows exactly."""


@dataclass(frozen=True)
class Maker:
    """Where a signal comes from, and that in words."""

    kind: Literal["given", "exact", "annotated"]
    words: str


def is_exact(signal: str, where: str) -> bool:
    """Whether this source knows this signal of its own frames."""
    return where.startswith("sprites:") and signal in EXACT


def maker(recipe: Recipe, control: Control) -> Maker:
    """Who makes the signal of this control."""
    if control.video is not None:
        return Maker("given", f"ready-made, {PurePath(control.video).name}")
    where = control.from_ or (recipe.input.path if recipe.input else "")
    drawn = control.boxes is not None or control.track is not None
    if is_exact(control.signal, where) and not drawn and not control.options:
        return Maker("exact", f"exact, {where} knows it")
    if control.track is not None:
        region, _ = asked_region(control.track)
        return Maker("annotated", f"the outline of {region.name}: {region.model}")
    row, _ = asked(control)
    return Maker("annotated", row.model)
