"""What this machine has, and the exact command that brings what is missing: a table of checks, a row each."""

import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vacestream.errors import ModelError, RecipeError
from vacestream.machine import free_memory
from vacestream.pipelines import PIPELINES

JOB_FAILED = 1
LOW_DISK, LOW_MEMORY = 1 << 30, 2 << 30
"""Free bytes below which a render may end early."""


@dataclass(frozen=True)
class Finding:
    """What one look found."""

    name: str
    ok: bool
    what: str
    instead: str = ""
    """What to do about it, where something can be done."""
    exit_code: int = 0
    """Of doctor when this is not ok; 0: render works without it."""

    def to_dict(self) -> dict[str, Any]:
        """The finding as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Package:
    """A Python package by its name for pip, its module, and what it brings."""

    pip: str
    module: str
    brings: str


REQUIRED = (
    Package("torch", "torch", "the models"),
    Package("diffusers", "diffusers", "the models"),
    Package("transformers", "transformers", "text encoders"),
)
CAMERA = Package("pyvirtualcam", "pyvirtualcam", "a virtual camera for live, as in OBS")
OPTIONAL = (
    Package("controlnet-aux", "controlnet_aux", "MiDaS depth, and scribbles that nets draw"),
    Package("onnxruntime", "onnxruntime", "DWPose"),
    Package("torchao", "torchao", "weights in int8 and fp8"),
    CAMERA,
)
ENCODERS = {"libx264": ".mp4", "ffv1": "lossless .mkv", "libx265": "H.265", "prores_ks": "ProRes"}
"""What each encoder is for."""
NEEDED_ENCODERS = ("libx264", "ffv1")


def examine() -> Iterator[Finding]:
    """Every finding, in the order of the table."""
    for check in CHECKS:
        yield from check()


def exit_code(findings: list[Finding]) -> int:
    """0 when render works here, else the code of the first thing in its way."""
    return next((found.exit_code for found in findings if not found.ok and found.exit_code), 0)


def _versions() -> Iterator[Finding]:
    yield Finding("vacestream", True, _version("vacestream") or "runs from its source")
    yield Finding("python", True, f"{platform.python_version()} on {platform.platform(terse=True)}")
    for package in REQUIRED:
        yield look_for(package, JOB_FAILED)


def _optional() -> Iterator[Finding]:
    for package in OPTIONAL:
        yield look_for(package, 0)


def look_for(package: Package, code: int) -> Finding:
    """Whether a package is installed; `code`: of doctor where it is not."""
    if find_spec(package.module) is not None:
        return Finding(package.pip, True, _version(package.pip) or "there, of unknown version", "", code)
    return Finding(package.pip, False, f"not installed; brings {package.brings}", _install(package.pip), code)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _install(package: str) -> str:
    """The command that installs a package into this environment."""
    return f"uv pip install {package}" if shutil.which("uv") else f"python -m pip install {package}"


def _ffmpeg() -> Iterator[Finding]:
    from vacestream.media import ffmpeg, formats

    again = _install("--force-reinstall imageio-ffmpeg")
    try:
        told = subprocess.run([ffmpeg.exe(), "-version"], capture_output=True, text=True, check=True)
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        yield Finding("ffmpeg", False, f"does not start ({error})", again, JOB_FAILED)
        return
    yield Finding("ffmpeg", True, told.stdout.partition(" Copyright")[0].removeprefix("ffmpeg version "))
    for name, use in ENCODERS.items():
        needed = JOB_FAILED if name in NEEDED_ENCODERS else 0
        words = formats.refusal(name)
        if words is None:
            yield Finding(f"encoder {name}", True, f"opens; for {use}", "", needed)
        else:
            instead = again if needed else ""
            yield Finding(f"encoder {name}", False, f"does not open ({words}); for {use}", instead, needed)


def _devices() -> Iterator[Finding]:
    if find_spec("torch") is None:
        return
    from vacestream.models import device

    found = device.describe()
    for name, words, free in found:
        yield Finding(f"device {name}", True, f"{words}, {_size(free)} free")
    kernels = ", ".join(device.attention_kernels(device.pick_device("auto")))
    yield Finding("attention", bool(kernels), f"on {found[0][0]}: {kernels or 'none'}", "", JOB_FAILED)


def _space() -> Iterator[Finding]:
    free, here = free_memory(), shutil.disk_usage(Path.cwd()).free
    enough = free is None or free >= LOW_MEMORY
    yield Finding("memory", enough, f"{_size(free)} free", "" if enough else "close other programs")
    enough = here >= LOW_DISK
    yield Finding(
        "disk", enough, f"{_size(here)} free in this folder", "" if enough else "write elsewhere with -o"
    )


def _weights() -> Iterator[Finding]:
    """The embedded weights, each file; then what can be brought for other pipelines."""
    from vacestream.weights import EMBEDDED, find, model

    for name in PIPELINES:
        reinstall = _install("--force-reinstall vacestream") if name in EMBEDDED else ""
        try:
            parts, _ = find(name)
        except ModelError as error:
            code = ModelError.exit_code if name in EMBEDDED else 0
            missing = [line.removeprefix(f"{name}: ").partition("; ") for line in str(error).splitlines()]
            if name not in EMBEDDED and len(missing) == len(model(name).parts):  # not wanted so far
                what, _, instead = missing[0]
                missing = [(f"none of its {len(missing)} files is here", "", instead)]
            for what, _, instead in missing:
                yield Finding(f"weights {name}", False, what, instead.removeprefix("run ").strip("`"), code)
            continue
        again = f"vacestream models rm --damaged {name} && vacestream models pull {name}"
        bad = {found.path: fault for found in parts.values() for fault in _faults(found.path)}
        for path, fault in bad.items():
            what = f"{path.name}: {fault}"
            yield Finding(f"weights {name}", False, what, reinstall or again, ModelError.exit_code)
        if not bad:
            yield Finding(f"weights {name}", True, f"{len(parts)} files, whole", "", ModelError.exit_code)


def _faults(path: Path) -> Iterator[str]:
    """What is seen to be wrong with a part's file or its shards, without reading all of them."""
    from vacestream.weights.places import files_of
    from vacestream.weights.sums import harm

    yield from filter(None, map(harm, files_of(path)))


def _settings() -> Iterator[Finding]:
    from vacestream.settings import settings

    try:
        found = settings()
    except RecipeError as error:
        what, _, instead = str(error).partition("; ")
        yield Finding("settings", False, what, instead, JOB_FAILED)
        return
    said = ", ".join(f"{key}={setting.value} ({setting.place})" for key, setting in found.items())
    yield Finding("settings", True, said or "none; all is as the recipe says")


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count / 2**30:.1f} GiB"


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _versions, _ffmpeg, _devices, _space, _weights, _optional, _settings,
)  # fmt: skip
"""The table: each gives its findings."""
