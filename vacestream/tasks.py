"""A recipe -> the task that it asks for, as the table of inference says; from the text alone."""

from difflib import get_close_matches

from vacestream.contradictions import refuse_contradictions
from vacestream.recipe import Extend, Recipe

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


def infer(recipe: Recipe) -> str:
    """The task, such as `R2V + depth`; refuses a recipe that contradicts itself."""
    refuse_contradictions(recipe)
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


def _anchor_terms(extend: Extend) -> list[str]:
    names = set(extend.anchors)
    terms = []
    for kind in ("frame", "clip"):
        both = {f"first{kind}", f"last{kind}"}
        terms += [f"firstlast{kind}"] if both <= names else sorted(both & names)
    return terms or ["keyframes"]


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
