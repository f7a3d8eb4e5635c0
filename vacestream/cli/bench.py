"""`vacestream bench`: how fast a stream is, and what it holds, stage by stage."""

import json as json_text
from typing import Annotated

import typer

from vacestream.cli.options import DebugOption, JsonOption, SetOption, load, settings_of


def bench(
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="[RECIPE]", help="By default, sprites under depth and a reference."),
    ] = None,
    chunks: Annotated[
        int, typer.Option("--chunks", metavar="N", min=1, help="Chunks that are counted.")
    ] = 10,
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", min=1, help="Of the CPU; torch's own by default.")
    ] = None,
    size: Annotated[str | None, typer.Option("--size", help="The recipe's `size`.")] = None,
    pipeline: Annotated[str | None, typer.Option("--pipeline", help="The recipe's `pipeline`.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="The recipe's `device`.")] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="The recipe's `precision`.")] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Full-size pipelines with random weights, no files needed.")
    ] = False,
    tflops: Annotated[
        float, typer.Option("--tflops", min=0.001, help="Of --table without a GPU: TFLOP/s that are reached.")
    ] = 156.0,
    sets: SetOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure speed and memory by stage, with VACE and without: a card, or with --json one line."""
    import torch

    from vacestream.bench import bench as run
    from vacestream.bench import card, default_recipe
    from vacestream.plan import make_plan
    from vacestream.recipe import load_recipe

    if threads is not None:
        torch.set_num_threads(threads)
    if table:
        from vacestream import bench_table
        from vacestream.models.device import pick_device

        rows = bench_table.table(pick_device(device or "auto"), tflops)
        print(json_text.dumps(rows) if json else bench_table.card(rows))
        return
    given = {"size": size, "pipeline": pipeline, "device": device, "precision": precision}
    sets = [*(sets or []), *(f"{key}={value}" for key, value in given.items() if value is not None)]
    if recipe is None:
        made = load_recipe(default_recipe(chunks), overrides=settings_of(sets), name="bench")
    else:
        made = load([recipe], sets=sets)[0]
    result = run(make_plan(made), num_chunks=chunks)
    print(json_text.dumps(result) if json else card(result))
