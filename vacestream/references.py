"""Every reference that a recipe ever shows, and its key."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vacestream.recipe import Recipe, Reference
    from vacestream.recipe.text import Key


def refers(recipe: "Recipe") -> bool:
    """Whether a reference acts at some time."""
    heard = recipe.context_scale or any(change.context_scale for change in recipe.timeline)
    return bool(heard) and any(reference.scale for _, reference in placed_references(recipe))


def placed_references(recipe: "Recipe") -> "list[tuple[Key, Reference]]":
    """The references of a recipe, those of the timeline too."""
    found: list[tuple[Key, Reference]] = [(("references", i), one) for i, one in enumerate(recipe.references)]
    for i, change in enumerate(recipe.timeline):
        found += [(("timeline", i, "references", j), one) for j, one in enumerate(change.references or ())]
    return found
