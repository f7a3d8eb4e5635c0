"""A line in miniature that is steered by a desk: the true stages over tiny weights."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from tests.tiny import tiny_pipeline
from vacestream.condition import make_vcus
from vacestream.live.desk import Desk
from vacestream.passes import open_passes
from vacestream.plan import Plan, make_plan
from vacestream.recipe import load_recipe
from vacestream.stream import new_stream

RECIPE: dict[str, Any] = {
    "input": "sprites:3", "prompt": "a red dog", "references": "sprites:5", "controls": ["depth"],
    "mask": {"mode": "bbox", "bbox": [8, 8, 24, 24]}, "length": "33f", "size": "32x32", "steps": 2,
    "output": "o.mp4",
}  # fmt: skip


def planned(**changed: Any) -> Plan:
    """The plan of the recipe above, with some of its keys changed."""
    said = {key: value for key, value in {**RECIPE, **changed}.items() if value is not None}
    return make_plan(load_recipe(said))


def run(desk: Desk, tell: Callable[[int], None] = lambda _: None) -> list[np.ndarray]:
    """What outputs show of each chunk; `tell` may speak to the desk before each chunk is asked for."""
    plan, made = desk.plan, []
    pipeline = replace(tiny_pipeline(), spec=plan.spec)
    with ExitStack() as stack:
        stack.enter_context(desk)
        stream = new_stream(pipeline, plan.size, plan.seed)
        desk.prepare = lambda told: stream.prepare(told.prompt, told.references, told.manner)
        passes = open_passes(plan, stack, desk.regions)
        tell(0)
        desk.settle()
        vcus = desk.watch(make_vcus(desk.chunks(), passes, desk.at, plan.size), stack)
        for chunk, frames in stream(vcus):
            made.append(desk.shown(chunk, frames))
            tell(chunk.index + 1)
            desk.settle()
    return made
