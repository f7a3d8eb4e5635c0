"""Measure a stream from outside: seconds by stage, time to the first frame, frames a second.

Each with VACE and without. Prints a card for people on stderr and one JSON line on stdout.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from time import perf_counter
from typing import Any

import torch

from vacestream.condition import make_vcus
from vacestream.inputs import open_passes, steering
from vacestream.models.device import peak_memory, synchronize
from vacestream.plan import Plan, make_plan
from vacestream.recipe import load_recipe
from vacestream.run import load_stream
from vacestream.stream import Stream, new_stream
from vacestream.timing import Timing

STAGES = ("condition", "encode", "denoise", "decode")
WARM_UP = 2
"""Chunks that are run but not counted: the first is shorter, the second fills caches."""


@dataclass(frozen=True)
class Measured:
    """One run of a stream."""

    first_frame: float  # seconds from the first pull, weights loaded
    laps: list[dict[str, float]]  # seconds by stage, a chunk each
    frames: int  # of the counted chunks

    def summary(self) -> dict[str, Any]:
        """Medians and tails in milliseconds a chunk, rates in frames a second."""
        total = [sum(lap.values()) for lap in self.laps]
        stages = {stage: [lap.get(stage, 0.0) for lap in self.laps] for stage in STAGES} | {"total": total}
        return {
            "time_to_first_frame_s": round(self.first_frame, 3),
            "fps": round(self.frames / sum(total), 2),
            "fps_denoise": round(self.frames / sum(stages["denoise"]), 2),
            "ms_per_chunk": {
                stage: {"p50": round(1000 * statistics.median(times), 1), "p95": round(1000 * _p95(times), 1)}
                for stage, times in stages.items()
            },
        }


def measure(plan: Plan, stream: Stream, num_chunks: int) -> Measured:
    """Run WARM_UP + num_chunks chunks of a plan."""
    timing = Timing(lambda: synchronize(stream.pipeline.device))
    laps, frames, first = [], 0, 0.0
    assert plan.size is not None
    with ExitStack() as stack:
        vcus = make_vcus(plan.chunks(), open_passes(plan, stack), steering(plan), plan.size)
        start = perf_counter()
        items = stream(timing.watch("condition", vcus), timing.watch)
        for index, (_, pixels) in enumerate(islice(items, WARM_UP + num_chunks)):
            first = first or perf_counter() - start
            lap = timing.lap()
            if index >= WARM_UP:
                laps.append(lap)
                frames += len(pixels)
    return Measured(first, laps, frames)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=10, help="chunks that are counted")
    parser.add_argument("--size", default=None, help="WIDTHxHEIGHT; the pipeline's own by default")
    parser.add_argument("--pipeline", default="sprites")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    plan = make_plan(load_recipe(recipe_text(args)))
    stream = load_stream(plan)
    runs = {"with_vace": measure(plan, stream, args.chunks).summary()}
    bare = new_stream(stream.pipeline, stream.size, plan.seed)
    bare.adapter = None
    runs["without_vace"] = measure(plan, bare, args.chunks).summary()
    result = {**about(plan, stream), **runs, "peak_memory_mib": peak_mib(stream)}
    print(card(result), file=sys.stderr)
    print(json.dumps(result))


def recipe_text(args: argparse.Namespace) -> str:
    """One reference and one depth control, as long as it takes."""
    size = f"size: {args.size}\n" if args.size else ""
    return (
        "input: sprites:7\nprompt: a sprite on a blue background\nreferences: sprites:9\ncontrols: depth\n"
        f"length: {12 * (args.chunks + WARM_UP + 1)}f\npipeline: {args.pipeline}\ndevice: {args.device}\n"
        f"precision: {args.precision}\n{size}output: bench.mp4\n"
    )


def about(plan: Plan, stream: Stream) -> dict[str, Any]:
    """What was measured, and on what."""
    assert plan.size is not None
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    device = stream.pipeline.device
    on = torch.cuda.get_device_name(device) if device.type not in ("cpu", "mps") else platform.processor()
    return {
        "schema": "vacestream.bench/1",
        "pipeline": plan.spec.name,
        "size": f"{plan.size[1]}x{plan.size[0]}",
        "steps": len(plan.spec.steps),
        "device": str(device),
        "hardware": on or platform.machine(),
        "threads": torch.get_num_threads(),
        "dtype": str(stream.pipeline.dtype).removeprefix("torch."),
        "commit": commit.stdout.strip() or "unknown",
        "versions": {name: version(name) for name in ("vacestream", "torch", "diffusers", "transformers")}
        | {"python": platform.python_version()},
    }


def peak_mib(stream: Stream) -> int:
    """The device's peak, or the process's where the device does not count."""
    device = peak_memory(stream.pipeline.device)
    unit = 1 if sys.platform == "darwin" else 1024
    return (device or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit) >> 20


def card(result: dict[str, Any]) -> str:
    """The result for people."""
    head = "{pipeline} {size}, {steps} steps and a commit pass, {dtype} on {hardware} ({threads} threads)"
    lines = [head.format(**result), f"{'ms a chunk, p50 / p95':24}{'with VACE':>18}{'without':>18}"]
    runs = result["with_vace"], result["without_vace"]
    for stage in (*STAGES, "total"):
        cells = [f"{run['ms_per_chunk'][stage]['p50']} / {run['ms_per_chunk'][stage]['p95']}" for run in runs]
        lines.append(f"{stage:24}{cells[0]:>18}{cells[1]:>18}")
    for key, label in (
        ("fps", "fps"),
        ("fps_denoise", "fps, denoise only"),
        ("time_to_first_frame_s", "first frame, s"),
    ):
        lines.append(f"{label:24}{runs[0][key]:>18}{runs[1][key]:>18}")
    return "\n".join([*lines, f"{'peak memory, MiB':24}{result['peak_memory_mib']:>18}"])


def _p95(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(0.95 * len(times)))]


if __name__ == "__main__":
    main()
