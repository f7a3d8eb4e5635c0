"""What an output asks of container, codec, quality, size and rate -> how it is written, or why not."""

from fractions import Fraction
from typing import NoReturn

from vacestream.errors import OutputError, RecipeError
from vacestream.media.formats import CODECS, Encoding, encoding, even, listed, opening, refusal
from vacestream.recipe import Output, Recipe
from vacestream.recipe.values import media_kind
from vacestream.sizes import fitted_size


def how_written(recipe: Recipe, index: int, path: str) -> Encoding | None:
    """None: pictures, or what only `live` writes; refuses what cannot be meant by this output."""
    from vacestream.media.sinks import sink_kind

    output = recipe.output[index]

    def refuse(name: str, what: str) -> NoReturn:
        raise recipe.error(("output", index, name), what)

    if media_kind(path) not in ("file", "stdin") or output.kind == "playlist":
        return None
    try:
        kind = sink_kind(path, container=output.format)
    except RecipeError as error:
        refuse("path", str(error))
    if kind in ("frames", "still"):
        for name in ("codec", "format", "crf"):
            if name in output.model_fields_set:
                refuse(name, f"{path} is a picture, which has none; leave it out, or name a video file")
        if kind == "still" and output.fps:
            refuse("fps", f"{path} is one picture, which has no rate; leave it out")
        return None
    try:
        made = encoding(path, container=output.format, codec=output.codec)
    except RecipeError as error:
        refuse("codec" if output.codec else "format", str(error))
    if "crf" in output.model_fields_set and not made.codec.crf:
        refuse("crf", f"{path} has no quality to choose; leave it out, or write `codec: h264`")
    asked = output.size
    if asked and not asked.name and (fit := even((asked.height, asked.width), made.codec)) != (
        asked.height, asked.width,
    ):  # fmt: skip
        refuse("size", f"{asked} has an odd side, which {path} cannot hold; write {fit[1]}x{fit[0]}")
    return made


def refuse_unopened(recipe: Recipe) -> None:
    """Refuse a codec that is asked for and whose encoder does not open on this machine."""
    for i, output in enumerate(recipe.output):
        encoder = output.codec and CODECS[output.codec].encoder
        if encoder and (words := refusal(encoder)):
            what = f"{encoder} does not open here ({words}); write {listed([*opening()])}"
            raise OutputError(str(recipe.error(("output", i, "codec"), what)))


def shown_size(output: Output, made: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) that an output shows of frames of this one."""
    if output.size is None:
        return made
    if output.size.name:
        return fitted_size(made[1] / made[0], output.size.area)
    return output.size.height, output.size.width


def shown_fps(output: Output, made: Fraction) -> Fraction:
    """The rate at which an output shows frames made at this one."""
    return output.fps or made
