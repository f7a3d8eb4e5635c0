"""`vacestream plan`: what render would do, in numbers."""

import json as json_text
from typing import TYPE_CHECKING, Annotated

import typer

from vacestream.cli.options import (
    DebugOption,
    InputOption,
    JsonOption,
    NoMediaOption,
    OutputOption,
    Recipes,
    SetOption,
    summary,
    told_bytes,
)
from vacestream.cli.options import load as load_all

if TYPE_CHECKING:
    from vacestream.estimates import Estimate
    from vacestream.plan import Plan

MAX_ROWS = 12
"""Chunks shown in full; of more, the first and the last few."""


def plan(
    recipes: Recipes,
    input_: InputOption = None,
    output: OutputOption = None,
    sets: SetOption = None,
    no_media: NoMediaOption = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show where each value comes from.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what render would do: task, chunks, memory, files. Loads nothing."""
    from vacestream.plan import make_plan
    from vacestream.targets import refuse_shared

    plans = [make_plan(recipe, media=not no_media) for recipe in load_all(recipes, input_, output, sets)]
    refuse_shared([(made.recipe, made.outputs) for made in plans])
    show_plans(plans, explain=explain, json=json)


def show_plans(plans: "list[Plan]", *, explain: bool, json: bool) -> None:
    """Plans on stdout: for people, or as one document."""
    from vacestream.estimates import estimate

    if json:
        documents = [
            {
                **made.to_dict(),
                "estimates": estimate(made).to_dict(),
                **({"origins": origins(made)} if explain else {}),
            }
            for made in plans
        ]
        print(json_text.dumps(documents[0] if len(documents) == 1 else documents, indent=2))
        return
    for made in plans:
        print("\n".join([summary(made), *_lines(made, estimate(made))]))
        if explain:
            rows = [(key, *row) for key, row in origins(made).items()]
            width = max(len(key) for key, _, _ in rows)
            print("\n".join(f"  {key:<{width}}  {value}  ({origin})" for key, value, origin in rows))


def origins(made: "Plan") -> dict[str, tuple[str, str]]:
    """Every value of a plan, and where it comes from: a line, an option, a default, a file."""
    rows: dict[str, tuple[str, str]] = {}
    said = made.recipe.resolved()
    for key, default in made.recipe.model_dump(mode="json", exclude_defaults=False).items():
        value, origin = said.get(key, default), ", ".join(made.recipe.origins((key,)))
        if origin or default is not None:
            rows[key] = (
                json_text.dumps(value) if isinstance(value, list | dict) else str(value),
                origin or "default",
            )
    derived = {
        "size": made.size and f"{made.size[1]}x{made.size[0]}",
        "fps": made.fps,
        "num_frames": made.num_frames,
    }
    for key, number in derived.items():
        if key in made.why:
            rows[f"-> {key}"] = str(number), made.why[key]
    rows["-> steps"] = ", ".join(f"{step:g}" for step in made.spec.steps), f"pipeline {made.spec.name}"
    rows["-> dtype"] = made.dtype, f"precision {made.recipe.precision} on device {made.device}"
    return rows


def _lines(made: "Plan", cost: "Estimate") -> list[str]:
    lines = [f"  {name:<14} {value}" for name, value in (*_facts(made), *_costs(cost))]
    lines += [f"  not built yet: {note}" for note in made.notes]
    return [*lines, *_table(made)]


def _facts(made: "Plan") -> list[tuple[str, str]]:
    from vacestream.calls import calls

    facts = [("rate", f"{made.fps} fps" if made.fps else "the input's")]
    if made.num_frames and made.fps:
        facts.append(("time", f"{float(made.num_frames / made.fps):.2f} s"))
    passes = calls(made.recipe, made.spec)
    what = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in passes.items())
    facts.append(("calls", f"{sum(passes.values())} of the model a chunk: {what}"))
    contexts = made.num_contexts
    facts += [("context", f"{contexts} pass{'es' * (contexts > 1)} of VACE's blocks a call")] * bool(contexts)
    facts += [("signal", f"{signal}: {words}") for signal, words in made.makers]
    facts += [("reference", f"{image}: {words}") for image, words in made.reference_makers]
    facts += [("mask", made.region_maker)] if made.region_maker else []
    facts += [("outpaint", f"input {made.framing}")] if made.framing else []
    for anchor in made.anchors:
        frames = (
            f"frame {anchor.start}"
            if anchor.stop - anchor.start == 1
            else f"frames {anchor.start}..{anchor.stop - 1}"
        )
        facts.append((anchor.name, f"{anchor.where} at {frames}"))
    for switch in made.switches:
        at = f"frame {switch.frame} (chunk {switch.chunk}), asked for frame {switch.at}"
        facts.append(("switch", f"{', '.join(switch.keys)} at {at}"))
    if made.recipe.reanchor:
        facts.append(("reanchor", _reanchored(made)))
    if needs := made.memory:
        parts = {name: count for name, count in needs.held.items() if count}
        facts.append(("tokens", f"{made.tokens_per_latent} a latent"))
        facts += [(name.replace("_", " "), _bytes(count)) for name, count in parts.items()]
        facts.append(("total", f"{_bytes(needs.total)} in {made.dtype}, without activations"))
        stages = ", ".join(f"{name} {_bytes(count)}" for name, count in needs.stages.items() if count)
        facts.append(("peak", f"about {_bytes(needs.peak)}; by stage: {stages}"))
    return facts + [("also", path) for target in made.outputs for _, path in target.saves]


def _reanchored(made: "Plan") -> str:
    """How often the attention sink is made anew, of what, and at which frames."""
    assert made.recipe.reanchor
    every, source = made.reanchored_every, made.recipe.reanchor.from_
    said = f"every {every} chunks, from {source}"
    if made.num_frames is None:
        return said
    frames = [f"{chunk.start}" for chunk in made.chunks() if chunk.index and not chunk.index % every]
    return f"{said}: at frames {', '.join(frames[:MAX_ROWS])}{', ...' if len(frames) > MAX_ROWS else ''}"


def _costs(cost: "Estimate") -> list[tuple[str, str]]:
    """Time, disk and downloads, as far as they are known."""
    takes = "unknown until a render like it is done here"
    if cost.pace and cost.seconds is not None:
        takes = f"about {cost.seconds:.0f} s, as the last render like it ({cost.pace.num_frames} frames)"
    costs = [("takes", takes)]
    if cost.num_bytes:
        costs.append(("disk", f"about {told_bytes(cost.num_bytes)}, an estimate"))
    for need in cost.downloads:
        size = "size not published" if need.num_bytes is None else told_bytes(need.num_bytes)
        file = need.part.files[0]
        costs.append(("download", f"{need.name}: {file.path} of {file.repo}, {size}, {need.part.licence}"))
    return costs


def _table(made: "Plan") -> list[str]:
    if made.num_frames is None:
        return []
    num_chunks = made.num_chunks or 0
    rows = ["  chunk   frames       latents"]
    for chunk in made.chunks():
        if num_chunks > MAX_ROWS and MAX_ROWS // 2 < chunk.index < num_chunks - 3:
            rows += ["  ..."] if rows[-1] != "  ..." else []
            continue
        last = min(chunk.stop, made.num_frames) - 1
        crop = f"  ({chunk.stop - made.num_frames} made past the end)" if chunk.stop > made.num_frames else ""
        latents = f"{chunk.first_latent}..{chunk.first_latent + chunk.num_latents - 1}"
        rows.append(f"  {chunk.index:<7} {f'{chunk.start}..{last}':<12} {latents}{crop}")
    return rows


def _bytes(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.2f} MiB"
