"""Where the model runs and in which numbers; nothing else in the project names a kind of device."""

import platform
import warnings
from contextlib import suppress

import torch

from vacestream import machine
from vacestream.errors import RecipeError
from vacestream.models.quantize import CONFIGS

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def pick_device(name: str) -> torch.device:
    """auto, cpu, cuda, cuda:N or mps -> a device that is there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise RecipeError(f"device: there is no {name} on this machine; write `device: auto`")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise RecipeError("device: there is no mps on this machine; write `device: auto`")
    return device


def pick_dtype(precision: str, device: torch.device) -> torch.dtype:
    """auto takes bf16 on CUDA, float32 elsewhere."""
    if precision == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if precision in CONFIGS:
        return torch.bfloat16
    if precision == "fp16" and device.type == "cpu":
        raise RecipeError("precision: fp16 is unusably slow on a CPU; write `precision: bf16`, or auto")
    if precision not in DTYPES:
        raise RecipeError(f"precision: {precision} is none; write one of {', '.join([*DTYPES, *CONFIGS])}")
    return DTYPES[precision]


def widest(device: torch.device) -> torch.dtype:
    """float64, or float32 where the device has none."""
    return torch.float32 if device.type == "mps" else torch.float64


def slow_in_3d(device: torch.device) -> bool:
    """Whether 3-D convolutions should be done as 2-D ones here; see models/flat.py."""
    return device.type == "cpu"


def hardware(device: torch.device) -> str:
    """What the device is called."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def take_peak_memory(device: torch.device) -> int:
    """Bytes in use at most since this was last asked; those of the process where the device has no own."""
    if device.type != "cuda":
        return machine.take_peak_memory()
    peak = torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    return peak


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be taken where this device keeps its numbers; None where that is not told."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    return machine.free_memory()


def ran_out_of_memory(error: BaseException) -> bool:
    """Whether this error of numpy or torch says that there is no memory left, on any device."""
    words = str(error)
    told = "out of memory" in words or "can't allocate memory" in words
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or told


def describe() -> list[tuple[str, str, int | None]]:
    """Each device that torch runs on here: what a recipe calls it, its own name, its free bytes."""
    found = [
        (f"cuda:{i}", torch.cuda.get_device_name(i), free_memory(torch.device("cuda", i)))
        for i in range(torch.cuda.device_count())
    ]
    if torch.backends.mps.is_available():
        found.append(("mps", "Apple GPU", machine.free_memory()))
    return [*found, ("cpu", f"{torch.get_num_threads()} threads", machine.free_memory())]


def attention_kernels(device: torch.device) -> list[str]:
    """The back ends of torch's attention that take a small head here, by trying each."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    q = torch.zeros(1, 1, 16, 64, device=device, dtype=pick_dtype("auto", device))
    works = []
    for name in ("MATH", "FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION"):
        with warnings.catch_warnings(), suppress(RuntimeError):
            warnings.simplefilter("ignore")
            with sdpa_kernel(getattr(SDPBackend, name)):
                torch.nn.functional.scaled_dot_product_attention(q, q, q)
            works.append(name.removesuffix("_ATTENTION").lower())
    return works


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told; for timing from outside."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
