"""A recipe: YAML -> frozen pydantic models, with every field, default, limit and refusal; JSON Schema."""

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    Strict,
    ValidationError,
)
from pydantic import WithJsonSchema as Schema

from vacestream import presets
from vacestream.errors import RecipeError
from vacestream.pipelines import PIPELINES
from vacestream.recipe.base import Flag, Model, OneOrMore, Ratio, Scale
from vacestream.recipe.edits import merged, with_override
from vacestream.recipe.live import Live
from vacestream.recipe.masks import Augment, Mask, Reference
from vacestream.recipe.messages import problems
from vacestream.recipe.names import unknown_word
from vacestream.recipe.output import Output
from vacestream.recipe.parts import (
    Change,
    Clip,
    Control,
    Extend,
    Input,
    Keyframe,
    LayoutBox,
    Lora,
    Outpaint,
    Reanchor,
    Vace,
    Vae,
)
from vacestream.recipe.shape import relative_to, with_paths
from vacestream.recipe.text import Document, Key, Place, read_document
from vacestream.recipe.values import (
    RATE_SCHEMA,
    Box,
    Point,
    Size,
    SizeValue,
    Span,
    Steps,
    Time,
    parse_rate,
    parse_time,
    shown,
)
from vacestream.unbuilt import PLANNED

__all__ = [
    "Augment", "Box", "Change", "Clip", "Control", "Extend", "Input", "Keyframe", "LayoutBox", "Live", "Lora",
    "Mask", "Outpaint", "Output", "Point", "Reanchor", "Recipe", "Reference", "Size", "Span", "Steps", "Time",
    "Vace",
    "json_schema", "load_recipe",
]  # fmt: skip

MAX_PRESETS = 8
"""Presets that may stand on each other."""


def _parse_length(value: Any) -> Time | Literal["endless"]:
    if value == "endless":
        return "endless"
    length = parse_time(value)
    if not length.amount:
        raise ValueError(f"{value} is no length; write at least 1f")
    return length


def _parse_fps(value: Any) -> Fraction | Literal["source"]:
    if value == "source":
        return "source"
    try:
        return parse_rate(value)
    except ValueError as error:
        raise ValueError(str(error).replace("; write", "; write `source`,")) from error


def _parse_version(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{shown(value)} is not a version; write 1")
    return value


def _parse_offload(value: Any) -> Any:
    words = {True: "model", False: "none", "cpu": "model"}
    return words.get(value, value) if isinstance(value, bool | str) else value


def _parse_pipeline(value: Any) -> Any:
    if isinstance(value, str) and value not in PIPELINES and value not in PLANNED:
        raise ValueError(unknown_word(value, "pipeline", [*PIPELINES, *PLANNED]))
    return value


_FPS = Schema({"anyOf": [{"const": "source"}, *RATE_SCHEMA]})
_LENGTH = Schema({"type": "string", "examples": ["8s", "81f", "1:30", "endless"]})
_PIPELINE = Schema({"type": "string", "enum": [*PIPELINES, *PLANNED]})
_OFFLOAD = Schema({"enum": ["auto", "none", "text", "model", "group", "cpu", True, False]})
_AS_TEXT = PlainSerializer(str, return_type=str)


class Recipe(Model):
    """One video: what it shows, what steers it, where it goes."""

    main_key: ClassVar[str] = ""
    version: Annotated[Literal[1], BeforeValidator(_parse_version)] = 1
    """The version of this language."""
    input: Input | None = None
    """The footage: controls are made from it, and mask, outpaint or extend keep its pixels."""
    prompt: str = ""
    """What the video shows."""
    negative_prompt: str | None = None
    """What it does not show; the pipeline's own when left out."""
    seed: Annotated[int, Strict(), Field(ge=0, lt=2**63)] = 0
    """The noise: one seed, one video."""
    steps: Annotated[int, Strict(), Field(ge=1, le=1000)] | None = None
    """Denoising steps a chunk; the pipeline's own when left out."""
    step_batch: Flag = False
    """Work on as many chunks at once as there are steps: faster, and each is shown that much later."""
    guidance_scale: Annotated[float, Strict(), Field(ge=0, le=30)] | None = None
    """How strongly the prompt acts; the pipeline's own when left out."""
    length: Annotated[Time | Literal["endless"], PlainValidator(_parse_length), _AS_TEXT, _LENGTH] | None = (
        None
    )
    """All output frames: 8s, 81f, or endless when live; the input's length when left out."""
    size: SizeValue | None = None
    """WIDTHxHEIGHT in multiples of 16, or 480p or 720p in the input's aspect."""
    fit: Literal["crop", "letterbox"] = "crop"
    """What happens to footage of another aspect: cut at the edges, or bars."""
    fps: Annotated[Fraction | Literal["source"], PlainValidator(_parse_fps), _AS_TEXT, _FPS] | None = None
    """Frames a second: source keeps every frame, a number resamples the input at equal duration."""
    references: Annotated[tuple[Reference, ...], Field(max_length=3), OneOrMore()] = ()
    """Up to three pictures whose subject or style the video takes, in order."""
    controls: Annotated[tuple[Control, ...], OneOrMore()] = ()
    """Signals that say where things are and how they move; several are added."""
    mask: Mask | None = None
    """Where the input is made anew (white)."""
    outpaint: Outpaint | None = None
    """How far the canvas grows past the input."""
    extend: Extend | None = None
    """Frames that stay as they are while the others are made."""
    context_scale: Scale = 1.0
    """The strength of all that references, controls and masks add; times the scale of each."""
    timeline: Annotated[tuple[Change, ...], OneOrMore()] = ()
    """What changes, and when."""
    strength: Ratio | None = None
    """How far from the input's own picture: 0 keeps it, 1 forgets it."""
    output: Annotated[tuple[Output, ...], Field(min_length=1), OneOrMore()] = (Output(),)
    """Where the video goes; several at once are possible."""
    pipeline: Annotated[str, BeforeValidator(_parse_pipeline), _PIPELINE] = "sprites"
    """The base model: a row of `vacestream pipelines`."""
    mode: Literal["stream", "batch"] | None = None
    """Chunk by chunk, or the whole clip at once; what the pipeline does when left out."""
    preset: str | None = None
    """A recipe to start from: a name that `vacestream presets` lists, or a file, relative to this one."""
    loras: Annotated[tuple[Lora, ...], OneOrMore()] = ()
    """Low-rank changes of the base pipeline."""
    vae: Vae = Vae()
    """The whole VAE, or a smaller and faster one."""
    precision: Literal["auto", "fp32", "bf16", "fp16", "fp8", "int8"] = "auto"
    """Numbers in the model: auto takes what suits the device; fp8 and int8 are of blocks' weights alone."""
    text_encoder: Literal["whole", "fp8", "int8"] = "whole"
    """Weights of the text encoder's layers; whole: as precision says for all else."""
    offload: Annotated[
        Literal["auto", "none", "text", "model", "group"], BeforeValidator(_parse_offload), _OFFLOAD
    ] = "auto"
    """What waits in main memory while it is not used: nothing (auto, none, false), the text encoder, each
    model (true, cpu), or each block of a model (group); the text encoder works there in all of them."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:[0-9]{1,2})?)$")] = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    vace: Vace = Vace()
    """The method's own choices."""
    live: Live = Live()
    """How it keeps pace where it is made in real time."""
    reanchor: Reanchor | None = None
    """What keeps long videos from drifting: the attention sink, made anew every so often."""
    expect: str | None = None
    """The task you mean, such as `R2V + depth`: checked against what is inferred, changes nothing."""

    _document: Document = PrivateAttr(default_factory=lambda: Document({}, {}))

    @property
    def name(self) -> str:
        """What {recipe} stands for: the file's name without its ending."""
        root = self._document.places.get(())
        return Path(root.name).stem if root and root.name not in ("-", "recipe") else "recipe"

    def error(self, key: Key, what: str) -> RecipeError:
        """The refusal of this key, with its file and line."""
        return self._document.error(key, what)

    def origin(self, key: Key) -> str | None:
        """FILE:LINE or the option that set this key; None where it was left out."""
        place = self._document.places.get(key)
        return str(place) if place else None

    def origins(self, key: Key) -> tuple[str, ...]:
        """The place of this key, then one of each other file or option that set a part of it."""
        places = self._document.places
        first = places.get(key)
        found = {first.name: str(first)} if first else {}
        for known, place in places.items():
            if known[: len(key)] == key:
                found.setdefault(place.name, str(place))
        return tuple(found.values())

    def resolved(self, folder: Path | None = None) -> dict[str, Any]:
        """All that was said, as plain data that reads back, in this folder, as the same recipe."""
        recipe = self if folder is None else relative_to(self, folder)
        said: dict[str, Any] = recipe.model_dump(mode="json", exclude_defaults=True)
        said.pop("preset", None)
        return {"version": 1, **{key: said[key] for key in said if not self._document.place((key,)).local}}


def load_recipe(
    source: str | Path | dict[str, Any],
    *,
    overrides: Sequence[tuple[str, Any]] = (),
    name: str | None = None,
    machine: Document | None = None,
) -> Recipe:
    """Read a recipe file, `-` (stdin), YAML text or plain data; `--set` on top, settings beneath."""
    document = _document(source, name)
    for value in [value for dotted, value in overrides if dotted == "preset"]:
        document = with_override(document, Recipe, "preset", value)
    for depth in range(MAX_PRESETS + 1):
        preset = document.data.pop("preset", None)
        if preset is None:
            break
        if depth == MAX_PRESETS:
            raise document.error(("preset",), "presets stand on each other without end; leave one out")
        document = _on_preset(document, preset)
    if machine is not None:
        document = merged(machine, document, Recipe)
    for dotted, value in overrides:
        if dotted != "preset":
            document = with_override(document, Recipe, dotted, value)
    return read_recipe(document)


def read_recipe(document: Document) -> Recipe:
    """The recipe that this data is, or all that is wrong with it, a line each."""
    try:
        recipe = Recipe.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError("\n".join(problems(error, Recipe, document))) from error
    recipe = with_paths(recipe, document)
    recipe._document = document
    return recipe


def json_schema() -> dict[str, Any]:
    """The language as JSON Schema, for editors."""
    schema = Recipe.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "vacestream recipe"}


def _document(source: str | Path | dict[str, Any], name: str | None) -> Document:
    if isinstance(source, dict):
        place = Place(name or "recipe", folder=Path(name or "").parent)
        return Document(dict(source), {(): place, **{(key,): place for key in source}})
    if isinstance(source, str) and ("\n" in source or ": " in source):
        return read_document(source, name or "recipe")
    if str(source) == "-":
        return read_document(decoded(sys.stdin.buffer.read(), "-"), "-")
    path = Path(source)
    try:
        content = path.read_bytes()
    except IsADirectoryError as error:
        raise RecipeError(f"{path}: a folder, not a recipe; name a .yaml file in it") from error
    except OSError as error:
        raise RecipeError(f"{path}: cannot read this recipe ({error.strerror}); check its name") from error
    return read_document(decoded(content, str(path)), name or str(path), path.parent)


def decoded(content: bytes, name: str) -> str:
    """The text of a recipe; RecipeError with its line where it is none."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RecipeError(f"{name}:{line}: not a recipe: this is not UTF-8 text; save it as UTF-8") from error


def _on_preset(document: Document, preset: Any) -> Document:
    if not isinstance(preset, str):
        raise document.error(("preset",), f"{shown(preset)} is no preset; write a name or a recipe file")
    if presets.is_file(preset):
        path = document.place(("preset",)).folder / preset
        if not path.is_file():
            raise document.error(("preset",), f"there is no recipe {path}; name a file, relative to this one")
        return merged(_document(path, None), document, Recipe)
    try:
        base = presets.named(preset).document
    except ValueError as error:
        raise document.error(("preset",), str(error)) from error
    return merged(base, document, Recipe)
