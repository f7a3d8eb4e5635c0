"""What `annotate --set` may say of references: which part of a picture is meant, and what finds it."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, Strict, model_validator

from vacestream.recipe.base import Boxes, Media, Model, Points
from vacestream.recipe.masks import REFERENCE_MODES, REFERENCE_WAYS, Augment, ReferenceMode, one_way

GRABCUT = ("masktrack", "bboxtrack", "maskbboxtrack")
"""Modes that have a way without weights."""


class Part(Model):
    """Of every way to cut out of a picture."""

    augment: Augment | None = None
    """How the part is widened before it is cut out."""


class SalientPart(Part):
    """Of image_salient."""

    threshold: Annotated[float, Strict(), Field(ge=0, lt=1)] = 0.5
    """How much a pixel must stand out, 0 to 1."""


class Subject(SalientPart):
    """Of image_reference."""

    mode: ReferenceMode = "plain"
    """What of the picture is meant: all of it, its face, or what a mask of this mode finds, on white."""
    mask: Media | None = None
    """A picture, white where the part is that is meant, or on it."""
    bbox: Boxes | None = None
    """The part that is meant, or a box [x1, y1, x2, y2] around it, in pixels or percent."""
    points: Points | None = None
    """Points [x, y] on the part that is meant, in pixels or percent."""
    label: str | None = None
    """The part that is meant, in a word."""
    caption: str | None = None
    """The part that is meant, in a phrase."""
    boxes: Literal["first", "all"] = "first"
    """Of label and caption: the surest find alone, as VACE does, or all."""
    net: Literal["sam2", "grabcut"] = "sam2"
    """Of masktrack, bboxtrack and maskbboxtrack: SAM 2, as in VACE, or GrabCut, which needs no weights."""

    @model_validator(mode="before")
    @classmethod
    def _one_way(cls, value: Any) -> Any:
        return one_way(value, REFERENCE_MODES, REFERENCE_WAYS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        fits = {
            "threshold": self.mode.startswith("salient"),
            "boxes": self.mode in ("label", "caption"),
            "net": self.mode in GRABCUT,
            "augment": self.mode != "plain",
        }
        if idle := [key for key in fits if key in self.model_fields_set and not fits[key]]:
            raise ValueError(f"mode {self.mode} does not use {idle[0]}; leave it out")
        return self

    @property
    def maker(self) -> str:
        """The choice of the task's row that makes it."""
        return "grabcut" if self.net == "grabcut" else self.mode
