"""A recipe and its footage -> how many frames its video has, and what is too short for that."""

from fractions import Fraction
from typing import TYPE_CHECKING

from vacestream.contradictions import hold_or_shorten, no_length
from vacestream.errors import InputError
from vacestream.footage import Footage, control_frames, input_frames
from vacestream.moments import frame_at
from vacestream.pipelines import PipelineSpec
from vacestream.recipe import Recipe, Time

if TYPE_CHECKING:
    from vacestream.media.info import MediaInfo


def num_frames_of(
    recipe: Recipe, spec: PipelineSpec, footage: Footage, fps: Fraction | None, why: dict[str, str]
) -> int | None:
    """Frames of the video, and where that comes from; None where endless or not known yet."""
    own = None if fps is None else input_frames(recipe, footage, fps)
    others = {} if fps is None else control_frames(recipe, footage, fps)
    asked = frame_at(recipe.length, spec, fps) if isinstance(recipe.length, Time) else None
    if asked == 0:
        raise recipe.error(
            ("length",), f"{recipe.length} is less than half a frame at {fps} fps; write at least 1f"
        )
    if recipe.length == "endless":
        return None
    given = own if recipe.input else max(others.values(), default=None)
    if asked is None:
        if given is not None:
            why["num_frames"] = recipe.input.path if recipe.input else "the longest ready-made control"
        elif footage.infos and not recipe.input:
            raise no_length(recipe)
        elif footage.info(("input", "path")) and (others or _timed_mask(footage) or _named_sound(recipe)):
            what = "is piped in and as long as it turns out to be; add `length:`, so that the others fit it"
            raise recipe.error(("input", "path"), what)
        return given
    why["num_frames"] = f"`length: {recipe.length}`"
    free = recipe.extend or (recipe.input and recipe.input.at_end)
    if given is not None and asked > given and not free:
        what = recipe.input.path if recipe.input else "the longest control"
        remedy = hold_or_shorten() if recipe.input else "shorten it, or bring a longer one"
        raise recipe.error(("length",), f"{asked} frames pass {what}, which gives {given}; {remedy}")
    return asked


def refuse_short(recipe: Recipe, footage: Footage, fps: Fraction, num_frames: int) -> None:
    """Refuse a ready-made control or mask that ends before the video does."""
    free = recipe.extend or (recipe.input and recipe.input.at_end == "free")
    short = {} if free else control_frames(recipe, footage, fps)
    if mask := _timed_mask(footage):
        short |= {("mask", "mask"): mask.frames_at(fps) or 0}
        own = input_frames(recipe, footage, fps) if free else None
        num_frames = num_frames if own is None else min(num_frames, own)
    for key, frames in short.items():
        if frames < num_frames:
            what = (
                f"gives {frames} frames of {num_frames}; bring one as long as the video, or shorten `length:`"
            )
            raise InputError(str(recipe.error(key, what)))


def _timed_mask(footage: Footage) -> "MediaInfo | None":
    """The mask, where it is a video."""
    info = footage.info(("mask", "mask"))
    return None if info is None or info.num_frames in (None, 1) else info


def _named_sound(recipe: Recipe) -> bool:
    return any(output.audio not in (None, "none", "source") for output in recipe.output)
