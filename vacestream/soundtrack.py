"""The outputs of a plan -> the sound of each: the input's, as far as its pictures go, or a file's."""

from fractions import Fraction
from typing import TYPE_CHECKING

from vacestream.errors import InputError
from vacestream.recipe import Recipe
from vacestream.recipe.values import media_kind
from vacestream.targets import Target

if TYPE_CHECKING:
    from vacestream.media.sound import Audio
    from vacestream.plan import Plan


def holds_sound(target: Target) -> bool:
    """Whether an output can carry sound: a video file, no pictures, no y4m."""
    return target.encoding is not None and bool(target.encoding.container.sound)


def refuse_silent(recipe: Recipe, made: tuple[Target, ...], *, media: bool) -> None:
    """Refuse sound that is asked for and cannot be had; `media`: look into the files."""
    for i, target in enumerate(made):
        asked, key = target.output.audio, ("output", i, "audio")
        if asked in (None, "none"):
            continue
        if target.output.kind in ("file", "stdin") and not holds_sound(target):
            what = f"{target.path} holds no sound; write an .mp4 or .mkv, or leave `audio:` out"
            raise recipe.error(key, what)
        where = recipe.input.path if asked == "source" and recipe.input else asked
        assert where is not None
        if media_kind(where) in ("sprites", "test", "stdin"):
            raise recipe.error(key, f"{where} has no sound; leave `audio:` out, or name a file")
        if media and media_kind(where) == "file" and not _sounds(recipe, where, i):
            what = f"{where} has no sound; leave `audio:` out, or name another file"
            raise InputError(str(recipe.error(key, what)))


def sound_for(plan: "Plan", target: Target) -> "Audio | None":
    """What is laid under the frames of this output; None: it is silent."""
    from vacestream.media.sound import Audio

    if plan.num_frames is None or not holds_sound(target):
        return None
    assert plan.fps is not None
    duration = plan.num_frames / plan.fps
    asked = target.output.audio
    if asked in (None, "source"):
        return _of_input(plan, duration)
    return None if asked is None or asked == "none" else Audio(asked, duration)


def _of_input(plan: "Plan", duration: Fraction) -> "Audio | None":
    """The sound of the pictures that are shown: no longer than they are, and repeated where they are."""
    from vacestream.media.probe import probe
    from vacestream.media.sound import Audio

    given = plan.recipe.input
    if given is None or media_kind(given.path) != "file":
        return None
    info = probe(given.path)
    if not info.has_audio or info.duration is None:
        return None
    start = plan.seconds(given.start) or Fraction(0)
    end = plan.seconds(given.end)
    shown = (info.duration if end is None else min(end, info.duration)) - start
    if given.at_end == "loop" and shown < duration:
        return Audio(given.path, duration, start, repeat=shown)
    return Audio(given.path, min(duration, shown), start)


def _sounds(recipe: Recipe, where: str, output: int) -> bool:
    from vacestream.media.probe import kind_of
    from vacestream.media.sound import sound_of

    try:
        return kind_of(where) == "video" and sound_of(where) is not None
    except InputError as error:
        raise InputError(str(recipe.error(("output", output, "audio"), str(error)))) from error
