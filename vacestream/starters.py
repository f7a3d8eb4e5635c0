"""The name of a task -> a recipe to start from, with a comment at every key; read by nothing but people."""

from collections.abc import Iterator
from dataclasses import dataclass

from vacestream.annotators import ANNOTATORS, MASKS, TASKS
from vacestream.errors import RecipeError
from vacestream.recipe.masks import MASK_MODES
from vacestream.recipe.names import unknown_word

Line = tuple[str, str]
"""A key with its value, and what it says."""
WIDEST = 50
"""Where comments begin at most; a longer key has its comment behind it."""
LONGEST = 110
"""Characters of a line; a longer comment stands above its key."""


@dataclass(frozen=True)
class Starter:
    """One recipe to start from."""

    summary: str
    """What is made."""
    expect: str
    lines: tuple[Line, ...]


_INPUT = "input: input.mp4", "your footage: a video, a folder of pictures, or sprites:7"
_PICTURE = "input: picture.jpg", "your picture"
_PROMPT = "prompt: what the video shows", "the whole scene as it shall be, not only what changes"
_LENGTH = "length: 5s", "or in frames: 81f"
_SUBJECT = "references: subject.png", "a picture of what shall appear, best on white; up to three"
_POSE = "controls: pose", "the motion: skeletons read from the input"
_CAR = "mask: {label: car, augment: bbox_expand}", "what is replaced; or a file: mask.png"
_FIRST = "extend: {firstframe: input}", "the video starts from it"
_BOXES: tuple[Line, ...] = (
    ("controls:", ""),
    ("  - signal: layout_bbox", ""),
    ("    boxes:", "where it is, and when; straight lines between"),
    ("      - {at: 0s, bbox: [10%, 40%, 30%, 90%]}", "x1, y1, x2, y2 in percent or pixels"),
    ("      - {at: 5s, bbox: [70%, 40%, 90%, 90%]}", ""),
)
_REGION = {
    "mask": "mask: mask.png",
    "bbox": "bbox: [25%, 25%, 75%, 75%]",
    "points": "points: [[50%, 50%]]",
    "label": "label: dog",
    "caption": "caption: the dog on the left",
}


def _extending(lines: tuple[Line, ...], summary: str, expect: str) -> Starter:
    return Starter(summary, expect, (_PROMPT, *lines, _LENGTH))


def _subject(reference: str, says: str, summary: str) -> Starter:
    return Starter(summary, "R2V", (_PROMPT, (f"references: {reference}", says), _LENGTH))


def _control(name: str) -> Starter:
    made = f"controls: [{{signal: {name}, scale: 1.0}}]", TASKS[name].summary
    given = f"# controls: [{{signal: {name}, video: {name}.mp4}}]", "or ready-made, without an input"
    return Starter("the prompt, moving as the input does", name, (_INPUT, _PROMPT, made, given))


def _mask(mode: str) -> Starter:
    (needed,) = MASK_MODES[mode] or ("",)
    value = ", ".join(part for part in (f"mode: {mode}", _REGION.get(needed, "")) if part)
    text = _REGION["mask"] if mode == "mask" else f"mask: {{{value}}}"
    line = text, f"made anew: {TASKS[mode].summary}"
    return Starter("a part of the input made anew, the rest kept", "inpainting", (_INPUT, _PROMPT, line))


def _outpainting(more: str, says: str, summary: str) -> Starter:
    outpaint = f"outpaint: {{left: 0.25, right: 0.25{more}}}", says
    return Starter(summary, "outpainting", (_INPUT, _PROMPT, outpaint))


_ANCHORS = {
    "firstframe": ("extend: {firstframe: first.png}", "the picture that the video starts from"),
    "lastframe": ("extend: {lastframe: last.png}", "the picture that the video ends on"),
    "firstlastframe": ("extend: {firstframe: first.png, lastframe: last.png}", "where it starts and ends"),
    "firstclip": ("extend: {firstclip: first.mp4}", "the clip that the video goes on from"),
    "lastclip": ("extend: {lastclip: last.mp4}", "the clip that the video leads up to"),
    "firstlastclip": ("extend: {firstclip: first.mp4, lastclip: last.mp4}", "made between the two"),
}
_KEYFRAMES = "extend: {keyframes: [{at: 2s, image: picture.png}]}", "pictures that it shows, and when"

STARTERS: dict[str, Starter] = {
    "T2V": Starter("a video from words alone", "T2V", (_PROMPT, _LENGTH)),
    "R2V": Starter("a video with your subject in it", "R2V", (_PROMPT, _SUBJECT, _LENGTH)),
    **{name: _control(name) for name in ANNOTATORS if not name.startswith("layout_")},
    "layout_bbox": Starter("a thing that moves as boxes say", "layout_bbox", (_PROMPT, *_BOXES, _LENGTH)),
    "layout_track": Starter(
        "the prompt, where a thing of the input is", "layout_track",
        (
            _INPUT,
            _PROMPT,
            (
                "controls: {signal: layout_track, track: {mode: bboxtrack, bbox: [25%, 25%, 75%, 75%]}}",
                "what is followed: what is in this box in the first frame",
            ),
        ),
    ),
    **{mode: _mask(mode) for mode in MASKS},
    "outpainting": _outpainting("", "times its width; also up and down", "the input on a larger canvas"),
    "outpainting_inner": _outpainting(
        ", inner: true", "times its width; also up and down", "the input with a border made anew"
    ),
    **{name: _extending((line,), "a video around what you have", name) for name, line in _ANCHORS.items()},
    "frameref": _extending((_ANCHORS["firstlastframe"],), "a video between two pictures", "frameref"),
    "clipref": _extending((_ANCHORS["firstlastclip"],), "a video between two clips", "clipref"),
    "framerefext": _extending((_KEYFRAMES,), "a video that shows your pictures on its way", "keyframes"),
    "image_reference": _subject("subject.png", "best on white; up to three", "a video with your subject"),
    "image_face": _subject("{image: person.jpg, mode: face}", "its face is cut out", "a video with a face"),
    "image_salient": _subject(
        "{image: photo.jpg, mode: salient}", "what stands out is cut out", "a video with your subject"
    ),
    "reference_anything": Starter(
        "up to three subjects in one video", "reference_anything",
        (_PROMPT, ("references: [girl.png, snake.png, tower.png]", "best on white, in order"), _LENGTH),
    ),
    "animate_anything": Starter(
        "your subject moving as the input does", "animate_anything", (_INPUT, _PROMPT, _SUBJECT, _POSE)
    ),
    "swap_anything": Starter(
        "a thing of the input replaced by your subject", "swap_anything", (_INPUT, _PROMPT, _SUBJECT, _CAR)
    ),
    "expand_anything": Starter(
        "a picture widened and set in motion, with your subject", "expand_anything",
        (_PICTURE, _PROMPT, _FIRST, ("outpaint: {left: 0.5, right: 0.5}", "times its width"), _SUBJECT,
         _LENGTH),
    ),
    "move_anything": Starter(
        "a thing of a picture moved as boxes say", "move_anything",
        (_PICTURE, _PROMPT, _FIRST, *_BOXES, _LENGTH),
    ),
    "composition": Starter(
        "your subject inside a region, shaped by the input's depth", "R2V + depth + inpainting",
        (_INPUT, _PROMPT, _SUBJECT, ("controls: depth", "acts inside the mask"),
         ("mask: mask.png", "white = made anew, black = kept")),
    ),
}  # fmt: skip
"""By VACE's name of the task."""

OTHER_NAMES = {
    "text": "T2V",
    "reference": "R2V",
    "references": "R2V",
    "V2V": "depth",
    "MV2V": "mask",
    "inpainting": "mask",
    "outpaint": "outpainting",
    "extension": "firstframe",
    "keyframes": "framerefext",
    **{f"inpainting_{mode}": mode for mode in MASKS},
}
"""The paper's groups, and what people call these tasks."""


def starter(name: str) -> str:
    """The recipe as text; RecipeError with the nearest name."""
    names = {known.lower(): known for known in STARTERS}
    names |= {other.lower(): known for other, known in OTHER_NAMES.items()}
    task = names.get(name.lower())
    if task is None:
        known = [*STARTERS, *OTHER_NAMES]
        raise RecipeError(f"{unknown_word(name, 'task', known)}; `vacestream tasks` lists them")
    return "\n".join(_text(task, STARTERS[task])) + "\n"


def _text(task: str, made: Starter) -> Iterator[str]:
    """Comments begin in one column."""
    yield f"# {task}: {made.summary}."
    yield "# `vacestream preview` shows what the model will get, `vacestream render` makes the video."
    lines = ("version: 1", ""), *made.lines, (f"expect: {made.expect}", _EXPECT), *_LEFT_OUT
    width = min(WIDEST, 2 + max(len(text) for text, _ in lines))
    for text, says in lines:
        line = f"{text + '  ':<{width}}# {says}" if says else text
        yield line if len(line) <= LONGEST else f"# {says}\n{text}"


_EXPECT = "the task you mean: checked, changes nothing"
_LEFT_OUT = (
    ("# pipeline: longlive-1.3b", "else sprites, the tiny embedded model"),
    ("# context_scale: 1.0", "0.0 to 2.0: how strongly all of this acts"),
    ("# seed: 0", "the noise: one seed, one video"),
    ("# output: {path: out.mp4, save: sheet}", "with a contact sheet beside the video"),
)
"""What a recipe may say and need not."""
