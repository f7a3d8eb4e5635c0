"""A recipe and its row -> how often the model is called for a chunk, by what each call is for (no torch)."""

from vacestream.pipelines import PipelineSpec
from vacestream.recipe import Recipe, Vace


def calls(recipe: Recipe, spec: PipelineSpec) -> dict[str, int]:
    """The most calls that a chunk takes; a step batch makes one of all that are in flight."""
    steps = spec.num_steps
    if not spec.whole and recipe.strength is not None:
        steps = len(spec.source_steps or spec.steps)
    steps = max([steps, *(change.steps or 0 for change in recipe.timeline)])
    guided = any(vace.reference_guidance != 1 for vace in _choices(recipe))
    denoise = 1 if spec.step_batch else steps
    found = {
        "denoise": denoise,
        "negative_prompt": denoise * spec.is_guided,
        "without_references": denoise * guided,
        "recompute": int(bool(spec.recompute_latents)),
        "commit": int(spec.commit_pass and not spec.whole),
    }
    return {what: count for what, count in found.items() if count}


def _choices(recipe: Recipe) -> list[Vace]:
    """The method's choices, those of the timeline too."""
    return [recipe.vace, *(change.vace for change in recipe.timeline if change.vace)]
