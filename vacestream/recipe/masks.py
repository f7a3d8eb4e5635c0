"""The parts of a recipe that pick a region: references and masks."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, Strict, model_validator

from vacestream.recipe.base import Boxes, Flag, Media, Model, Points, Scale
from vacestream.recipe.values import TimeValue


def one_way(value: Any, modes: dict[str, tuple[str, ...]], implied: dict[str, str]) -> Any:
    """Fill in the mode that an argument implies; refuse arguments that miss or do not fit."""
    if not isinstance(value, dict):
        return value
    given = [key for key in implied if key in value]
    mode = value.get("mode")
    if mode is None:
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are two ways to say where; keep one, or name the mode")
        if given and not implied[given[0]]:
            raise ValueError(
                f"a {given[0]} needs a mode; write `mode: {given[0]}` if it stays,"
                f" `mode: {given[0]}track` if it follows"
            )
        return {**value, "mode": implied[given[0]]} if given else value
    if not isinstance(mode, str) or mode not in modes:
        return value
    if missing := [key for key in modes[mode] if key not in value]:
        raise ValueError(f"mode {mode} needs {missing[0]}; add `{missing[0]}:`")
    if extra := [key for key in given if key not in modes[mode]]:
        raise ValueError(f"mode {mode} does not use {extra[0]}; leave it out, or choose a mode that does")
    return value


MASK_MODES: dict[str, tuple[str, ...]] = {
    "mask": ("mask",),
    "bbox": ("bbox",),
    "salient": (),
    "salientmasktrack": (),
    "salientbboxtrack": (),
    "masktrack": ("mask",),
    "bboxtrack": ("bbox",),
    "maskpointtrack": ("mask",),
    "maskbboxtrack": ("mask",),
    "pointtrack": ("points",),
    "label": ("label",),
    "caption": ("caption",),
}
MaskMode = Literal[
    "mask", "bbox", "salient", "salientmasktrack", "salientbboxtrack", "masktrack", "bboxtrack",
    "maskpointtrack", "maskbboxtrack", "pointtrack", "label", "caption",
]  # fmt: skip


class Augment(Model):
    """How a mask is widened, as VACE does it."""

    main_key: ClassVar[str] = "mode"
    mode: Literal["original", "original_expand", "hull", "hull_expand", "bbox", "bbox_expand", "random"]
    """The mask itself, its convex hull or its box; _expand widens that."""
    ratio: Annotated[float, Strict(), Field(ge=0, le=4)] = 0.3
    """How far _expand widens, as a part of the mask's own size."""


REFERENCE_MODES: dict[str, tuple[str, ...]] = {"plain": (), "face": (), **MASK_MODES}
REFERENCE_WAYS = {
    "mask": "mask", "bbox": "bbox", "points": "pointtrack", "label": "label", "caption": "caption",
}  # fmt: skip
"""Keys that say which part of a picture is meant -> the mode that they imply."""
ReferenceMode = Literal["plain", "face", MaskMode]


class Reference(Model):
    """A picture whose subject or style the video takes, without showing the picture itself."""

    main_key: ClassVar[str] = "image"
    image: Media
    """A picture, or sprites:SEED: its upright sprite or, with another mode, its first frame."""
    mode: ReferenceMode = "plain"
    """What of the picture is meant: all of it, its face, or what a mask of this mode finds, on white."""
    mask: Media | None = None
    """A picture, white where the part is that is meant, or on it."""
    bbox: Boxes | None = None
    """The part that is meant, or a box around it, in pixels of the picture."""
    points: Points | None = None
    """Points [x, y] on the part that is meant."""
    label: str | None = None
    """The part that is meant, in a word."""
    caption: str | None = None
    """The part that is meant, in a phrase."""
    options: dict[str, Any] | None = None
    """How the part is found: other parameters of image_reference, as of `vacestream annotate --set`."""
    augment: Augment | None = None
    """How the part is widened before it is cut out."""
    fit: Literal["letterbox", "crop"] = "letterbox"
    """How it comes to the size of the video: whole on white, as in VACE, or filling it, cut at the edges."""
    scale: Scale = 1.0
    """How many times it counts beside the others and the chunk; 0 leaves it out."""

    @model_validator(mode="before")
    @classmethod
    def _one_way(cls, value: Any) -> Any:
        return one_way(value, REFERENCE_MODES, REFERENCE_WAYS)

    @model_validator(mode="after")
    def _has_way(self) -> Self:
        if self.mode == "plain" and self.augment is not None:
            raise ValueError("augment widens what is cut out, and plain takes all; name a mode")
        if self.options is not None:
            from vacestream.annotators.options import refused_picture

            if said := refused_picture(self):
                raise ValueError(f"options: {said}")
        return self


class Mask(Model):
    """Where the video is made anew (white) and where the input is kept (black)."""

    main_key: ClassVar[str] = "mask"
    mode: MaskMode = "mask"
    """How the region is found; the modes that end in track follow it."""
    mask: Media | None = None
    """A picture or a video, white where to make anew, or sprites:SEED for the sprites of that clip."""
    bbox: Boxes | None = None
    """A box [x1, y1, x2, y2], or several."""
    points: Points | None = None
    """Points [x, y] on the thing to follow."""
    label: str | None = None
    """The thing to replace, in a word."""
    caption: str | None = None
    """The thing to replace, in a phrase."""
    at: TimeValue | None = None
    """The frame that box, points or words refer to; the first one when left out."""
    options: dict[str, Any] | None = None
    """How the region is found: the task's other parameters, as of `vacestream annotate --set`."""
    augment: Augment | None = None
    """How the region is widened."""
    feather: Annotated[int, Strict(), Field(ge=0, le=512)] = 0
    """Pixels over which the seam fades."""
    invert: Flag = False
    """Keep what the mask names and make the rest anew."""
    time: Literal["group", "nearest", "union"] = "group"
    """Which of the 4 frames of a latent speaks for all: the third, the nearest of the whole clip, or any."""

    @model_validator(mode="before")
    @classmethod
    def _one_way(cls, value: Any) -> Any:
        implied = {"mask": "mask", "bbox": "", "points": "pointtrack", "label": "label", "caption": "caption"}
        return one_way(value, MASK_MODES, implied)

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if self.at is not None and self.mode in ("mask", "bbox", "salient"):
            raise ValueError(f"at is of modes that follow a thing, and {self.mode} stays; leave it out")
        if missing := [key for key in MASK_MODES[self.mode] if getattr(self, key) is None]:
            raise ValueError(
                f"says no region; add `{missing[0]}:`, or `bbox:`, `label:` or `points:` with its mode"
            )
        if self.options is not None:
            from vacestream.annotators.options import refused_region

            if said := refused_region(self):
                raise ValueError(f"options: {said}")
        return self
