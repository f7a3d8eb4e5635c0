"""A plan against the memory of its device: refused before weights are loaded, with the settings that fit."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import combinations, groupby, product
from operator import attrgetter
from typing import Any

from vacestream.errors import OutOfMemoryError
from vacestream.memory import BYTES, Memory, is_cuda, memory
from vacestream.models.device import ran_out_of_memory
from vacestream.plan import Plan
from vacestream.recipe.parts import Vae
from vacestream.sizes import fitted_size
from vacestream.weights import EMBEDDED

SMALLEST = 64 * 64
"""Pixels a frame below which nothing is advised."""
STEP = 0.9
"""Of the area, from one size that is tried to the next."""
TOLD = 4
"""Ways out that a message names at most."""


@dataclass(frozen=True)
class Setting:
    """A key of a recipe, a word for it, and what that means."""

    key: str
    word: str
    value: Any


@dataclass(frozen=True)
class Advice:
    """Settings that lower what is needed."""

    options: str
    needs: Memory


def refuse_too_big(plan: Plan, device: str, free: int | None, *, loaded: bool = False) -> None:
    """Refuse a plan whose estimate passes the free bytes of its device; `loaded`: its weights are there."""
    needs = memory(plan.spec, plan.asks(device))
    free = free + needs.weights if loaded and free is not None else free
    if free is None or needs.peak <= free:
        return
    advice = " or ".join(_words(one, needs) for one in fitting(plan, device, free)[:TOLD])
    remedy = f"try {advice}" if advice else "no setting makes it fit; use a device with more"
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
        needs = memory(plan.spec, plan.asks(plan.device))
        found = fitting(plan, plan.device, needs.peak - 1)[:TOLD]
        advice = " or ".join(_words(one, needs) for one in found)
        remedy = f"try {advice}" if advice else "use a device with more"
        raise OutOfMemoryError(
            f"out of memory while it ran, of which about {_size(needs.peak)} were needed; {remedy}"
        ) from error


def fitting(plan: Plan, device: str, free: int) -> list[Advice]:
    """Each setting that alone makes the plan fit, largest saving first; else as few together as it takes."""
    settings = list(_settings(plan, device))
    for count in range(1, len({one.key for one in settings}) + 1):
        sets = [some for some in combinations(settings, count) if len({one.key for one in some}) == count]
        found = [_advice(plan, some, device) for some in sets]
        found = [one for one in found if one.needs.peak <= free]
        found += _resized(plan, (), device, free) if count == 1 else []
        if found:
            return sorted(found, key=_peak)
    every = product(*(list(some) for _, some in groupby(settings, key=attrgetter("key"))))
    lowest = min(every, key=lambda some: _peak(_advice(plan, some, device)))
    return _resized(plan, lowest, device, free)


def _settings(plan: Plan, device: str) -> Iterator[Setting]:
    """What may take less than the recipe as it is, key by key."""
    recipe, now = plan.recipe, plan.asks(device)
    kinds = ["bf16", "int8"] if find_spec("torchao") else ["bf16"]
    for kind in (kind for kind in kinds if BYTES[kind] < BYTES[now.dtype]):
        yield Setting("precision", kind, kind)
    for words in ("text", "model", "group") if is_cuda(device) else ():
        yield Setting("offload", words, words)
    if recipe.pipeline not in EMBEDDED:
        yield Setting("vae", "tae", Vae(control="tae", source="tae", output="tae"))


def _advice(
    plan: Plan, settings: Sequence[Setting], device: str, size: tuple[int, int] | None = None
) -> Advice:
    """What the plan takes with these settings, and at another (height, width)."""
    words = [f"--set {one.key}={one.word}" for one in settings]
    words += [f"--set size={size[1]}x{size[0]}"] if size else []
    recipe = plan.recipe.model_copy(update={one.key: one.value for one in settings})
    other = replace(plan, recipe=recipe, size=size or plan.size)
    return Advice(" ".join(words), memory(other.spec, other.asks(device)))


def _resized(plan: Plan, settings: Sequence[Setting], device: str, free: int) -> list[Advice]:
    """The largest picture of the same aspect that fits, if one does."""
    assert plan.size is not None
    height, width = plan.size
    area = height * width * STEP
    while area >= SMALLEST:
        one = _advice(plan, settings, device, fitted_size(width / height, int(area)))
        if one.needs.peak <= free:
            return [one]
        area *= STEP
    return []


def _peak(advice: Advice) -> int:
    return advice.needs.peak


def _words(advice: Advice, needs: Memory) -> str:
    return f"`{advice.options}` (-{_size(needs.peak - advice.needs.peak)})"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 / 10 else f"{count / 2**20:.1f} MiB"
