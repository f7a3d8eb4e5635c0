"""What recipes can say and this version cannot do yet: one table, which shrinks as things get built."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vacestream.pipelines import WAN_1_3B, WAN_14B, PipelineSpec

if TYPE_CHECKING:
    from vacestream.recipe import Recipe
    from vacestream.recipe.text import Key

PLANNED: dict[str, PipelineSpec] = {
    "framepack": PipelineSpec(
        "framepack",
        WAN_14B,
        status="planned",
        summary="FramePack (arXiv:2504.12626): HunyuanVideo's weights, which VACE's blocks do not fit",
    ),
    "ltx": PipelineSpec(
        "ltx", WAN_1_3B, status="planned", summary="LTX-Video (arXiv:2501.00103): it has no causal base"
    ),
}
"""Pipelines that people ask for, and why they are not there."""

STEERED = (
    "prompt", "references", "controls", "context_scale", "mask", "seed", "steps", "strength", "loras", "vace",
)  # fmt: skip
"""Keys of a recipe that may change while the video runs."""


@dataclass(frozen=True)
class Unbuilt:
    """One thing that a recipe can ask for in vain."""

    what: str
    instead: str
    found: "Callable[[Recipe], Iterator[Key]]"
    """The keys of a recipe that ask for it."""


def unbuilt(recipe: "Recipe") -> "list[tuple[Key, str]]":
    """What this recipe asks for in vain: its keys, and a sentence for each."""
    return [
        (key, f"{row.what} is understood but not built yet; {row.instead}")
        for row in UNBUILT
        for key in row.found(recipe)
    ]


def _blends(recipe: "Recipe") -> "Iterator[Key]":
    for i, change in enumerate(recipe.timeline):
        if change.blend is not None and change.prompt is None:
            yield "timeline", i, "blend"


def _live_pictures(recipe: "Recipe") -> "Iterator[Key]":
    """Pictures that are to come from a device or a stream."""
    from vacestream.footage import named_media
    from vacestream.recipe.values import media_kind

    moving = (("input", "path"), "controls", "mask")
    for key, where in named_media(recipe):
        if media_kind(where) in ("camera", "screen", "url") and not (key in moving or key[0] in moving):
            yield key


UNBUILT = (
    Unbuilt(
        "this pipeline",
        "FramePack's weights are HunyuanVideo's, which VACE's blocks do not fit, and LTX has no causal base; "
        "write `pipeline: longlive-1.3b`, or leave it out to use the embedded model",
        lambda recipe: (("pipeline",) for _ in range(recipe.pipeline in PLANNED)),
    ),
    Unbuilt("this blend", "blend a prompt; everything else changes at once, so leave `blend:` out", _blends),
    Unbuilt("a picture from a device or a stream", "save it to a file first", _live_pictures),
)
