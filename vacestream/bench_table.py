"""Latency and memory of full-size pipelines: measured where a GPU is at hand, else estimated and marked so.

Weights are random: neither time nor memory asks what the numbers are.
"""

import statistics
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch

from vacestream.bench import commit
from vacestream.counts import chunk_flops
from vacestream.dry import Scene, make_pipeline
from vacestream.memory import Demand, memory, tokens_per_latent
from vacestream.models.device import hardware, synchronize, take_peak_memory
from vacestream.pipelines import PIPELINES, VAE_STRIDE_T, PipelineSpec
from vacestream.stream import new_stream

SIZE, LARGE = (480, 832), (720, 1280)
WARM_UP, CHUNKS = 4, 5
"""Chunks until the window is full, and those that are measured."""


@dataclass(frozen=True)
class Row:
    """One configuration."""

    label: str
    pipeline: str
    size: tuple[int, int]
    num_references: int
    control: bool

    @property
    def scene(self) -> Scene:
        return Scene(self.size, self.num_references, self.control)


ROWS = (
    Row("LongLive + R2V", "longlive-1.3b", SIZE, 1, False),
    Row("LongLive + depth", "longlive-1.3b", SIZE, 0, True),
    Row("LongLive + R2V + depth", "longlive-1.3b", SIZE, 1, True),
    Row("1.3B model, 480p", "longlive-1.3b", SIZE, 1, True),
    Row("14B model, 720p", "krea-realtime-14b", LARGE, 1, True),
)


def table(device: torch.device, tflops: float) -> dict[str, Any]:
    """Every row on this device; on one without a memory of its own by counts, at so many TFLOP/s."""
    measured = device.type not in ("cpu", "mps")
    rows = [
        {"row": row.label, "pipeline": row.pipeline, "size": f"{row.size[1]}x{row.size[0]}"}
        | (measure(PIPELINES[row.pipeline], row.scene, device) if measured else estimate(row, tflops))
        for row in ROWS
    ]
    return {
        "schema": "vacestream.bench.table/1",
        "how": "measured" if measured else f"estimated: counted operations at {tflops:g} TFLOP/s",
        "hardware": hardware(device),
        "torch": torch.__version__,
        "commit": commit(),
        "rows": rows,
    }


def measure(
    spec: PipelineSpec, scene: Scene, device: torch.device, dtype: torch.dtype = torch.bfloat16
) -> dict[str, float]:
    """Milliseconds and frames a second of a chunk in the middle of a stream, and bytes at most."""
    take_peak_memory(device)
    stream = new_stream(make_pipeline(spec, device, dtype), scene.size, 0)
    laps, num_frames, start = [], 0, perf_counter()
    for _, frames in stream(scene.vcus(spec, WARM_UP + CHUNKS)):
        synchronize(device)
        num_frames = len(frames)
        laps.append(perf_counter() - start)
        start = perf_counter()
    chunk = statistics.median(laps[WARM_UP:])
    return _told(chunk, num_frames, take_peak_memory(device))


def estimate(row: Row, tflops: float) -> dict[str, float]:
    """The same from counts."""
    spec = PIPELINES[row.pipeline]
    flops = chunk_flops(
        spec, row.size, tokens_per_latent(spec, row.size), row.num_references, encoded=int(row.control)
    )
    asked = Demand(row.size, "bf16", num_references=row.num_references)
    return _told(flops / (tflops * 1e12), VAE_STRIDE_T * spec.chunk_latents, memory(spec, asked).peak)


def card(result: dict[str, Any]) -> str:
    """The table for people."""
    head = "{how}; bf16, Wan's own VAE, random weights; {hardware}, torch {torch}, commit {commit}"
    lines = [head.format(**result), f"{'':24}{'size':>10}{'ms a chunk':>12}{'fps':>8}{'GiB':>8}"]
    for row in result["rows"]:
        numbers = f"{row['ms_per_chunk']:>12}{row['fps']:>8}{row['peak_gib']:>8}"
        lines.append(f"{row['row']:24}{row['size']:>10}{numbers}")
    return "\n".join(lines)


def _told(seconds: float, num_frames: int, peak: int) -> dict[str, float]:
    fps = round(num_frames / seconds, 1)
    return {"ms_per_chunk": round(1000 * seconds), "fps": fps, "peak_gib": round(peak / 2**30, 1)}
