"""Measure a stream from outside: seconds and memory by stage, time to the first frame, frames a second.

Each with VACE and without.
"""

import platform
import shutil
import statistics
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from vacestream.condition import make_vcus
from vacestream.errors import RecipeError
from vacestream.loading import load_stream
from vacestream.models.device import hardware, synchronize, take_peak_memory
from vacestream.passes import open_passes, steering
from vacestream.plan import Plan
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
    peaks: dict[str, int]  # bytes in use at most, by stage, warm-up and weights included

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
            "peak_mib": {stage: self.peaks[stage] >> 20 for stage in STAGES},
        }


class Peaks:
    """Bytes in use at most while each stage works, measured from outside it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.bytes: dict[str, int] = {}
        take_peak_memory(device)

    def watch(self, stage: str, items: Iterable[Any]) -> Iterator[Any]:
        """The same items; what the stage before took is not counted."""
        for item in items:
            self.bytes[stage] = max(self.bytes.get(stage, 0), take_peak_memory(self.device))
            yield item


def measure(plan: Plan, stream: Stream, num_chunks: int) -> Measured:
    """Run WARM_UP + num_chunks chunks of a plan."""
    timing = Timing(lambda: synchronize(stream.pipeline.device))
    peaks = Peaks(stream.pipeline.device)

    def watch(stage: str, items: Iterable[Any]) -> Iterator[Any]:
        return timing.watch(stage, peaks.watch(stage, items))

    laps, frames, first = [], 0, 0.0
    assert plan.size is not None
    with ExitStack() as stack:
        passes, steer = open_passes(plan, stack), steering(plan)
        vcus = make_vcus(plan.chunks(), passes, steer, plan.size, mask_time=plan.mask_time)
        start = perf_counter()
        items = stream(watch("condition", vcus), watch)
        for index, (_, pixels) in enumerate(islice(items, WARM_UP + num_chunks)):
            first = first or perf_counter() - start
            lap = timing.lap()
            if index >= WARM_UP:
                laps.append(lap)
                frames += len(pixels)
    return Measured(first, laps, frames, peaks.bytes)


def bench(plan: Plan, *, num_chunks: int) -> dict[str, Any]:
    """Run a plan with VACE and without, and say what that took, on what."""
    needed = WARM_UP + num_chunks
    if plan.num_chunks is not None and plan.num_chunks < needed:
        raise RecipeError(
            f"{plan.recipe.name}: its {plan.num_chunks} chunks are too few, {needed} are run; "
            "give it a longer `length:`, or write fewer --chunks"
        )
    stream = load_stream(plan)
    runs = {"with_vace": measure(plan, stream, num_chunks).summary()}
    bare = new_stream(stream.pipeline, stream.size, plan.seed)
    bare.adapter = None
    runs["without_vace"] = measure(plan, bare, num_chunks).summary()
    return {**about(plan, stream), **runs}


def default_recipe(num_chunks: int) -> str:
    """One reference and one depth control, as long as it takes."""
    return (
        "input: sprites:7\nprompt: a sprite on a blue background\nreferences: sprites:9\ncontrols: depth\n"
        f"length: {12 * (num_chunks + WARM_UP + 1)}f\noutput: bench.mp4\n"
    )


def about(plan: Plan, stream: Stream) -> dict[str, Any]:
    """What was measured, and on what."""
    assert plan.size is not None
    device = stream.pipeline.device
    return {
        "schema": "vacestream.bench/1",
        "pipeline": plan.spec.name,
        "size": f"{plan.size[1]}x{plan.size[0]}",
        "steps": len(plan.spec.steps),
        "device": str(device),
        "hardware": hardware(device),
        "threads": torch.get_num_threads(),
        "dtype": str(stream.pipeline.dtype).removeprefix("torch."),
        "commit": commit(),
        "versions": {name: version(name) for name in ("vacestream", "torch", "diffusers", "transformers")}
        | {"python": platform.python_version()},
    }


def commit() -> str | None:
    """The state of the checkout that this runs from; None where it is installed."""
    root, git = Path(__file__).parents[1], shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    command = [git, "-C", str(root), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or None


def card(result: dict[str, Any]) -> str:
    """The result for people."""
    head = "{pipeline} {size}, {steps} steps and a commit pass, {dtype} on {hardware} ({threads} threads)"
    lines = [head.format(**result), f"{'ms a chunk, p50 / p95':24}{'with VACE':>18}{'without':>18}"]
    runs = result["with_vace"], result["without_vace"]
    for stage in (*STAGES, "total"):
        cells = [f"{run['ms_per_chunk'][stage]['p50']} / {run['ms_per_chunk'][stage]['p95']}" for run in runs]
        lines.append(f"{stage:24}{cells[0]:>18}{cells[1]:>18}")
    for stage in STAGES:
        cells = [str(run["peak_mib"][stage]) for run in runs]
        lines.append(f"{f'peak MiB, {stage}':24}{cells[0]:>18}{cells[1]:>18}")
    for key, label in (
        ("fps", "fps"),
        ("fps_denoise", "fps, denoise only"),
        ("time_to_first_frame_s", "first frame, s"),
    ):
        lines.append(f"{label:24}{runs[0][key]:>18}{runs[1][key]:>18}")
    return "\n".join(lines)


def _p95(times: list[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(0.95 * len(times)))]
