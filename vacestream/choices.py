"""The method's choices where a row cannot make them, or where they would do nothing: refused (no torch)."""

from collections.abc import Callable
from dataclasses import dataclass

from vacestream.pipelines import PipelineSpec
from vacestream.recipe import Recipe, Vace
from vacestream.recipe.text import Key
from vacestream.recipe.values import media_kind
from vacestream.references import placed_references, refers

LIVES_ONCE = ("camera", "screen", "url")
"""Kinds of input that cannot be opened a second time."""


@dataclass(frozen=True)
class Limit:
    """One way in which a choice cannot be had."""

    name: str
    """Of `vace:`, here or in the timeline."""
    hindered: Callable[[Recipe, Vace, PipelineSpec], bool]
    why: str


@dataclass(frozen=True)
class AnchorLimit:
    """One way in which the sink cannot be made anew."""

    key: Key
    hindered: Callable[[Recipe, PipelineSpec], bool]
    why: str


def _framed(vace: Vace) -> bool:
    return vace.references not in (None, "hints")


def _anchored(recipe: Recipe, source: str) -> bool:
    return recipe.reanchor is not None and recipe.reanchor.from_ == source


def _renews(spec: PipelineSpec) -> bool:
    """Whether the row itself has a say in what its sink holds."""
    return spec.sink_refresh is not None or spec.sink_decay < 1 or bool(spec.step_batch)


def _read_once(recipe: Recipe) -> bool:
    where = recipe.input.path if recipe.input else ""
    return recipe.strength is None and (where == "-" or media_kind(where) in LIVES_ONCE)


LIMITS = (
    Limit(
        "references",
        lambda recipe, vace, spec: _framed(vace) and spec.whole is not None,
        "in a whole clip references are among its frames already; leave it out",
    ),
    Limit(
        "references",
        lambda recipe, vace, spec: _framed(vace) and bool(spec.step_batch),
        "chunks in flight are at several noises at once, and share no frames; write `hints`",
    ),
    Limit(
        "references",
        lambda recipe, vace, spec: _framed(vace) and not refers(recipe),
        "acts where references do, and none do; add `references: FILE`, or leave it out",
    ),
    Limit(
        "memory",
        lambda recipe, vace, spec: bool(vace.memory) and spec.whole is not None,
        "a whole clip is seen whole; leave it out",
    ),
    Limit(
        "memory",
        lambda recipe, vace, spec: bool(vace.memory) and bool(spec.step_batch),
        "a chunk in flight begins before the one in front of it is done; leave it out",
    ),
)

ANCHOR_LIMITS = (
    AnchorLimit(
        ("reanchor",),
        lambda recipe, spec: bool(recipe.reanchor) and spec.whole is not None,
        "a whole clip has no attention sink; leave it out",
    ),
    AnchorLimit(
        ("reanchor",),
        lambda recipe, spec: (
            bool(recipe.reanchor) and (not spec.attention_sink_latents or bool(spec.recompute_latents))
        ),
        "this pipeline has no attention sink to make anew; use `pipeline: longlive-1.3b`, or leave it out",
    ),
    AnchorLimit(
        ("reanchor",),
        lambda recipe, spec: bool(recipe.reanchor) and _renews(spec),
        "this pipeline renews its attention sink by itself; use `pipeline: longlive-1.3b`, or leave it out",
    ),
    AnchorLimit(
        ("reanchor", "from"),
        lambda recipe, spec: _anchored(recipe, "reference") and not placed_references(recipe),
        "there is no reference; add `references: FILE`, or write `from: first`",
    ),
    AnchorLimit(
        ("reanchor", "from"),
        lambda recipe, spec: _anchored(recipe, "source") and not _shows_input(recipe),
        "nothing is made of the input's pictures; write `from: first`",
    ),
    AnchorLimit(
        ("reanchor", "from"),
        lambda recipe, spec: _anchored(recipe, "source") and _read_once(recipe),
        "this input is read once, and cannot be looked at again; write `from: first`",
    ),
)


def _shows_input(recipe: Recipe) -> bool:
    """Whether there is an input that is looked at."""
    parts = (recipe.controls, recipe.mask, recipe.outpaint, recipe.extend, recipe.strength, recipe.references)
    return recipe.input is not None and any(part not in (None, ()) for part in parts)


def refuse_choices(recipe: Recipe, spec: PipelineSpec) -> None:
    """Refuse a choice that this row cannot make, or that does nothing in this recipe."""
    changed = [(("timeline", i, "vace"), one.vace) for i, one in enumerate(recipe.timeline) if one.vace]
    for key, vace in [(("vace",), recipe.vace), *changed]:
        for limit in LIMITS:
            if limit.hindered(recipe, vace, spec):
                raise recipe.error((*key, limit.name), limit.why)
    for anchored in ANCHOR_LIMITS:
        if anchored.hindered(recipe, spec):
            raise recipe.error(anchored.key, anchored.why)


def refuse_late_anchor(recipe: Recipe, every: int, num_chunks: int | None) -> None:
    """Refuse to make the sink anew more seldom than the video has chunks."""
    if not recipe.reanchor:
        return
    if not every:
        raise recipe.error(("reanchor", "every"), "is no time; write `every: 25 chunks`")
    if num_chunks is not None and every >= num_chunks:
        what = f"{recipe.reanchor.every} is never reached: the video has {num_chunks} chunks"
        raise recipe.error(("reanchor", "every"), f"{what}; write less, or leave it out")
