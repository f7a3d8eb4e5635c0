"""A recipe -> the model files that it needs: its pipeline's, and its signals' and masks' nets."""

from collections.abc import Iterator

from vacestream.recipe import Recipe
from vacestream.references import placed_references
from vacestream.weights import CONTEXT, EMBEDDED, SMALL_VAES, Part, model, refuse_missing

CONTEXT_KEYS = ("references", "controls", "mask", "outpaint", "extend")
"""Keys of a recipe that act through VACE's blocks."""


def parts_left_out(recipe: Recipe) -> tuple[str, ...]:
    """Parts of its pipeline that the recipe has no use for."""
    asked = any(getattr(one, key, None) for one in (recipe, *recipe.timeline) for key in CONTEXT_KEYS)
    asked &= "own" in {recipe.vace.adapter, *(one.vace.adapter for one in recipe.timeline if one.vace)}
    whole_vae = "wan" in recipe.vae.kinds.values()
    return (() if asked else (CONTEXT,)) + (() if whole_vae else ("vae",))


def quantized(recipe: Recipe) -> dict[str, str]:
    """The weights, of base, context and text encoder, that become int8 or fp8."""
    context = recipe.vace.precision or recipe.precision
    asked = {"base": recipe.precision, "context": context, "text": recipe.text_encoder}
    return {role: kind for role, kind in asked.items() if kind in ("int8", "fp8")}


def refuse_foreign_vae(recipe: Recipe) -> None:
    """Refuse a VAE of Wan's latents for a pipeline whose latents are its own."""
    if recipe.pipeline in EMBEDDED and recipe.vae != type(recipe.vae)():
        raise recipe.error(("vae",), f"{recipe.pipeline} has a VAE of its own; leave `vae:` out")


def parts_needed(recipe: Recipe) -> dict[tuple[str, str], Part]:
    """(model, part) -> its files, of all that is loaded for the recipe and does not come with the package."""
    vaes = (SMALL_VAES[kind] for kind in recipe.vae.kinds.values() if kind in SMALL_VAES)
    names = dict.fromkeys([*vaes, *_nets(recipe)])
    found = {(name, key): part for name in names for key, part in model(name).parts.items()}
    if recipe.pipeline in EMBEDDED:
        return found
    left_out = parts_left_out(recipe)
    parts = model(recipe.pipeline).parts
    return {(recipe.pipeline, key): parts[key] for key in parts if key not in left_out} | found


def refuse_missing_nets(recipe: Recipe) -> None:
    """ModelError for every net that the recipe ever asks for and that is not here."""
    refuse_missing(dict.fromkeys(_nets(recipe)))


def _nets(recipe: Recipe) -> Iterator[str]:
    """Annotators' nets, in the order in which the recipe asks for them."""
    from vacestream.annotators.options import asked, asked_picture, asked_region
    from vacestream.changes import streams
    from vacestream.signals import maker

    for control in streams(recipe):
        if maker(recipe, control).kind == "annotated":
            found = asked_region(control.track) if control.track else asked(control)
            yield from found[0].weights
    for mask in (recipe.mask, *(change.mask for change in recipe.timeline)):
        if mask:
            yield from asked_region(mask)[0].weights
    for _, reference in placed_references(recipe):
        yield from asked_picture(reference)[0].weights
