"""A recipe -> the task it asks for, or what contradicts itself in it; from the text alone."""

from difflib import get_close_matches
from fractions import Fraction

from vacestream.errors import RecipeError
from vacestream.recipe import Control, Recipe, Time
from vacestream.recipe.masks import Mask
from vacestream.recipe.parts import Extend
from vacestream.recipe.text import Key
from vacestream.recipe.values import is_still, media_kind

ALIASES: dict[str, tuple[frozenset[str], ...]] = {
    "reference_anything": (frozenset({"R2V"}),),
    "image_reference": (frozenset({"R2V"}),),
    "animate_anything": (frozenset({"R2V", "pose"}),),
    "swap_anything": (frozenset({"R2V", "inpainting"}),),
    "move_anything": (frozenset({"layout_bbox", "firstframe"}),),
    "expand_anything": (
        frozenset({"outpainting", "firstframe"}),
        frozenset({"R2V", "outpainting", "firstframe"}),
    ),
    "frameref": tuple(frozenset({name}) for name in ("firstframe", "lastframe", "firstlastframe")),
    "clipref": tuple(frozenset({name}) for name in ("firstclip", "lastclip", "firstlastclip")),
}
"""VACE's names of tasks -> the terms that they stand for."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "V2V": ("V2V", "depth", "depthv2", "pose", "pose_body", "flow", "scribble", "canny", "gray",
            "layout_bbox", "layout_track", "plain"),
    "MV2V": ("inpainting", "outpainting", "firstframe", "lastframe", "firstlastframe", "firstclip",
             "lastclip", "firstlastclip", "keyframes"),
}  # fmt: skip
"""The paper's names of groups of tasks."""

TERMS = ("T2V", "R2V", *FAMILIES["V2V"], *FAMILIES["MV2V"])

ONE_FRAME = Time(Fraction(1), "f")
_DEVICES = ("camera", "screen")


def infer(recipe: Recipe) -> str:
    """The task, such as `R2V + depth`; refuses a recipe that contradicts itself."""
    if recipe.input and recipe.input.path == "-" and recipe.origin(()) == "-:1":
        raise recipe.error(("input", "path"), "stdin holds the recipe already; put one of the two in a file")
    _refuse_idle_input(recipe)
    _refuse_without_input(recipe)
    _refuse_idle_streams(recipe)
    _refuse_length(recipe)
    _refuse_two_at_once(recipe)
    terms = terms_of(recipe)
    if terms == ["T2V"] and not recipe.prompt and not any(change.prompt for change in recipe.timeline):
        raise recipe.error((), "says nothing to show; add `prompt:`")
    _refuse_unexpected(recipe, terms)
    return " + ".join(terms)


def terms_of(recipe: Recipe) -> list[str]:
    """The terms of the task, in the order in which they are said."""
    terms = ["R2V"] if recipe.references else []
    terms += ["V2V"] if recipe.strength is not None else []
    terms += dict.fromkeys(control.signal for control in recipe.controls)
    terms += ["inpainting"] if recipe.mask else []
    terms += ["outpainting"] if recipe.outpaint else []
    if recipe.extend:
        terms += _anchor_terms(recipe.extend)
    return terms or ["T2V"]


def why_not_render(recipe: Recipe) -> tuple[Key, str] | None:
    """Why this recipe only suits `live`: the key, and what to write instead."""
    if recipe.length == "endless":
        return ("length",), "endless is for `vacestream live`; write a length such as 8s to render a file"
    kind = media_kind(recipe.input.path) if recipe.input else "file"
    if kind in _DEVICES:
        return ("input", "path"), "a device is for `vacestream live`; name a file to render"
    if kind in ("sprites", "test") and recipe.length is None:
        return ("input", "path"), "has no end; add `length:`, such as `length: 8s`"
    for i, output in enumerate(recipe.output):
        if output.kind in ("camera", "url"):
            return ("output", i, "path"), "a device or stream is for `vacestream live`; name a file to render"
    return None


def why_not_live(recipe: Recipe) -> tuple[Key, str] | None:
    """Why this recipe only suits `render`: the key, and what to write instead."""
    if recipe.mode == "batch":
        return ("mode",), "batch makes the whole clip at once; leave it out to run live"
    for i, output in enumerate(recipe.output):
        if output.path and is_still(output.path):
            return ("output", i, "path"), "a still is not live; name a video, a camera or a stream"
    return None


def endless(where: str) -> bool:
    """Whether this source gives frames for as long as somebody reads."""
    return media_kind(where) in ("sprites", "test", "camera", "screen")


def own_footage(control: Control) -> bool:
    """Whether this control is made from the recipe's input."""
    return control.from_ is None and control.video is None and control.boxes is None


def held_whole(recipe: Recipe) -> str | None:
    """The anchor that keeps every frame of the input, so that nothing else can act on them."""
    if not recipe.extend or not recipe.input:
        return None
    for name, where in recipe.extend.anchors.items():
        still = is_still(recipe.input.path) and recipe.input.at_end is None
        if where == "input" and (name.endswith("clip") or still):
            return name
    return None


def _anchor_terms(extend: Extend) -> list[str]:
    names = set(extend.anchors)
    terms = []
    for kind in ("frame", "clip"):
        both = {f"first{kind}", f"last{kind}"}
        terms += [f"firstlast{kind}"] if both <= names else sorted(both & names)
    return terms or ["keyframes"]


def _masks(recipe: Recipe) -> list[Mask]:
    return [mask for mask in (recipe.mask, *(change.mask for change in recipe.timeline)) if mask]


def _controls(recipe: Recipe) -> list[Control]:
    return [*recipe.controls, *(control for change in recipe.timeline for control in change.controls or ())]


def _refuse_idle_input(recipe: Recipe) -> None:
    if recipe.input is None:
        return
    anchors = [] if recipe.extend is None else [*recipe.extend.anchors.values()]
    anchors += [] if recipe.extend is None else [keyframe.image for keyframe in recipe.extend.keyframes]
    used = (
        recipe.outpaint is not None
        or recipe.strength is not None
        or any(change.strength is not None for change in recipe.timeline)
        or bool(_masks(recipe))
        or any(own_footage(control) for control in _controls(recipe))
        or "input" in anchors
        or any(output.audio == "source" for output in recipe.output)
    )
    if not used:
        raise recipe.error(
            ("input",),
            "nothing uses it; add `strength: 0.6` or `controls: [depth]` to go from its pictures,"
            " `mask:` to change a part, or `output: {audio: source}` for its sound; or leave it out",
        )


def _refuse_without_input(recipe: Recipe) -> None:
    if recipe.input is not None:
        return
    needs: list[tuple[Key, str]] = [
        *((("mask",), "keeps the input where it is black") for _ in _masks(recipe)[:1]),
        *((("outpaint",), "grows the canvas around the input") for _ in range(recipe.outpaint is not None)),
        *((("strength",), "starts from the input's pictures") for _ in range(recipe.strength is not None)),
        *((("fps",), "source is the rate of the input") for _ in range(recipe.fps == "source")),
    ]
    for i, control in enumerate(recipe.controls):
        if own_footage(control):
            needs.append((("controls", i, "signal"), f"{control.signal} is made from the input"))
    for i, output in enumerate(recipe.output):
        if output.audio == "source":
            needs.append((("output", i, "audio"), "source is the sound of the input"))
    anchors = recipe.extend.anchors if recipe.extend else {}
    needs += [(("extend", name), "means the input") for name, where in anchors.items() if where == "input"]
    keyframes = recipe.extend.keyframes if recipe.extend else ()
    needs += [
        (("extend", "keyframes", i), "means the input") for i, k in enumerate(keyframes) if k.image == "input"
    ]
    if needs:
        key, what = needs[0]
        raise recipe.error(key, f"{what}, and there is none; add `input: FILE`{_other_way(key)}")


def _other_way(key: Key) -> str:
    return ", or bring the signal ready-made as `video: FILE`" if key[0] == "controls" else ""


def _refuse_idle_streams(recipe: Recipe) -> None:
    """Controls and masks that act on no frame, boxes that nobody gives."""
    for i, control in enumerate(recipe.controls):
        source = control.from_ or (recipe.input.path if recipe.input else "")
        if control.signal == "layout_bbox" and own_footage(control) and media_kind(source) != "sprites":
            raise recipe.error(
                ("controls", i), "layout_bbox needs boxes; add `boxes: [{at: 0s, bbox: [x1, y1, x2, y2]}]`"
            )
    if (anchor := held_whole(recipe)) is None:
        return
    why = f"acts on no frame: `extend: {{{anchor}: input}}` keeps every frame of the input"
    for i, control in enumerate(recipe.controls):
        if own_footage(control):
            raise recipe.error(
                ("controls", i), f"{why}; make it from other footage with `from: FILE`, or leave it out"
            )
    if recipe.mask:
        raise recipe.error(("mask",), f"{why}; leave the mask or the anchor out")
    if recipe.strength is not None:
        raise recipe.error(("strength",), f"{why}; leave one of the two out")


def _refuse_length(recipe: Recipe) -> None:
    """A length that nothing gives, or that passes the input."""
    if recipe.length is None:
        if anchor := held_whole(recipe):
            raise recipe.error(
                ("extend", anchor), "leaves nothing to make; add `length:`, such as `length: 10s`"
            )
        if recipe.input is None and not any(
            _has_end(control.from_ or control.video) for control in recipe.controls
        ):
            raise no_length(recipe)
        return
    if recipe.length == "endless":
        ends = [name for name in ("lastframe", "lastclip") if recipe.extend and name in recipe.extend.anchors]
        if ends:
            raise recipe.error(
                ("extend", ends[0]), "an endless video has no end; give `length:` a time, or leave it out"
            )
        return
    if recipe.input is None or recipe.input.at_end or recipe.extend or endless(recipe.input.path):
        return
    given = _text_length(recipe)
    if given and given.unit == recipe.length.unit and recipe.length.amount > given.amount:
        raise recipe.error(
            ("length",), f"{recipe.length} passes the input, which lasts {given}; {hold_or_shorten()}"
        )
    if is_still(recipe.input.path) and recipe.length != ONE_FRAME:
        raise recipe.error(
            ("length",), f"{recipe.length} passes the input, a picture of one frame; write"
            f" `input: {{path: {recipe.input.path}, at_end: hold}}`, or `extend: {{firstframe: input}}`",
        )  # fmt: skip


def no_length(recipe: Recipe) -> RecipeError:
    """The refusal of a video that could go on for ever."""
    return recipe.error(
        (), "nothing gives the length; add `length: 8s`, or `length: endless` for `vacestream live`"
    )


def _has_end(where: str | None) -> bool:
    return where is not None and not endless(where) and not is_still(where)


def hold_or_shorten() -> str:
    """The remedy for a length that passes its footage."""
    return "shorten it, or add `at_end: loop`, `hold` or `free` to the input"


def _text_length(recipe: Recipe) -> Time | None:
    """What start and end say about the input's length."""
    assert recipe.input is not None
    start, end = recipe.input.start, recipe.input.end
    if end is None or (start and start.unit != end.unit):
        return None
    if start and start.amount >= end.amount:
        raise recipe.error(("input", "end"), f"{end} is not after the start, {start}; write a later end")
    return Time(end.amount - (start.amount if start else 0), end.unit)


def _refuse_two_at_once(recipe: Recipe) -> None:
    """Two anchors, or two changes, at one moment."""
    changes: set[Time] = set()
    for i, change in enumerate(recipe.timeline):
        if change.at in changes:
            raise recipe.error(
                ("timeline", i, "at"), f"{change.at} has a change already; join the two into one"
            )
        changes.add(change.at)
    if recipe.extend is None:
        return
    first = next((name for name in ("firstframe", "firstclip") if name in recipe.extend.anchors), None)
    taken: dict[Time, str] = {}
    for i, keyframe in enumerate(recipe.extend.keyframes):
        at, key = keyframe.at, ("extend", "keyframes", i, "at")
        other = first if not at.amount else taken.get(at)
        if other:
            raise recipe.error(key, f"{at} has {other} already: two things at one frame; move or drop one")
        taken[at] = "a keyframe"
        length = recipe.length
        if isinstance(length, Time) and length.unit == at.unit and at.amount >= length.amount:
            raise recipe.error(
                key, f"{at} is past the end, {length}; write an earlier moment or a longer length"
            )


def _refuse_unexpected(recipe: Recipe, terms: list[str]) -> None:
    if recipe.expect is None:
        return
    wanted = [term.strip() for term in recipe.expect.split("+")]
    if len(wanted) == 1 and wanted[0] in ALIASES:
        if frozenset(terms) in ALIASES[wanted[0]]:
            return
        meant = " or ".join(" + ".join(term for term in TERMS if term in one) for one in ALIASES[wanted[0]])
        raise recipe.error(
            ("expect",), f"{wanted[0]} is {meant}, and this recipe is {' + '.join(terms)}; {_mend()}"
        )
    for term in wanted:
        if term not in TERMS and term not in FAMILIES:
            near = get_close_matches(term, (*TERMS, *FAMILIES, *ALIASES), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"write {' + '.join(terms)!r}"
            raise recipe.error(("expect",), f"{term[:40]!r} is not a task; {hint}")
    left = list(terms)
    for term in sorted(wanted, key=lambda term: term in FAMILIES):
        match = [own for own in left if own == term or (term in FAMILIES and own in FAMILIES[term])]
        if not match:
            break
        left = [own for own in left if own not in match]
    else:
        if not left:
            return
    raise recipe.error(
        ("expect",), f"you mean {recipe.expect}, and this recipe is {' + '.join(terms)}; {_mend()}"
    )


def _mend() -> str:
    return "add or leave out what differs, or correct `expect:`"
