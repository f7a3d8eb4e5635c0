"""Where the model runs and in which numbers; nothing else in the project names a kind of device."""

import torch

from vacestream.errors import RecipeError

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
    if precision == "fp16" and device.type == "cpu":
        raise RecipeError("precision: fp16 is unusably slow on a CPU; write `precision: bf16`, or auto")
    if precision not in DTYPES:
        raise RecipeError(f"precision: {precision} is not built yet; write one of {', '.join(DTYPES)}")
    return DTYPES[precision]


def peak_memory(device: torch.device) -> int | None:
    """Bytes of the device's memory in use at most so far; None where the device does not count."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was told; for timing from outside."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
