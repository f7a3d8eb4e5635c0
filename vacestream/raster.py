"""A recipe and its footage -> the size and the rate of its video (no torch)."""

from fractions import Fraction
from typing import Literal

from vacestream.footage import FREE, Footage
from vacestream.framing import grown
from vacestream.pipelines import PipelineSpec
from vacestream.recipe import Recipe
from vacestream.recipe.values import SIDE, is_still, media_kind
from vacestream.sizes import default_size, fitted_size


def fps_of(recipe: Recipe, spec: PipelineSpec, footage: Footage, why: dict[str, str]) -> Fraction | None:
    """The rate of the video; None where a file that was not opened decides."""
    if isinstance(recipe.fps, Fraction):
        why["fps"] = "the recipe"
        return recipe.fps
    info = footage.info(("input", "path"))
    if info is not None and info.timed:
        why["fps"] = f"{info.where}{', made constant' if info.variable else ''}"
        return info.fps
    if info is None and recipe.input and not _rateless(recipe.input.path):
        why["fps"] = "the input, which was not opened"
        return None
    why["fps"] = f"pipeline {spec.name}"
    return Fraction(spec.fps)


def _rateless(where: str) -> bool:
    return media_kind(where) in FREE or is_still(where)


def size_of(
    recipe: Recipe, spec: PipelineSpec, footage: Footage, why: dict[str, str]
) -> tuple[int, int] | None:
    """(height, width) of the video; None where a file that was not opened decides."""
    asked = recipe.size
    if asked and not asked.name:
        if asked.height % SIDE or asked.width % SIDE:
            width, height = (max(SIDE, round(side / SIDE) * SIDE) for side in (asked.width, asked.height))
            raise recipe.error(
                ("size",), f"{asked} has a side that is no multiple of {SIDE}; write {width}x{height}"
            )
        why["size"] = "the recipe"
        return asked.height, asked.width
    if recipe.outpaint and recipe.outpaint.fill:
        raise recipe.error(("outpaint",), "fill needs a size to fill; add `size:`, such as `size: 832x480`")
    area = asked.area if asked else spec.area
    source = _shaping(recipe, footage)
    if source == "unknown":
        why["size"] = "the input's aspect, which was not opened"
        return None
    if recipe.outpaint and not asked:
        own = fitted_size(source[0], area) if source else default_size(area)
        why["size"] = f"the input's {own[1]}x{own[0]}, and what `outpaint:` adds"
        return grown(own, recipe.outpaint)
    why["size"] = f"{area} pixels (" + (f"`size: {asked}`" if asked else f"pipeline {spec.name}") + ")"
    if source is None:
        return default_size(area)
    why["size"] += f", in the aspect of {source[1]}"
    return fitted_size(source[0], area)


def _shaping(recipe: Recipe, footage: Footage) -> tuple[float, str] | Literal["unknown"] | None:
    """The aspect (width / height) that the output takes, and the file it comes from."""
    keys = (
        [("input", "path")] if recipe.input else [k for k in footage.infos if k[0] in ("controls", "extend")]
    )
    info = footage.info(keys[0]) if keys else None
    if info is None:
        opened = bool(footage.infos) or not recipe.input or media_kind(recipe.input.path) in FREE
        return None if opened else "unknown"
    height, width = info.size
    if recipe.outpaint and recipe.size and not recipe.outpaint.inner:
        width *= 1 + recipe.outpaint.left + recipe.outpaint.right  # type: ignore[assignment]
        height *= 1 + recipe.outpaint.up + recipe.outpaint.down  # type: ignore[assignment]
    return width / height, info.where
