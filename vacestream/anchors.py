"""What a recipe extends from -> the frames of its timeline that stay as they are given."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from vacestream.errors import InputError
from vacestream.footage import Footage, clip_frames, input_frames
from vacestream.moments import frame_at
from vacestream.pipelines import PipelineSpec
from vacestream.recipe import Recipe
from vacestream.recipe.text import Key
from vacestream.ways import endless


@dataclass(frozen=True)
class Anchor:
    """A picture or a clip, and the frames at which the video shows it."""

    name: str
    """firstframe, lastframe, firstclip, lastclip or keyframe."""
    key: Key
    where: str
    """A file, sprites:SEED, or the word input."""
    start: int
    stop: int
    """One past its last frame."""
    first: int
    """The frame of the source that is shown at `start`."""

    @property
    def is_input(self) -> bool:
        return self.where == "input"


def anchors(
    recipe: Recipe, spec: PipelineSpec, footage: Footage, fps: Fraction | None, num_frames: int | None
) -> tuple[Anchor, ...]:
    """Every anchor in order of time; refuses two at one frame, and what is past the end."""
    if recipe.extend is None:
        return ()
    placed = sorted(
        [*_ends(recipe, footage, fps, num_frames), *_keyframes(recipe, spec, fps, num_frames)],
        key=lambda anchor: (anchor.start, anchor.name == "keyframe"),
    )
    for before, after in pairwise(placed):
        if after.start < before.stop:
            _refuse_overlap(recipe, before, after)
    if num_frames is not None and placed and sum(one.stop - one.start for one in placed) >= num_frames:
        last = placed[-1]
        if not recipe.outpaint or any(not one.is_input for one in placed):
            raise recipe.error(
                last.key, f"leaves nothing to make of {num_frames} frames; write a longer `length:`"
            )
    return tuple(placed)


def _ends(recipe: Recipe, footage: Footage, fps: Fraction | None, num_frames: int | None) -> Iterator[Anchor]:
    """Anchors at the first and at the last frame, as far as their place is known."""
    assert recipe.extend is not None
    for name, where in recipe.extend.anchors.items():
        key: Key = ("extend", name)
        if name.endswith("frame"):
            _refuse_video(recipe, key, footage)
            count: int | None = 1
        else:
            count = None if fps is None else _length(recipe, footage, name, where, fps)
        if name.startswith("first"):
            if count is not None:
                yield Anchor(name, key, where, 0, count, 0)
        elif count is not None and num_frames is not None:
            start = num_frames - count
            first = _own_last(recipe, footage, where, fps, start) if name == "lastframe" else 0
            yield Anchor(name, key, where, start, num_frames, first)


def _keyframes(
    recipe: Recipe, spec: PipelineSpec, fps: Fraction | None, num_frames: int | None
) -> Iterator[Anchor]:
    assert recipe.extend is not None
    for i, keyframe in enumerate(recipe.extend.keyframes):
        frame = frame_at(keyframe.at, spec, fps)
        if frame is None:
            continue
        key: Key = ("extend", "keyframes", i, "at")
        if num_frames is not None and frame >= num_frames:
            what = f"{keyframe.at} is frame {frame}, past the end at {num_frames}; write an earlier moment"
            raise recipe.error(key, what)
        shared = keyframe.image == "input" or endless(keyframe.image)
        yield Anchor("keyframe", key, keyframe.image, frame, frame + 1, frame if shared else 0)


def _length(recipe: Recipe, footage: Footage, name: str, where: str, fps: Fraction) -> int | None:
    """Frames of a clip."""
    if where == "input":
        return input_frames(recipe, footage, fps)
    count = clip_frames(recipe, footage, name, fps)
    if count is None and endless(where):
        what = f"{where} has no end; write {{path: {where}, end: 1s}}, or name a file"
        raise recipe.error(("extend", name), what)
    return count


def _own_last(recipe: Recipe, footage: Footage, where: str, fps: Fraction | None, frame: int) -> int:
    """The frame of its own that a source shows at the end: the same one of a timeline that it shares."""
    if where != "input":
        return frame if endless(where) else 0
    own = None if fps is None else input_frames(recipe, footage, fps)
    return frame if own is None else min(frame, own - 1)


def _refuse_video(recipe: Recipe, key: Key, footage: Footage) -> None:
    info = footage.info(key)
    if info is not None and info.num_frames != 1:
        clip = str(key[1]).replace("frame", "clip")
        raise InputError(
            str(recipe.error(key, f"{info.where} is a video; write `{clip}:`, or name a picture"))
        )


def _refuse_overlap(recipe: Recipe, before: Anchor, after: Anchor) -> None:
    """Two things at one frame: the keyframe, or the later one, is to blame."""
    blamed, other = (before, after) if before.name == "keyframe" != after.name else (after, before)
    name = "another keyframe" if other.name == "keyframe" else other.name
    if blamed.name == "keyframe" and recipe.extend is not None:
        at = recipe.extend.keyframes[int(blamed.key[2])].at
        what = f"{at} is frame {blamed.start}, where {name} is"
    else:
        what = f"starts at frame {blamed.start}, where {name} is"
    raise recipe.error(blamed.key, f"{what}: two things at one frame; move or drop one")
