"""`mode`, `steps`, `guidance_scale`, `negative_prompt` -> the row as it is run; refused where it cannot."""

from dataclasses import replace

from vacestream.pipelines import PipelineSpec
from vacestream.recipe import Recipe
from vacestream.recipe.text import Key
from vacestream.references import placed_references
from vacestream.timeline import num_latents


def as_asked(recipe: Recipe, spec: PipelineSpec) -> PipelineSpec:
    """The row with what the recipe says about sampling."""
    if recipe.mode == "batch" or not spec.streams:
        return _whole(recipe, spec)
    for name in ("guidance_scale", "negative_prompt"):
        if getattr(recipe, name) != getattr(type(recipe)(), name):
            raise recipe.error((name,), f"{spec.name} has its guidance in its weights; {_elsewhere(spec)}")
    _refuse_changes(recipe, spec)
    if recipe.step_batch:
        if spec.step_batch is None:
            what = f"in {spec.name} a chunk needs what is written when the one before is done; leave it out"
            raise recipe.error(("step_batch",), what)
        spec = replace(spec, step_batch=True)
    if recipe.steps is None:
        return spec
    return _stepped(recipe, spec, recipe.steps, from_source=recipe.strength is not None)


def as_long(recipe: Recipe, spec: PipelineSpec, num_frames: int | None) -> PipelineSpec:
    """The row for a clip of so many frames, where it makes the whole at once."""
    if spec.whole is None:
        return spec
    most = spec.whole.max_frames
    if num_frames is None:
        if recipe.length == "endless":
            raise recipe.error(("length",), f"{spec.name} makes whole clips; write `length: {most}f`")
        return spec
    if num_frames > most:
        what = f"{num_frames} frames are more than the {most} that {spec.name} makes at once"
        raise recipe.error(("length",), f"{what}; shorten it, or use a row that streams")
    return spec.whole_clip(num_latents(num_frames))


def _whole(recipe: Recipe, spec: PipelineSpec) -> PipelineSpec:
    """The row as it makes a whole clip at once."""
    if spec.batch is None:
        raise recipe.error(("mode",), f"{spec.name} was made for streaming; use `pipeline: wan2.1-1.3b`")
    if recipe.step_batch:
        raise recipe.error(("step_batch",), "a whole clip at once is one chunk; leave it out")
    if recipe.mode == "stream":
        raise recipe.error(("mode",), f"{spec.name} does not stream; leave it out, or write `mode: batch`")
    for i, change in enumerate(recipe.timeline):
        for name in {"steps", "strength", "guidance_scale", "negative_prompt"} & set(change.changed):
            what = "a whole clip is made in one way; say it outside the timeline"
            raise recipe.error(("timeline", i, name), what)
    if recipe.strength is not None:
        raise recipe.error(("strength",), "a whole clip at once starts from noise; leave `mode: batch` out")
    for key, reference in placed_references(recipe):
        if reference.scale not in (0, 1):
            what = "references are among the frames of a whole clip, where none is scaled alone; leave it out"
            raise recipe.error((*key, "scale"), what)
    batch = spec.batch
    batch = replace(
        batch,
        steps=batch.steps if recipe.steps is None else recipe.steps,
        guidance=batch.guidance if recipe.guidance_scale is None else recipe.guidance_scale,
    )
    if recipe.negative_prompt and batch.guidance == 1:
        raise recipe.error(
            ("negative_prompt",), "acts only through guidance; add `guidance_scale: 5`, or leave it out"
        )
    return replace(spec, batch=batch).whole_clip(batch.max_latents)


def stepped(spec: PipelineSpec, count: int, *, from_source: bool) -> PipelineSpec:
    """A streaming row with another number of steps; ValueError, with what to write, where it has none."""
    known = (*(spec.source_steps or ()), *spec.spare_steps)
    if spec.spare_steps and from_source:
        if count > len(known):
            what = f"{spec.name} knows {len(known)} steps from an input; write 1 to {len(known)}"
            raise ValueError(what)
        return replace(spec, source_steps=known[:count])
    if spec.free_steps is None:
        raise ValueError(f"{spec.name} was made for its {len(spec.steps)} steps; {_elsewhere(spec)}")
    if spec.free_steps == "to_zero" and count < 2:
        raise ValueError(f"{spec.name} takes at least 2, of which the last is clean; write 2 or more")
    last = count - 1 if spec.free_steps == "to_zero" else count
    return replace(spec, steps=tuple(float(1000 * (last - i) // last) for i in range(count)))


def _stepped(
    recipe: Recipe, spec: PipelineSpec, count: int, *, key: Key = ("steps",), from_source: bool
) -> PipelineSpec:
    try:
        return stepped(spec, count, from_source=from_source)
    except ValueError as error:
        raise recipe.error(key, str(error)) from error


def _refuse_changes(recipe: Recipe, spec: PipelineSpec) -> None:
    """Changes of the timeline that a streaming row cannot follow."""
    strength = recipe.strength
    for i, change in enumerate(recipe.timeline):
        key: Key = ("timeline", i)
        strength = change.strength if "strength" in change.changed else strength
        for name in ("guidance_scale", "negative_prompt"):
            if getattr(change, name) is not None:
                raise recipe.error((*key, name), f"{spec.name} has its guidance in its weights; leave it out")
        if change.steps is not None:
            _stepped(recipe, spec, change.steps, key=(*key, "steps"), from_source=strength is not None)
        if change.switch == "keep" and spec.recompute_latents:
            what = f"{spec.name} makes its memory again before every chunk; leave it out, or write recache"
            raise recipe.error((*key, "switch"), what)
        if change.switch == "recache" and spec.recache == "none" and not spec.recompute_latents:
            what = f"{spec.name} was made to keep what it remembers; leave it out, or add `cut: true`"
            raise recipe.error((*key, "switch"), what)


def _elsewhere(spec: PipelineSpec) -> str:
    return "leave it out, or write `mode: batch`" if spec.batch else "leave it out"
