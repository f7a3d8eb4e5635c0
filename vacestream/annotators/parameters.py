"""What `annotate --set` may say of each task; read and refused as the keys of a recipe are."""

from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, Strict, model_validator

from vacestream.recipe.base import Boxes, Flag, Media, Model, OneOrMore, Points
from vacestream.recipe.parts import LayoutBox
from vacestream.recipe.values import TimeValue

Positive = Annotated[float, Strict(), Field(gt=0, le=10000)]
Finite = Annotated[float, Strict()]
Looked = Annotated[int, Strict(), Field(ge=28, le=4096)]
Level = Annotated[float, Strict(), Field(ge=0, le=4000)]
Side = Annotated[float, Strict(), Field(ge=0, le=8)]
Frames = Annotated[int, Strict(), Field(ge=1, le=100_000)]


M = TypeVar("M", bound=Model)


class Nothing(Model):
    """No parameters."""


class Footage(Model):
    """The part of the footage that is used."""

    start: TimeValue | None = None
    """Where in the footage to start."""
    end: TimeValue | None = None
    """Where in the footage to end; this moment is not included."""


SPAN = tuple(Footage.model_fields)


class Gray(Footage):
    """Of gray."""

    luma: Literal["vace", "bt601"] = "vace"
    """Weights of red, green, blue: VACE's own .114, .587, .299, or those of BT.601, the other way round."""


class Canny(Footage):
    """Of canny."""

    low: Level = 100.0
    """Gradient above which an edge goes on."""
    high: Level = 200.0
    """Gradient above which an edge starts."""


class Depth(Footage):
    """Of depth."""

    over: Literal["running", "clip", "fixed"] = "running"
    """What is black and what white: a range that follows slowly, the whole clip's, or the first frame's."""
    low: Finite | None = None
    """With over: fixed, the value of the net that is black; the least of the first frame when left out."""
    high: Finite | None = None
    """With over: fixed, the value of the net that is white; the greatest of the first frame when left out."""
    side: Looked | None = None
    """Shorter side in pixels at which the net looks; as it was made to when left out."""

    @model_validator(mode="after")
    def _both_ends(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high are two ends of one range; give both")
        if self.low is not None and self.high is not None:
            if self.over != "fixed":
                raise ValueError("low and high are a fixed range; add `over: fixed`, or leave them out")
            if self.low >= self.high:
                raise ValueError(f"low is {self.low:g} and high {self.high:g}; make high the greater one")
        return self


class DepthV2(Depth):
    """Of depthv2."""

    net: Literal[
        "depth-anything-v2-small", "depth-anything-v2-base", "depth-anything-v2-large", "video-depth-anything"
    ] = "depth-anything-v2-small"
    """Which size of it; VACE takes large, whose weights, as those of base, are not for commercial use."""


class Pose(Footage):
    """Of pose and pose_body."""

    net: Literal["dwpose", "vitpose"] = "dwpose"
    """What finds joints: DWPose, as in VACE, or ViTPose, which knows neither faces nor hands."""
    hands: Flag = False
    """Draw fingers, too; VACE does not."""


class Scribble(Footage):
    """Of scribble."""

    net: Literal["none", "informative-drawings", "lineart", "lineart-coarse", "hed", "pidinet"] = "none"
    """Which net draws; none is the fallback without weights."""
    side: Looked | None = None
    """Shorter side in pixels at which a net looks; that of the footage, at most 1024, when left out."""
    width: Positive | None = None
    """Of net: none. Width of lines in pixels; 1/240 of the shorter side, at least 1.5, when left out."""
    threshold: Annotated[float, Strict(), Field(ge=0, le=1)] = 0.015
    """Of net: none. Contrast below which nothing is drawn, 0 to 1."""


class Flow(Footage):
    """Of flow."""

    net: Literal["dis", "raft"] = "dis"
    """What finds motion: OpenCV's dense inverse search, which needs no weights, or RAFT."""
    over: Literal["fixed", "running"] = "fixed"
    """Whether full colour is one speed for all frames, or follows the fastest motion slowly."""
    radius: Positive | None = None
    """Pixels a frame drawn in full colour, faster ones too, at first where that is running; 1/30 of the
    shorter side when left out."""
    preset: Literal["ultrafast", "fast", "medium"] = "fast"
    """Of net: dis. How closely motion is searched for."""


class Layout(Footage):
    """Of layout_bbox."""

    boxes: Annotated[tuple[LayoutBox, ...], Field(min_length=1), OneOrMore()]
    """Where things stand and when: [{at: 0s, bbox: [x1, y1, x2, y2], label: cat}]."""


class StaticMask(Footage):
    """Of mask."""

    mask: Media
    """A picture, white where to make anew."""
    invert: Flag = False
    """Black where to make anew."""


class BoxMask(Footage):
    """Of bbox."""

    bbox: Boxes
    """A box [x1, y1, x2, y2] in pixels or percent, or several."""
    invert: Flag = False
    """Make anew outside the boxes."""


class BoxTrack(Footage):
    """Of bboxtrack."""

    bbox: Boxes
    """A box [x1, y1, x2, y2] around the thing, in pixels or percent."""
    at: TimeValue | None = None
    """The frame that the box refers to; the first one when left out."""
    net: Literal["none", "sam2"] = "none"
    """What follows it: OpenCV's flow and GrabCut, which need no weights, or SAM 2, as in VACE."""


class MaskTrack(Footage):
    """Of masktrack and maskbboxtrack."""

    mask: Media
    """A picture, white where the thing is."""
    at: TimeValue | None = None
    """The frame that the picture refers to; the first one when left out."""
    net: Literal["none", "sam2"] = "none"
    """What follows it: OpenCV's flow and GrabCut, which need no weights, or SAM 2, as in VACE."""


class Track(Footage):
    """Of layout_track."""

    bbox: Boxes | None = None
    """A box [x1, y1, x2, y2] around the thing, in pixels or percent."""
    mask: Media | None = None
    """Or a picture, white where the thing is."""
    at: TimeValue | None = None
    """The frame that box or picture refer to; the first one when left out."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.bbox is None) == (self.mask is None):
            raise ValueError("needs one of bbox and mask, to say what is followed")
        return self


class Followed(Footage):
    """What all that is followed has."""

    at: TimeValue | None = None
    """The frame that it refers to; the first one when left out."""


class PointTrack(Followed):
    """Of pointtrack."""

    points: Points
    """Points [x, y] on the thing, in pixels or percent."""


class MaskPointTrack(Followed):
    """Of maskpointtrack."""

    mask: Media
    """A picture with white scribbles on the thing; the middle of each is a point."""


class Salient(Footage):
    """Of salient."""

    threshold: Annotated[float, Strict(), Field(ge=0, lt=1)] = 0.5
    """How much a pixel must stand out, 0 to 1."""
    invert: Flag = False
    """Make anew what does not stand out."""


class SalientTrack(Followed):
    """Of salientmasktrack and salientbboxtrack."""

    threshold: Annotated[float, Strict(), Field(ge=0, lt=1)] = 0.5
    """How much a pixel must stand out, 0 to 1."""


class Named(Followed):
    """Of label and caption."""

    boxes: Literal["first", "all"] = "first"
    """Follow the surest find alone, as VACE does, or all."""
    every: Frames | None = None
    """Frames after which it is looked for again; never when left out."""


class Label(Named):
    """Of label."""

    label: Annotated[str, Field(min_length=1)]
    """The thing, in a word."""


class Caption(Named):
    """Of caption."""

    caption: Annotated[str, Field(min_length=1)]
    """The thing, in a phrase."""


class Border(Footage):
    """Of outpainting: sides in parts of the picture; left and right by a quarter when none is named."""

    left: Side | None = None
    """Times the width."""
    right: Side | None = None
    """Times the width."""
    up: Side | None = None
    """Times the height."""
    down: Side | None = None
    """Times the height."""


class Gap(Model):
    """Of firstframe, lastframe, firstclip and lastclip."""

    expand_num: Frames = 80
    """Frames to make."""


class FrameGap(Gap):
    """Of firstlastframe."""

    lastframe: Media
    """The picture at the end."""


class ClipGap(Gap):
    """Of firstlastclip."""

    lastclip: Media
    """The clip at the end."""


class Frameref(Gap):
    """Of frameref."""

    mode: Literal["firstframe", "lastframe", "firstlastframe"] = "firstframe"
    """Where the picture stands."""
    lastframe: Media | None = None
    """The picture at the end, for firstlastframe."""

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        return _both(self, self.mode, "firstlastframe", "lastframe")


class Clipref(Gap):
    """Of clipref."""

    mode: Literal["firstclip", "lastclip", "firstlastclip"] = "firstclip"
    """Where the clip stands."""
    lastclip: Media | None = None
    """The clip at the end, for firstlastclip."""

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        return _both(self, self.mode, "firstlastclip", "lastclip")


class Kept(Footage):
    """Of framerefext."""

    mode: Literal["first", "last", "firstlast", "random"] = "firstlast"
    """Which frames stay."""
    ref_num: Frames = 20
    """How many frames stay, at each end for firstlast."""
    seed: Annotated[int, Strict(), Field(ge=0, lt=2**63)] = 0
    """The choice of random."""


def _both(model: M, mode: str, pair: str, key: str) -> M:
    given = getattr(model, key) is not None
    if given != (mode == pair):
        said = f"mode {mode} does not use {key}; leave it out" if given else f"mode {pair} needs {key}"
        raise ValueError(said)
    return model
