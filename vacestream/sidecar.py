"""What a render tells -> NAME.json beside each output: how it was made, and everything to make it again."""

import json
import os
import platform
from collections.abc import Callable, Collection
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vacestream.errors import OutputError, VacestreamError
from vacestream.events import Event, Report
from vacestream.footage import named_media
from vacestream.media.hashes import content, sha256
from vacestream.media.stream import is_stream
from vacestream.models.device import DTYPES, pick_device, pick_dtype
from vacestream.needs import parts_left_out
from vacestream.pace import Watch
from vacestream.plan import Plan
from vacestream.recipe import Recipe
from vacestream.recipe.shape import WORDS
from vacestream.recipe.values import media_kind
from vacestream.unfinished import Unfinished
from vacestream.weights import TEXT, find
from vacestream.weights.places import files_of

SCHEMA = "vacestream.sidecar/1"
PACKAGES = ("vacestream", "torch", "diffusers")


class Recorder:
    """A report that also keeps the log; the sidecars are written when the outputs are complete."""

    def __init__(
        self,
        plan: Plan,
        report: Report,
        unfinished: Unfinished | None = None,
        *,
        also: dict[str, Any] | None = None,
    ) -> None:
        self.plan, self.report, self.also = plan, report, also or {}
        self.chunks: list[dict[str, Any]] = list(unfinished.chunks) if unfinished else []
        self.warnings: list[str] = list(unfinished.warnings) if unfinished else []
        self.sightings: list[dict[str, Any]] = list(unfinished.sightings) if unfinished else []
        """Where what is followed is lost, and where it is found again."""
        self._frame = unfinished.frame if unfinished else 0
        self._watch = Watch(plan)

    def __call__(self, event: Event) -> None:
        self._watch.see(event)
        match event.kind:
            case "chunk":
                timed = {key: value for key, value in event.data.items() if isinstance(value, float)}
                seconds = {stage: round(value, 4) for stage, value in timed.items()}
                self.chunks.append({"num_frames": event.frame - self._frame, "seconds": seconds})
                self._frame = event.frame
            case "warn":
                message = str(event.data.get("message", ""))
                self.warnings += [message] * (message not in self.warnings)  # said again by one that goes on
                if "found" in event.data:
                    seen = {key: event.data[key] for key in ("frame", "found")}
                    self.sightings += [seen] * (seen not in self.sightings)
            case "done":
                self._write()
        self.report(event)

    def _write(self) -> None:
        paths = [Path(target.sidecar) for target in self.plan.outputs if target.sidecar]
        if not paths:
            return
        facts = {
            "outputs": [Path(file).name for target in self.plan.outputs for file in target.files],
            **numbers(self.plan),
            "num_frames": self._frame,
            "versions": {**versions(), "python": platform.python_version()},
            "platform": platform.platform(),
            "weights": self._hashes("weights", lambda: used_weights(self.plan)),
            "inputs": self._hashes("inputs", lambda: input_hashes(self.plan.recipe)),
            "chunks": self.chunks,
            "warnings": self.warnings,
            "sightings": self.sightings,
            **self.also,
        }
        for path in paths:
            said = self.plan.recipe.resolved(path.parent)
            write(path, {"schema": SCHEMA, "task": self.plan.task, "recipe": said, **facts})

    def _hashes(self, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """None, and a warning, where a file is gone since it was read: the video is there all the same."""
        try:
            return make()
        except (OSError, VacestreamError) as error:
            self(Event("warn", data={"message": f"the sidecar cannot say the hashes of {name}: {error}"}))
            return None


def numbers(plan: Plan) -> dict[str, Any]:
    """The numbers of what is made, and what makes it."""
    assert plan.size is not None
    device = pick_device(plan.device)
    dtype = pick_dtype(plan.recipe.precision, device)
    return {
        "pipeline": plan.spec.name,
        "seed": plan.seed,
        "size": {"width": plan.size[1], "height": plan.size[0]},
        "fps": str(plan.fps),
        "device": str(device),
        "dtype": next(name for name, known in DTYPES.items() if known == dtype),
    }


def versions() -> dict[str, str]:
    """Of what makes the frames."""
    return {name: installed(name) for name in PACKAGES}


def used_weights(plan: Plan) -> dict[str, dict[str, str]]:
    """Each part of the model, each LoRA and file of context blocks that a plan loads -> files -> sha256."""
    loras = dict.fromkeys(path for told in plan.told for path, _ in told.lora_files)
    adapters = dict.fromkeys(told.vace.adapter for told in plan.told if told.vace.adapter not in WORDS)
    named = {"loras": loras, "vace.adapter": adapters}
    own = {
        f"{key}.{i}": {Path(where).name: sha256(Path(where))}
        for key, files in named.items()
        for i, where in enumerate(files)
    }
    return weight_hashes(plan.spec.name, parts_left_out(plan.recipe)) | own


def weight_hashes(pipeline: str, left_out: Collection[str] = ()) -> dict[str, dict[str, str]]:
    """The part of a pipeline -> each file that holds it -> its sha256."""
    found, _ = find(pipeline, without=left_out, optional=TEXT)
    return {part: {path.name: sha256(path) for path in files_of(one.path)} for part, one in found.items()}


def input_hashes(recipe: Recipe) -> dict[str, str]:
    """The key that names a file -> the sha256 of what it names; a pipe is gone when it was read."""
    named = [(".".join(map(str, key)), where) for key, where in named_media(recipe)]
    named += [(f"output.{i}.audio", output.audio or "none") for i, output in enumerate(recipe.output)]
    files = [(key, where) for key, where in named if media_kind(where) == "file" and where not in WORDS]
    return {key: content(where) for key, where in files if not is_stream(where)}


def installed(package: str) -> str:
    """The version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "0+source"


def write(path: Path, data: dict[str, Any]) -> None:
    """A JSON file that appears when it is complete, also after a power cut."""
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(json.dumps(data, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as e:
        raise OutputError(f"{path}: cannot be written ({e.strerror or e})") from e
