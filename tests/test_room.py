"""Estimates against the memory of a device: what is refused, and what would make it fit."""

import re

import pytest
import torch

from vacestream import machine
from vacestream.errors import OutOfMemoryError
from vacestream.memory import memory
from vacestream.plan import Plan, make_plan
from vacestream.recipe import load_recipe
from vacestream.room import fitting, memory_told, refuse_too_big

GIB = 2**30


def planned(**said: object) -> Plan:
    data = {"prompt": "x", "length": "21f", "pipeline": "longlive-1.3b", "size": "832x480", **said}
    return make_plan(load_recipe(data), media=False)


def peak(plan: Plan, device: str = "cpu") -> int:
    return memory(plan.spec, plan.asks(device)).peak


def needed(options: str, device: str) -> int:
    """The peak of the same plan with these --set options."""
    said = dict(option.split("=") for option in options.replace("--set ", "").split())
    return peak(planned(**said), device)


def test_what_fits_is_not_refused() -> None:
    plan = planned()
    refuse_too_big(plan, "cpu", peak(plan))
    refuse_too_big(plan, "cpu", None)


@pytest.mark.parametrize(
    ("device", "keys"),
    [("cpu", {"precision", "vae", "size"}), ("cuda:0", {"offload", "vae", "size"})],
)
def test_what_is_too_big_is_refused_with_the_settings_that_fit_largest_saving_first(
    device: str, keys: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vacestream.room.find_spec", lambda _: None)
    plan = planned(controls=[{"signal": "depth", "video": "d.mp4"}], offload="text")
    needs = peak(plan, device)
    with pytest.raises(OutOfMemoryError) as refused:
        refuse_too_big(plan, device, needs - GIB)
    said = re.fullmatch(
        r"out of memory: needs (.*) GiB, (.*) has (.*) GiB free; try (.*)", str(refused.value)
    )
    assert said
    assert float(said[1]) == pytest.approx(needs / GIB, abs=0.05)
    ways = re.findall(r"`(--set [^`]*)` \(-([0-9.]*) GiB\)", said[4])
    assert {options.removeprefix("--set ").partition("=")[0] for options, _ in ways} == keys
    savings = [float(saving) for _, saving in ways]
    assert savings == sorted(savings, reverse=True)
    assert all(one.needs.peak <= needs - GIB for one in fitting(plan, device, needs - GIB))


def test_settings_that_fit_only_together_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vacestream.room.find_spec", lambda _: None)
    plan = planned()
    (together, *_) = fitting(plan, "cuda:0", 5 * GIB)
    assert together.options.count("--set") == 2
    assert needed(together.options, "cuda:0") == together.needs.peak <= 5 * GIB
    (smaller,) = fitting(plan, "cuda:0", GIB)
    assert "offload=group --set vae=tae --set size=" in smaller.options
    assert needed(smaller.options, "cuda:0") == smaller.needs.peak <= GIB


def test_where_nothing_fits_that_is_said() -> None:
    with pytest.raises(OutOfMemoryError, match="no setting makes it fit; use a device with more"):
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
    said = r"out of memory while it ran, .* needed; try `--set [a-z]*=.*` \(-.*\) or `--set "
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
