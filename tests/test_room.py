"""Estimates against the memory of a device: what is refused, and what would make it fit."""

import re
from collections.abc import Sequence

import pytest
import torch

from vacestream import machine
from vacestream.errors import OutOfMemoryError
from vacestream.plan import Plan, make_plan
from vacestream.recipe import load_recipe
from vacestream.room import estimate, fitting, memory_told, refuse_too_big

GIB = 2**30


def planned(**said: object) -> Plan:
    data = {"prompt": "x", "length": "21f", "pipeline": "longlive-1.3b", "size": "832x480", **said}
    return make_plan(load_recipe(data), media=False)


def needed(plan: Plan, options: Sequence[str], dtype: str) -> int:
    """The peak of the same plan with these --set options."""
    said = dict(option.split("=") for option in options)
    width, height = (int(side) for side in said["size"].split("x")) if "size" in said else (None, None)
    size = (height, width) if height and width else None
    return estimate(plan, said.get("precision", dtype), size).peak


def test_what_fits_is_not_refused() -> None:
    plan = planned()
    refuse_too_big(plan, "cpu", estimate(plan, "fp32").peak)
    refuse_too_big(plan, "cpu", None)


def test_what_is_too_big_is_refused_with_every_setting_that_fits_largest_saving_first() -> None:
    plan = planned()
    needs = estimate(plan, "fp32").peak
    with pytest.raises(OutOfMemoryError) as refused:
        refuse_too_big(plan, "cpu", needs - GIB)
    said = re.fullmatch(
        r"out of memory: needs (.*) GiB, cpu has (.*) GiB free; "
        r"try `--set (precision=bf16)` \(-(.*) GiB\) or `--set (size=.*)` \(-(.*) GiB\)",
        str(refused.value),
    )
    assert said
    assert float(said[1]) == pytest.approx(needs / GIB, abs=0.05)
    assert float(said[4]) > float(said[6]) > 1
    assert all(needed(plan, [option], "fp32") <= needs - GIB for option in (said[3], said[5]))


def test_settings_that_fit_only_together_are_told_together() -> None:
    plan = planned()
    free = estimate(plan, "bf16").peak - GIB // 2
    assert free < estimate(plan, "fp32", (64, 64)).peak
    (advice,) = fitting(plan, "fp32", free)
    options = advice.options.removeprefix("--set ").split(" --set ")
    assert [option.partition("=")[0] for option in options] == ["precision", "size"]
    assert needed(plan, options, "fp32") == advice.needs.peak <= free


def test_where_nothing_fits_that_is_said() -> None:
    with pytest.raises(OutOfMemoryError, match="no size or precision makes it fit; use a device with more"):
        refuse_too_big(planned(), "cpu", GIB)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("MPS backend out of memory"),
    ],
)
def test_running_out_on_the_way_is_told_with_what_lowers_the_need(error: Exception) -> None:
    said = r"out of memory while it ran, .* needed; try `--set precision=bf16` \(-.*\) or `--set size="
    with pytest.raises(OutOfMemoryError, match=said), memory_told(planned(precision="fp32")):
        raise error


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_told(planned()):
        raise RuntimeError("shapes do not match")


def test_the_machine_tells_its_free_memory_within_the_limit_of_a_container(monkeypatch, tmp_path) -> None:
    for name, text in (
        ("meminfo", "MemTotal: 9 kB\nMemAvailable:  2000 kB\n"),
        ("max", "max"),
        ("taken", "1000"),
    ):
        (tmp_path / name).write_text(text)
    for name, file in (("_MEMINFO", "meminfo"), ("_LIMIT", "max"), ("_TAKEN", "taken")):
        monkeypatch.setattr(machine, name, tmp_path / file)
    assert machine.free_memory() == 2000 * 1024
    (tmp_path / "max").write_text("501000\n")
    assert machine.free_memory() == 500_000
    (tmp_path / "meminfo").unlink()
    assert machine.free_memory() is None or machine.free_memory() > 0
