"""The parts of a recipe: input, controls, anchors, and what changes on the way."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, Strict, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from vacestream.recipe.base import Flag, Media, Model, OneOrMore, Ratio, Scale
from vacestream.recipe.masks import Mask, Reference
from vacestream.recipe.values import (
    BoxValue,
    SpanValue,
    StepsValue,
    TimeValue,
)


class Input(Model):
    """The footage, or what makes it."""

    main_key: ClassVar[str] = "path"
    path: Media
    """A file, a folder, shot.%04d.png, camera:NAME, screen, a URL, sprites:SEED, test:NAME, or '-'."""
    start: TimeValue | None = None
    """Where in the file the footage starts."""
    end: TimeValue | None = None
    """Where in the file the footage ends; this moment is not included."""
    at_end: Literal["loop", "hold", "free"] | None = None
    """What follows its last frame: from the start again, the last frame held, or frames made freely."""


class LayoutBox(Model):
    """Where a thing stands at a moment; between two moments it moves straight."""

    at: TimeValue
    """The moment."""
    bbox: BoxValue
    """Its box [x1, y1, x2, y2] at that moment."""
    label: str | None = None
    """What it is; boxes of one label are one thing."""


Signal = Literal[
    "depth", "depthv2", "pose", "pose_body", "flow", "scribble", "canny", "gray", "layout_bbox",
    "layout_track", "plain",
]  # fmt: skip


class Control(Model):
    """A signal that says where things are and how they move."""

    main_key: ClassVar[str] = "signal"
    signal: Signal
    """What is read from the source, or what the ready-made video shows; plain is any picture as it is."""
    scale: Scale = 1.0
    """Times context_scale: how strongly this signal acts."""
    on: Flag = True
    """Whether it acts; off it is read all the same, so that it can be turned on while the video runs."""
    steps: StepsValue | None = None
    """The denoising steps it acts in, counted from 1, both ends included; all when left out."""
    frames: SpanValue | None = None
    """The output frames it acts on; all when left out."""
    from_: Annotated[Media | None, Field(alias="from")] = None
    """The footage that the signal is made from, instead of input."""
    video: Media | None = None
    """The signal itself, ready-made."""
    boxes: Annotated[tuple[LayoutBox, ...], Field(min_length=1), OneOrMore()] | None = None
    """The boxes of layout_bbox."""
    track: Mask | None = None
    """The thing whose outline layout_track draws."""
    options: dict[str, Any] | None = None
    """How the signal is made: the task's parameters, as of `vacestream annotate --set`."""

    @property
    def acts(self) -> float:
        """Its scale, 0 where it is off."""
        return self.scale * self.on

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.from_ is not None and self.video is not None:
            raise ValueError(
                "from and video are two origins of one signal; keep `video:` if it is ready-made"
            )
        for key, signal in (("boxes", "layout_bbox"), ("track", "layout_track")):
            given = getattr(self, key) is not None
            if given and self.signal != signal:
                raise ValueError(
                    f"{key} belongs to {signal}, not to {self.signal}; leave it out or change the signal"
                )
            if given and self.video is not None:
                raise ValueError(f"{key} and video are two origins of one signal; keep one")
        if self.options is not None:
            self._refuse_options()
        if self.signal == "layout_track" and self.track is None and self.video is None:
            raise ValueError(
                "layout_track needs track; add `track: {label: dog}`, or `video:` if it is ready-made"
            )
        return self

    def _refuse_options(self) -> None:
        """ValueError where an option is none of the signal's."""
        from vacestream.annotators import ANNOTATORS
        from vacestream.annotators.options import refused

        if self.video is not None or self.boxes is not None or self.track is not None:
            raise ValueError("options say how a signal is made from footage; leave them out")
        if said := refused(ANNOTATORS[self.signal], self.options or {}):
            raise ValueError(f"options: {said}")


class Outpaint(Model):
    """How far the canvas grows past the input."""

    left: Annotated[float, Strict(), Field(ge=0, le=8)] = 0.0
    """Times the input's width."""
    right: Annotated[float, Strict(), Field(ge=0, le=8)] = 0.0
    """Times the input's width."""
    up: Annotated[float, Strict(), Field(ge=0, le=8)] = 0.0
    """Times the input's height."""
    down: Annotated[float, Strict(), Field(ge=0, le=8)] = 0.0
    """Times the input's height."""
    inner: Flag = False
    """Crop that border off the input and make it anew, instead of adding one."""
    fill: Flag = False
    """The whole input, and what is missing to `size` made around it; `outpaint: fill` says this alone."""

    @model_validator(mode="before")
    @classmethod
    def _fill_alone(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value != "fill":
                raise ValueError(
                    f"{value[:40]!r} is no way to widen; try `outpaint: fill` or {{left: 0.25, right: 0.25}}"
                )
            return {"fill": True}
        return value

    @model_validator(mode="after")
    def _some_side(self) -> Self:
        sides = self.left + self.right + self.up + self.down
        if self.fill and (sides or self.inner):
            raise ValueError("fill finds its sides by itself; leave left, right, up, down and inner out")
        if not self.fill and not sides:
            raise ValueError("widens no side; write {left: 0.25, right: 0.25}, or fill")
        if self.inner and (self.left + self.right >= 1 or self.up + self.down >= 1):
            raise ValueError("inner leaves nothing of the input; keep left + right and up + down below 1")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        reference = handler(schema)
        whole = handler.resolve_ref_schema(reference)
        mapping = {key: whole.pop(key) for key in list(whole) if key not in ("title", "description", "$defs")}
        whole["anyOf"] = [{"const": "fill"}, mapping]
        return reference


class Clip(Model):
    """A part of a file."""

    main_key: ClassVar[str] = "path"
    path: Media
    """The file, sprites:SEED, or the word input."""
    start: TimeValue | None = None
    """Where in the file the clip starts."""
    end: TimeValue | None = None
    """Where in the file the clip ends; this moment is not included."""

    @model_validator(mode="after")
    def _whole_input(self) -> Self:
        if self.path == "input" and (self.start or self.end):
            raise ValueError("input is cut where it is named; write start and end there")
        return self


class Keyframe(Model):
    """A picture that the video shows at a moment."""

    at: TimeValue
    """The moment."""
    image: Media
    """The picture, or the word input."""


class Extend(Model):
    """Frames that stay as they are; the others are made to fit them. The word input may stand for a file."""

    firstframe: Media | None = None
    """The picture that the video starts from."""
    lastframe: Media | None = None
    """The picture that the video ends on."""
    firstclip: Clip | None = None
    """The clip that the video goes on from."""
    lastclip: Clip | None = None
    """The clip that the video leads up to."""
    keyframes: Annotated[tuple[Keyframe, ...], OneOrMore()] = ()
    """Pictures between."""

    @model_validator(mode="after")
    def _one_at_each_end(self) -> Self:
        for frame, clip in (("firstframe", "firstclip"), ("lastframe", "lastclip")):
            if getattr(self, frame) is not None and getattr(self, clip) is not None:
                raise ValueError(f"{frame} and {clip} are two things at one frame; keep one")
        if not self.anchors and not self.keyframes:
            raise ValueError("names no anchor; add firstframe, lastframe, firstclip, lastclip or keyframes")
        return self

    @property
    def anchors(self) -> dict[str, str]:
        """The anchors at the ends, by name."""
        frames = {"firstframe": self.firstframe, "lastframe": self.lastframe}
        clips = {"firstclip": self.firstclip, "lastclip": self.lastclip}
        return {
            **{name: where for name, where in frames.items() if where is not None},
            **{name: clip.path for name, clip in clips.items() if clip is not None},
        }


class Lora(Model):
    """A low-rank change of the base pipeline."""

    main_key: ClassVar[str] = "path"
    path: Media
    """Its file."""
    scale: Annotated[float, Strict(), Field(ge=-4, le=4)] = 1.0
    """How strongly it acts."""


VaeKind = Literal["wan", "tae", "light"]


class Vae(Model):
    """Which VAE does what: Wan's, TAEHV, or LightVAE; one word is for all."""

    main_key: ClassVar[str] = "output"
    control: VaeKind = "wan"
    """Encodes what VACE is given: references, controls, masked footage."""
    source: VaeKind = "wan"
    """Encodes the input that a video starts from."""
    output: VaeKind = "wan"
    """Decodes the video."""

    @property
    def kinds(self) -> dict[str, VaeKind]:
        """By role."""
        return {"control": self.control, "source": self.source, "output": self.output}

    @model_validator(mode="before")
    @classmethod
    def _main_key_alone(cls, value: Any) -> Any:
        return dict.fromkeys(cls.model_fields, value) if isinstance(value, str) else value


class Vace(Model):
    """The method's own choices."""

    adapter: Media = "own"
    """A file of context blocks; own are those that belong to the pipeline, with none the base stays bare."""
    precision: Literal["whole", "fp8", "int8"] | None = None
    """Weights of the context blocks; as the base's when left out."""
    references: Literal["hints", "sink", "prefix"] | None = None
    """Hints of the context blocks alone, or also frames of the base, clean or as noisy as the chunk; the
    pipeline's own way when left out."""
    reference_guidance: Annotated[float, Strict(), Field(ge=1, le=4)] = 1.0
    """How many times as far from the video without references each step goes, at twice its cost; 1: once."""
    memory: Annotated[int, Strict(), Field(ge=0, le=21)] = 0
    """Latents of earlier control that the context blocks remember."""
    commit_hints: Flag = True
    """Let the hints act in the pass that writes a chunk's keys and values, too."""
    neutral: Literal["encoded", "off"] = "encoded"
    """What the context blocks see in a chunk that is given nothing at all: encoded mid-gray, or they rest."""


class Reanchor(Model):
    """What long videos hold on to is made anew, as often as this says."""

    main_key: ClassVar[str] = "every"
    every: TimeValue
    """How often: after so many chunks, or the next whole number of them."""
    from_: Annotated[Literal["first", "source", "reference"], Field(alias="from")] = "first"
    """What it is made of: the first frames of the video, the input's frame of now, or the first reference."""


class Change(Model):
    """What changes at a moment of the timeline; it takes effect at the next chunk border."""

    at: TimeValue
    """The moment."""
    blend: TimeValue | None = None
    """How long the change takes; at once when left out."""
    blend_by: Literal["linear", "slerp"] = "linear"
    """The way from the old prompt to the new: straight, or keeping the length of what is between."""
    switch: Literal["recache", "keep"] | None = None
    """What a new prompt or LoRA does to what is remembered: made again under it, or kept; the pipeline's own
    way when left out."""
    cut: Flag = False
    """Forget what was before: a cut instead of a transition."""
    prompt: str | None = None
    """What the video shows from here."""
    negative_prompt: str | None = None
    """What it does not show from here."""
    guidance_scale: Annotated[float, Strict(), Field(ge=0, le=30)] | None = None
    """How strongly the prompt acts from here."""
    seed: Annotated[int, Strict(), Field(ge=0, lt=2**63)] | None = None
    """The noise from here."""
    steps: Annotated[int, Strict(), Field(ge=1, le=1000)] | None = None
    """Denoising steps a chunk, from here."""
    references: Annotated[tuple[Reference, ...], Field(max_length=3), OneOrMore()] | None = None
    """The pictures from here."""
    controls: Annotated[tuple[Control, ...], OneOrMore()] | None = None
    """The signals from here."""
    mask: Mask | None = None
    """The region from here; none, where all is made anew from here."""
    context_scale: Scale | None = None
    """The strength of all that VACE adds, from here."""
    strength: Ratio | None = None
    """How far from the input's own picture, from here."""
    loras: Annotated[tuple[Lora, ...], OneOrMore()] | None = None
    """The low-rank changes from here."""
    vace: Vace | None = None
    """The method's choices from here; those that are not named stay."""

    @property
    def changed(self) -> tuple[str, ...]:
        """The keys of the recipe that change."""
        return tuple(
            key for key in type(self).model_fields if key in self.model_fields_set and key not in _WHEN
        )

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.changed and not self.cut:
            raise ValueError("changes nothing; add a key such as `prompt:`, or `cut: true`")
        if self.cut and self.blend is not None:
            raise ValueError("blend and cut exclude each other; keep one")
        if self.switch is not None and self.prompt is None and self.loras is None:
            raise ValueError("switch says what a new prompt or LoRA does, and there is none; leave it out")
        if self.switch is not None and self.cut:
            raise ValueError("switch and cut exclude each other: a cut keeps nothing; keep one")
        return self


_WHEN = ("at", "blend", "blend_by", "cut", "switch")
