"""Which of render and live a recipe suits."""

from vacestream.footage import named_media
from vacestream.media.stream import is_stream
from vacestream.recipe import Recipe
from vacestream.recipe.text import Key
from vacestream.recipe.values import is_still, media_kind

LIVE = ("camera", "screen", "url")
"""Sources of their own time, and without an end that is known."""


def endless(where: str) -> bool:
    """Whether this source gives frames for as long as somebody reads."""
    return media_kind(where) in ("sprites", "test", *LIVE)


def keeps_time(recipe: Recipe) -> bool:
    """Whether a source of this recipe says by itself when its frames come."""
    return any(media_kind(where) in LIVE or is_stream(where) for _, where in named_media(recipe))


def why_not_render(recipe: Recipe) -> tuple[Key, str] | None:
    """Why this recipe only suits `live`: the key, and what to write instead."""
    if recipe.length == "endless":
        return ("length",), "endless is for `vacestream live`; write a length such as 8s to render a file"
    kind = media_kind(recipe.input.path) if recipe.input else "file"
    if kind in LIVE:
        what = "a device or stream is for `vacestream live`; record it to a file to render"
        return ("input", "path"), what
    if kind in ("sprites", "test") and recipe.length is None:
        return ("input", "path"), "has no end; add `length:`, such as `length: 8s`"
    for i, output in enumerate(recipe.output):
        if output.kind in ("camera", "url", "playlist"):
            return ("output", i, "path"), "a device or stream is for `vacestream live`; name a file to render"
    return None


def why_not_live(recipe: Recipe) -> tuple[Key, str] | None:
    """Why this recipe only suits `render`: the key, and what to write instead."""
    if recipe.mode == "batch":
        return ("mode",), "batch makes the whole clip at once; leave it out to run live"
    for i, output in enumerate(recipe.output):
        if output.path and is_still(output.path):
            return ("output", i, "path"), "a still is not live; name a video, a camera or a stream"
        if output.save:
            return ("output", i, "save"), "is for `vacestream render`; leave it out to run live"
        if output.audio not in (None, "none"):
            what = (
                "sound does not go through a live line; leave it out, and delay it beside by the latency told"
            )
            return ("output", i, "audio"), what
    return None
