"""A plan against the memory of its device: refused before weights are loaded, with the settings that fit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from vacestream.errors import OutOfMemoryError
from vacestream.memory import BYTES, Memory, dtype_of, memory
from vacestream.models.device import ran_out_of_memory
from vacestream.plan import Plan
from vacestream.sizes import fitted_size

SMALLEST = 64 * 64
"""Pixels a frame below which nothing is advised."""
STEP = 0.9
"""Of the area, from one size that is tried to the next."""


@dataclass(frozen=True)
class Advice:
    """Settings that lower what is needed."""

    options: str
    needs: Memory


def refuse_too_big(plan: Plan, device: str, free: int | None, *, loaded: bool = False) -> None:
    """Refuse a plan whose estimate passes the free bytes of its device; `loaded`: its weights are there."""
    dtype = dtype_of(plan.recipe.precision, device)
    needs = estimate(plan, dtype)
    free = free + needs.weights if loaded and free is not None else free
    if free is None or needs.peak <= free:
        return
    advice = " or ".join(_words(one, needs) for one in fitting(plan, dtype, free))
    remedy = f"try {advice}" if advice else "no size or precision makes it fit; use a device with more"
    raise OutOfMemoryError(
        f"out of memory: needs {_size(needs.peak)}, {device} has {_size(free)} free; {remedy}"
    )


@contextmanager
def memory_told(plan: Plan) -> Iterator[None]:
    """What runs out of memory while it is made is told as such, with the settings that lower the need."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out_of_memory(error):
            raise
        needs = estimate(plan, plan.dtype)
        advice = " or ".join(_words(one, needs) for one in fitting(plan, plan.dtype, needs.peak - 1))
        remedy = f"try {advice}" if advice else "use a device with more"
        raise OutOfMemoryError(
            f"out of memory while it ran, of which about {_size(needs.peak)} were needed; {remedy}"
        ) from error


def estimate(plan: Plan, dtype: str, size: tuple[int, int] | None = None) -> Memory:
    """What the plan needs in these numbers, or at another (height, width)."""
    size = size or plan.size
    assert size is not None
    return memory(plan.spec, size, dtype, num_references=plan.num_references, context=plan.has_context)


def fitting(plan: Plan, dtype: str, free: int) -> list[Advice]:
    """Each setting that alone makes the plan fit, largest saving first; else both together; else none."""
    lower = "bf16" if BYTES[dtype] > BYTES["bf16"] else None
    alone = [_resized(plan, dtype, free)]
    if lower and (needs := estimate(plan, lower)).peak <= free:
        alone.append(Advice(f"--set precision={lower}", needs))
    found = sorted((one for one in alone if one), key=lambda one: one.needs.peak)
    if found or lower is None:
        return found
    both = _resized(plan, lower, free)
    return [Advice(f"--set precision={lower} {both.options}", both.needs)] if both else []


def _resized(plan: Plan, dtype: str, free: int) -> Advice | None:
    """The largest picture of the same aspect that fits."""
    assert plan.size is not None
    height, width = plan.size
    area = height * width * STEP
    while area >= SMALLEST:
        size = fitted_size(width / height, int(area))
        if (needs := estimate(plan, dtype, size)).peak <= free:
            return Advice(f"--set size={size[1]}x{size[0]}", needs)
        area *= STEP
    return None


def _words(advice: Advice, needs: Memory) -> str:
    return f"`{advice.options}` (-{_size(needs.peak - advice.needs.peak)})"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 / 10 else f"{count / 2**20:.1f} MiB"
