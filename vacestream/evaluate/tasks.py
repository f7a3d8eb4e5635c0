"""VACE's tasks as recipes over one clip of the embedded world, and what each is measured by."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vacestream.evaluate import keeping
from vacestream.evaluate import measures as of
from vacestream.evaluate.asks import Ask
from vacestream.evaluate.measures import Measure
from vacestream.evaluate.truth import Truth
from vacestream.sprites.scenes import ground_words, sprite_words

FRAMES = 21
"""Of a clip: two chunks."""
LAST = FRAMES - 1
OWN = Ask("the clip's own")
Said = dict[str, Any]
"""Keys of a recipe."""


@dataclass(frozen=True)
class Task:
    """One of VACE's tasks, asked of a clip."""

    name: str
    said: Callable[[Truth], Said]
    """What the recipe says beside its prompt."""
    measures: tuple[Measure, ...]
    prompt: Callable[[Truth], str]
    ask: Ask = OWN
    """What the judge is told of it."""
    frames: tuple[int, ...] = ()
    """Frames that are given whole."""
    wide: bool = False
    """Whether the output is half as wide again as the clip."""

    def recipe(self, truth: Truth, mode: str, *, asked: bool = True) -> Said:
        """The recipe; or, for comparison, its prompt alone."""
        height, width = truth.size
        said = {
            "prompt": self.prompt(truth),
            "seed": truth.seed,
            "length": f"{len(truth.video)}f",
            "size": f"{width * 3 // 2 if self.wide else width}x{height}",
            "mode": mode,
        }
        return {**self.said(truth), **said} if asked else said


def named(truth: Truth) -> str:
    """The clip's own words."""
    return truth.caption(named=True)


def ground(truth: Truth) -> str:
    """The ground's alone."""
    return truth.caption(named=False)


def replaced(truth: Truth) -> str:
    """Another sprite on the clip's ground."""
    return f"{sprite_words(truth.other, 0, 0)} on {ground_words(truth.scenes, 0)}"


def clip(truth: Truth) -> str:
    """The clip as a recipe names it."""
    return f"sprites:{truth.seed}"


def other(truth: Truth) -> str:
    """The clip that another's reference comes from."""
    return f"sprites:{truth.other.seeds[0]}"


def box(truth: Truth, *, over: slice) -> list[str]:
    """Around the sprite in these frames, in shares of the picture."""
    boxes, (height, width) = truth.clip.boxes[0, 0, over], truth.size
    sides = *boxes[:, :2].amin(0).tolist(), *boxes[:, 2:].amax(0).tolist()
    return [f"{100 * side / of:.2f}%" for side, of in zip(sides, (width, height) * 2, strict=True)]


def _control(signal: str, *measures: Measure) -> Task:
    ask = Ask(signal, control=signal)
    return Task(signal, lambda t: {"input": clip(t), "controls": [signal]}, measures, named, ask)


def _extension(name: str, frames: tuple[int, ...], said: Callable[[Truth], Said]) -> Task:
    measures = keeping.KEPT, keeping.ANCHORS, keeping.BESIDE
    return Task(name, lambda t: {"extend": said(t)}, measures, named, frames=frames)


def _tracked(t: Truth) -> Said:
    followed = {"mode": "bboxtrack", "bbox": box(t, over=slice(1)), "augment": "bbox_expand"}
    return {"input": clip(t), "mask": followed}


def _part(t: Truth, start: int, stop: int) -> Said:
    return {"path": clip(t), "start": f"{start}f", "end": f"{stop}f"}


COLOURED = Ask("another's", references="other")
PLACED = Ask("another's", control="yes", references="other")
REPAINTED = keeping.KEPT, keeping.SEAM, of.COLOUR
WIDENED = keeping.KEPT, keeping.SEAM

TASKS: tuple[Task, ...] = (
    _control("depth", of.IOU, of.COLOUR),
    _control("scribble", of.IOU),
    _control("pose", of.IOU, of.BORDER_ERROR),
    _control("flow", of.IOU, of.BORDER_ERROR),
    _control("canny", of.IOU),
    _control("gray", of.LUMA_ERROR),
    _control("plain", of.FIDELITY),
    Task(
        "layout_bbox",
        lambda t: {"controls": [{"signal": "layout_bbox", "from": clip(t)}]},
        (of.IOU,),
        named,
    ),
    Task(
        "layout_track",
        lambda t: {"input": clip(t), "controls": [{"signal": "layout_track", "track": {"mask": clip(t)}}]},
        (of.IOU,),
        named,
    ),
    Task(
        "inpainting: bbox",
        lambda t: {"input": clip(t), "mask": {"mode": "bbox", "bbox": box(t, over=slice(None))}},
        REPAINTED,
        replaced,
        COLOURED,
    ),
    Task("inpainting: bboxtrack", _tracked, REPAINTED, replaced, COLOURED),
    Task(
        "outpainting",
        lambda t: {"input": clip(t), "outpaint": {"left": 0.25, "right": 0.25}},
        WIDENED,
        named,
        wide=True,
    ),
    Task(
        "outpainting_inner",
        lambda t: {"input": clip(t), "outpaint": {"up": 0.25, "down": 0.25, "inner": True}},
        WIDENED,
        named,
    ),
    _extension("firstframe", (0,), lambda t: {"firstframe": clip(t)}),
    _extension("lastframe", (LAST,), lambda t: {"lastframe": clip(t)}),
    _extension("firstlastframe", (0, LAST), lambda t: {"firstframe": clip(t), "lastframe": clip(t)}),
    _extension("firstclip", tuple(range(11)), lambda t: {"firstclip": _part(t, 0, 11)}),
    _extension("lastclip", tuple(range(11, FRAMES)), lambda t: {"lastclip": _part(t, 11, FRAMES)}),
    _extension(
        "firstlastclip",
        (*range(7), *range(14, FRAMES)),
        lambda t: {"firstclip": _part(t, 0, 7), "lastclip": _part(t, 14, FRAMES)},
    ),
    _extension(
        "keyframes",
        (0, 10, 16),
        lambda t: {"keyframes": [{"at": f"{frame}f", "image": clip(t)} for frame in (0, 10, 16)]},
    ),
    Task(
        "reference",
        lambda t: {"references": clip(t)},
        (of.COLOUR, of.SHAPE, of.UNPAINTED),
        ground,
        Ask("reference", references="own"),
    ),
    Task(
        "reference + depth",
        lambda t: {"input": clip(t), "controls": ["depth"], "references": clip(t)},
        (of.COLOUR, of.IOU, of.UNPAINTED),
        ground,
        Ask("reference + depth", control="depth", references="own"),
    ),
    Task(
        "another's reference + depth",
        lambda t: {"input": clip(t), "controls": ["depth"], "references": other(t)},
        (of.COLOUR,),
        ground,
        PLACED,
    ),
    Task(
        "reference_anything",
        lambda t: {"references": [clip(t), other(t)]},
        (of.BOTH_COLOURS,),
        ground,
    ),
    Task(
        "animate_anything",
        lambda t: {"input": clip(t), "controls": ["pose"], "references": other(t)},
        (of.IOU, of.COLOUR),
        ground,
        PLACED,
    ),
    Task(
        "swap_anything",
        lambda t: {**_tracked(t), "references": other(t)},
        REPAINTED,
        ground,
        COLOURED,
    ),
    Task(
        "expand_anything",
        lambda t: {
            "input": {"path": clip(t), "end": "1f"},
            "extend": {"firstframe": "input"},
            "outpaint": {"left": 0.25, "right": 0.25},
            "references": clip(t),
        },
        (*WIDENED, of.COLOUR),
        ground,
        Ask("reference", references="own"),
        wide=True,
    ),
    Task(
        "move_anything",
        lambda t: {
            "extend": {"firstframe": clip(t)},
            "controls": [{"signal": "layout_bbox", "from": clip(t)}],
        },
        (of.IOU, keeping.KEPT),
        named,
        frames=(0,),
    ),
    Task(
        "reference + depth + scribble + bboxtrack + firstframe",
        lambda t: {
            **_tracked(t),
            "references": clip(t),
            "controls": ["depth", {"signal": "scribble", "scale": 0.3, "steps": "1..2"}],
            "extend": {"firstframe": "input"},
        },
        (of.IOU, of.COLOUR, *WIDENED),
        ground,
        Ask("reference", control="depth", references="own"),
        frames=(0,),
    ),
)
