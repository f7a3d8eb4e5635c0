"""The media of a recipe -> sizes, rates and lengths, before a frame is read."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from vacestream.errors import InputError
from vacestream.recipe import Recipe, Time
from vacestream.recipe.text import Key
from vacestream.recipe.values import media_kind

if TYPE_CHECKING:
    from vacestream.media.probe import MediaInfo

FREE = ("sprites", "test", "camera", "screen", "url")
"""Sources that are not opened to know them: they give any size and rate."""


@dataclass(frozen=True)
class Footage:
    """What is known of the files that a recipe names."""

    infos: "dict[Key, MediaInfo]"
    """By the key of the recipe that names the file; empty where nothing was opened."""

    def info(self, key: Key) -> "MediaInfo | None":
        return self.infos.get(key)


def look_at(recipe: Recipe) -> Footage:
    """Open every file that the recipe names; InputError with the key that names it."""
    from vacestream.media.probe import probe

    infos: dict[Key, MediaInfo] = {}
    for key, where in named_media(recipe):
        if media_kind(where) not in ("file", "stdin"):
            continue
        try:
            infos[key] = probe(where)
        except InputError as error:
            raise InputError(str(recipe.error(key, str(error)))) from error
        if "references" in key and infos[key].num_frames != 1:
            raise InputError(str(recipe.error(key, f"{where} is a video; name one picture")))
    return Footage(infos)


def named_media(recipe: Recipe) -> list[tuple[Key, str]]:
    """The keys that name media to read, and the names."""
    named: list[tuple[Key, str | None]] = [(("input", "path"), recipe.input.path if recipe.input else None)]
    named += [(("references", i, "image"), reference.image) for i, reference in enumerate(recipe.references)]
    named += [(("references", i, "mask"), reference.mask) for i, reference in enumerate(recipe.references)]
    for i, control in enumerate(recipe.controls):
        named += [(("controls", i, "from"), control.from_), (("controls", i, "video"), control.video)]
        named += [(("controls", i, "track", "mask"), control.track.mask if control.track else None)]
    named += [(("mask", "mask"), recipe.mask.mask if recipe.mask else None)]
    for i, change in enumerate(recipe.timeline):
        key: Key = ("timeline", i)
        named += [
            ((*key, "references", j, name), getattr(one, name))
            for j, one in enumerate(change.references or ())
            for name in ("image", "mask")
        ]
        for j, one in enumerate(change.controls or ()):
            named += [((*key, "controls", j, "from"), one.from_), ((*key, "controls", j, "video"), one.video)]
        named += [((*key, "mask", "mask"), change.mask.mask if change.mask else None)]
    if recipe.extend:
        named += [(anchor_key(name), where) for name, where in recipe.extend.anchors.items()]
        named += [
            (("extend", "keyframes", i, "image"), k.image) for i, k in enumerate(recipe.extend.keyframes)
        ]
    return [(key, where) for key, where in named if where and where not in ("input", "none")]


def seconds(recipe: Recipe, key: Key, time: Time | None, fps: Fraction) -> Fraction | None:
    """A moment of the footage in seconds."""
    if time is None:
        return None
    if time.unit == "chunks":
        raise recipe.error(
            key, f"{time} means nothing in a file; write seconds, such as 4s, or frames, such as 96f"
        )
    return time.amount if time.unit == "s" else time.amount / fps


def input_frames(recipe: Recipe, footage: Footage, fps: Fraction) -> int | None:
    """Output frames that the input gives by itself; None where it is endless or unknown."""
    if recipe.input is None:
        return None
    start = seconds(recipe, ("input", "start"), recipe.input.start, fps) or Fraction(0)
    end = seconds(recipe, ("input", "end"), recipe.input.end, fps)
    return _frames(recipe, ("input",), footage.info(("input", "path")), fps, start, end)


def _frames(
    recipe: Recipe, key: Key, info: "MediaInfo | None", fps: Fraction, start: Fraction, end: Fraction | None
) -> int | None:
    """Output frames between two times of a source."""
    if info is not None:
        try:
            return info.frames_at(fps, start=start, end=end)
        except InputError as error:
            raise InputError(str(recipe.error(key, str(error)))) from error
    return None if end is None else max(1, nearest((end - start) * fps))


def control_frames(recipe: Recipe, footage: Footage, fps: Fraction) -> dict[Key, int]:
    """Output frames that other footage and ready-made signals give, by key; a still stands for any number."""
    keys = [("controls", i, name) for i in range(len(recipe.controls)) for name in ("video", "from")]
    infos = {key: info for key in keys if (info := footage.info(key)) is not None and info.num_frames != 1}
    found = {key: info.frames_at(fps) for key, info in infos.items()}
    return {key: frames for key, frames in found.items() if frames is not None}


def anchor_key(name: str) -> Key:
    """The key that names the file of an anchor at an end."""
    return ("extend", name, "path") if name.endswith("clip") else ("extend", name)


def clip_frames(recipe: Recipe, footage: Footage, name: str, fps: Fraction) -> int | None:
    """Output frames of firstclip or lastclip; None where it is endless or unknown."""
    clip = getattr(recipe.extend, name)
    key = ("extend", name)
    start = seconds(recipe, (*key, "start"), clip.start, fps) or Fraction(0)
    end = seconds(recipe, (*key, "end"), clip.end, fps)
    return _frames(recipe, (*key, "path"), footage.info(anchor_key(name)), fps, start, end)


def nearest(value: Fraction) -> int:
    """Rounded to nearest, halves up."""
    return int((2 * value + 1) // 2)
