"""What contradicts itself in a recipe, refused with a remedy; from the text alone, nothing is opened."""

from fractions import Fraction

from vacestream.errors import RecipeError
from vacestream.footage import named_media
from vacestream.recipe import Control, Mask, Recipe, Time
from vacestream.recipe.text import Key
from vacestream.recipe.values import is_still, media_kind
from vacestream.references import refers
from vacestream.ways import endless, why_not_live, why_not_render

ONE_FRAME = Time(Fraction(1), "f")


def refuse_contradictions(recipe: Recipe) -> None:
    """Refuse idle inputs and streams, missing inputs and lengths, two things at one frame."""
    _refuse_stdin(recipe)
    _refuse_idle_input(recipe)
    _refuse_without_input(recipe)
    _refuse_idle_streams(recipe)
    _refuse_idle_guidance(recipe)
    _refuse_two_mask_times(recipe)
    _refuse_length(recipe)
    _refuse_two_at_once(recipe)
    _refuse_neither_way(recipe)


def _refuse_stdin(recipe: Recipe) -> None:
    """Stdin is read once, from start to end, for the recipe or for the input."""
    named = [*named_media(recipe), *((("output", i, "audio"), o.audio) for i, o in enumerate(recipe.output))]
    for key, where in named:
        if where == "-" and key != ("input", "path"):
            raise recipe.error(key, "stdin is read for the input only; name a file here")
    if recipe.input is None or recipe.input.path != "-":
        return
    if recipe.origin(()) == "-:1":
        raise recipe.error(("input", "path"), "stdin holds the recipe already; put one of the two in a file")
    if recipe.input.at_end == "loop":
        what = "stdin cannot be looped; write it to a file first, or say `at_end: hold`"
        raise recipe.error(("input", "at_end"), what)


def own_footage(control: Control) -> bool:
    """Whether this control is made from the recipe's input."""
    return control.from_ is None and control.video is None and control.boxes is None


def _kept_whole(recipe: Recipe) -> bool:
    """Whether all that is seen of the input stays, so that a signal of it acts on nothing."""
    outside = recipe.outpaint is not None and not recipe.outpaint.inner
    return outside and not recipe.extend and not _masks(recipe)


def held_whole(recipe: Recipe) -> str | None:
    """The anchor that keeps every frame of the input, so that nothing else can act on them."""
    if not recipe.extend or not recipe.input:
        return None
    for name, where in recipe.extend.anchors.items():
        still = is_still(recipe.input.path) and recipe.input.at_end is None
        if where == "input" and (name.endswith("clip") or still):
            return name
    return None


def _masks(recipe: Recipe) -> list[Mask]:
    return [mask for mask in (recipe.mask, *(change.mask for change in recipe.timeline)) if mask]


def _controls(recipe: Recipe) -> list[Control]:
    return [control for _, control in _placed_controls(recipe)]


def _placed_controls(recipe: Recipe) -> list[tuple[Key, Control]]:
    """Every control, those of the timeline too, and its key."""
    placed: list[tuple[Key, Control]] = [
        (("controls", i), control) for i, control in enumerate(recipe.controls)
    ]
    for i, change in enumerate(recipe.timeline):
        placed += [
            (("timeline", i, "controls", j), control) for j, control in enumerate(change.controls or ())
        ]
    return placed


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
        or any(own_footage(control) or control.boxes for control in _controls(recipe))
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
    extend = recipe.extend
    asked: list[tuple[bool, Key, str]] = [
        (bool(_masks(recipe)), ("mask",), "keeps the input where it is black"),
        (recipe.outpaint is not None, ("outpaint",), "grows the canvas around the input"),
        (recipe.strength is not None, ("strength",), "starts from the input's pictures"),
        (recipe.fps == "source", ("fps",), "source is the rate of the input"),
    ]
    for i, change in enumerate(recipe.timeline):
        starts = change.strength is not None
        asked.append((starts, ("timeline", i, "strength"), "starts from the input's pictures"))
    for key, control in _placed_controls(recipe):
        asked.append((own_footage(control), (*key, "signal"), f"{control.signal} is made from the input"))
    for i, output in enumerate(recipe.output):
        asked.append((output.audio == "source", ("output", i, "audio"), "source is the sound of the input"))
    for name, where in extend.anchors.items() if extend else ():
        asked.append((where == "input", ("extend", name), "means the input"))
    for i, keyframe in enumerate(extend.keyframes if extend else ()):
        asked.append((keyframe.image == "input", ("extend", "keyframes", i), "means the input"))
    needs = [(key, what) for wanted, key, what in asked if wanted]
    if needs:
        key, what = needs[0]
        raise recipe.error(key, f"{what}, and there is none; add `input: FILE`{_other_way(key)}")


def _other_way(key: Key) -> str:
    return ", or bring the signal ready-made as `video: FILE`" if "controls" in key else ""


def _refuse_idle_streams(recipe: Recipe) -> None:
    """Controls and masks that act on no frame, boxes that nobody gives."""
    for key, control in _placed_controls(recipe):
        source = control.from_ or (recipe.input.path if recipe.input else "")
        if control.signal == "layout_bbox" and own_footage(control) and media_kind(source) != "sprites":
            raise recipe.error(
                key, "layout_bbox needs boxes; add `boxes: [{at: 0s, bbox: [x1, y1, x2, y2]}]`"
            )
    for key, control in _placed_controls(recipe):
        if _kept_whole(recipe) and own_footage(control):
            raise recipe.error(
                key,
                f"{control.signal} of the input acts nowhere: `outpaint` keeps all of it;"
                " make it from other footage with `from: FILE`, or leave it out",
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


def _refuse_two_mask_times(recipe: Recipe) -> None:
    """Masks of one video that are told to its latents in two ways."""
    first = recipe.mask
    for i, change in enumerate(recipe.timeline):
        mask = change.mask
        if mask is None or mask.mask == "none":
            continue
        first = first or mask
        if mask.time != first.time:
            what = f"{mask.time} is one way and {first.time}, of the mask before, another; write it the same"
            raise recipe.error(("timeline", i, "mask", "time"), what)


def _refuse_idle_guidance(recipe: Recipe) -> None:
    """Reference guidance where no reference ever acts."""
    changed = [(("timeline", i, "vace"), one.vace) for i, one in enumerate(recipe.timeline) if one.vace]
    for key, vace in [(("vace",), recipe.vace), *changed]:
        if vace.reference_guidance != 1 and not refers(recipe):
            what = "acts where references do, and none do; add `references: FILE`, or leave it out"
            raise recipe.error((*key, "reference_guidance"), what)
        if vace.precision is not None and key != ("vace",):
            raise recipe.error((*key, "precision"), "holds for the whole video; say it outside the timeline")


def _refuse_length(recipe: Recipe) -> None:
    """A length that nothing gives, or that passes the input."""
    given = _text_length(recipe)
    ends = [name for name in ("lastframe", "lastclip") if recipe.extend and name in recipe.extend.anchors]
    runs_on = recipe.length is None and recipe.input is not None and endless(recipe.input.path)
    if ends and (recipe.length == "endless" or runs_on):
        raise recipe.error(
            ("extend", ends[0]), "an endless video has no end; give `length:` a time, or leave it out"
        )
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
        return
    if recipe.input is None or recipe.input.at_end or recipe.extend or endless(recipe.input.path):
        return
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
    if recipe.input is None:
        return None
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


def _refuse_neither_way(recipe: Recipe) -> None:
    """A recipe that suits neither render nor live."""
    render, live = why_not_render(recipe), why_not_live(recipe)
    if render and live:
        raise recipe.error(live[0], f"{live[1]}; and {'.'.join(map(str, render[0]))} is for live only")
