"""A recipe -> the VCUs that the model would get: a sheet, VACE's own files, or tensors; no weights."""

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from vacestream.condition import make_vcus
from vacestream.errors import OutputError, RecipeError
from vacestream.events import Event, Report, warnings_reported
from vacestream.media.images import write_image
from vacestream.media.sinks import STILLS, Sink, Tee, open_sink
from vacestream.passes import open_passes, steering
from vacestream.plan import Plan, make_plan
from vacestream.recipe import Recipe
from vacestream.shown import Sheet, frames_of, masks_of, references_of
from vacestream.timeline import Chunk
from vacestream.unbuilt import unbuilt
from vacestream.vcu import VCU
from vacestream.ways import why_not_render

PARTS = ("input", "references", "controls", "mask", "outpaint", "extend", "timeline")
"""Keys of a recipe that a VCU is made from."""
MAX_BYTES = 4 * 2**30
"""Of tensors in memory at once."""
EXACT = 0
"""The quality of MP4 at which black and white stay what they are."""

Kind = Literal["sheet", "folder", "tensors"]


@dataclass(frozen=True)
class Preview:
    """What is written, and where."""

    plan: Plan
    path: str
    kind: Kind
    files: tuple[str, ...]
    """Every file that is written."""


def make_preview(recipe: Recipe, path: str | None, *, lossless: bool = False) -> Preview:
    """All that can be refused before footage is read."""
    if (reason := why_not_render(recipe)) and reason[0][0] != "output":
        raise recipe.error(*reason)
    if missing := [str(recipe.error(key, what)) for key, what in unbuilt(recipe) if key[0] in PARTS]:
        raise RecipeError("\n".join(dict.fromkeys(missing)))
    plan = make_plan(recipe, built=False)
    if plan.task in ("T2V", "V2V"):
        what = "the model gets no VCU, so there is nothing to see"
        raise recipe.error((), f"{plan.task}: {what}; add `references:`, `controls:` or `mask:`")
    path = path or f"{recipe.name}.preview.png"
    kind = _kind(path)
    match kind:
        case "folder":
            files = tuple(_folder_files(recipe, Path(path), ".mkv" if lossless else ".mp4").values())
        case "tensors":
            _refuse_too_large(plan)
            files = (path,)
        case "sheet":
            files = (path,)
    return Preview(plan, path, kind, files)


def preview(job: Preview, *, report: Report) -> None:
    """Write the files; `report` is told what happens."""
    plan, writer = job.plan, None
    assert plan.size is not None
    report(Event("start", data={"num_frames": plan.num_frames, "task": plan.task}))
    with ExitStack() as stack:
        stack.enter_context(warnings_reported(report))
        passes = open_passes(plan, stack)
        writer, frame = _writer(job, stack), 0
        vcus = make_vcus(plan.chunks(), passes, steering(plan), plan.size, mask_time=plan.mask_time)
        try:
            for chunk, vcu in vcus:
                writer.see(chunk, vcu)
                frame += chunk.num_wanted
                report(Event("chunk", frame, chunk.index + 1))
        except BaseException:
            writer.abort()
            raise
        writer.close()
    report(Event("done", frame, plan.num_chunks or 0, {"outputs": list(job.files)}))


class Writer(Protocol):
    """Takes the VCUs of all chunks, in order."""

    def see(self, chunk: Chunk, vcu: VCU) -> None:
        """What one chunk is asked to be."""

    def close(self) -> None:
        """Finish the files."""

    def abort(self) -> None:
        """Stop after an error."""


class SheetWriter:
    """A picture of source, controls, mask and references."""

    def __init__(self, plan: Plan, path: Path, stack: ExitStack) -> None:
        self._sheet, self._path = Sheet(plan, stack), path
        self.see = self._sheet.see

    def close(self) -> None:
        """Write it."""
        self._sheet.write(self._path)

    def abort(self) -> None:
        """Nothing is there yet."""


class FolderWriter:
    """src_video, src_mask and src_ref_image, as VACE's own programs read them; later passes have a number."""

    def __init__(self, plan: Plan, files: Mapping[str, Path]) -> None:
        assert plan.size is not None
        assert plan.fps is not None
        self._references = [path for name, path in files.items() if name.startswith("src_ref_image")]
        self._videos: list[tuple[Sink, Sink]] = []
        for layer in range((len(files) - len(self._references)) // 2):
            end = _numbered(layer)
            paths = [str(files[f"{name}{end}"]) for name in ("src_video", "src_mask")]
            frames, mask = (open_sink(path, plan.size, plan.fps, crf=EXACT) for path in paths)
            self._videos.append((frames, mask))

    def see(self, chunk: Chunk, vcu: VCU) -> None:
        """Each pass to its two videos; the references once."""
        for layer, (frames, mask) in enumerate(self._videos):
            frames.write(frames_of(chunk, vcu, layer))
            mask.write(masks_of(chunk, vcu, layer))
        if not chunk.index:
            for path, image in zip(self._references, references_of(vcu), strict=True):
                write_image(path, image)

    def close(self) -> None:
        """Finish every video."""
        self._all.close()

    def abort(self) -> None:
        """Stop every video."""
        self._all.abort()

    @property
    def _all(self) -> Sink:
        return Tee([sink for pair in self._videos for sink in pair])


class TensorWriter:
    """Whole chunks, as they are, in one file: frames, masks, latent_masks of each pass, references."""

    def __init__(self, plan: Plan, path: Path) -> None:
        self._plan, self._path = plan, path
        self._pieces: dict[str, list[Tensor]] = {}
        self._references: tuple[Tensor, ...] = ()
        self._prompts: list[str] = []
        self._scales: list[float] = []

    def see(self, chunk: Chunk, vcu: VCU) -> None:
        """Keep what is given."""
        for layer, given in enumerate(vcu.layers):
            for name in ("frames", "masks", "latent_masks"):
                self._pieces.setdefault(f"{name}{_numbered(layer)}", []).append(getattr(given, name))
        self._references = vcu.references
        self._prompts.append(vcu.prompt)
        self._scales = [float(vcu.context_scale * torch.as_tensor(one.scale).max()) for one in vcu.layers]

    def close(self) -> None:
        """Write the file, which appears when it is complete."""
        from safetensors.torch import save_file

        plan, path = self._plan, self._path
        tensors = {name: torch.cat(pieces).contiguous() for name, pieces in self._pieces.items()}
        if self._references:
            tensors["references"] = torch.stack(self._references)
        said: dict[str, Any] = {"task": plan.task, "fps": str(plan.fps), "num_frames": plan.num_frames}
        said |= {"prompts": self._prompts, "scales": self._scales}
        said["recipe"] = plan.recipe.resolved(path.parent)
        metadata = {"schema": "vacestream.vcu/1", **{name: json.dumps(value) for name, value in said.items()}}
        part = path.with_name(f"{path.stem}.part{path.suffix}")
        try:
            save_file(tensors, part, metadata)
            part.replace(path)
        except OSError as e:
            raise OutputError(f"{path}: cannot be written ({e.strerror or e})") from e

    def abort(self) -> None:
        """Nothing is there yet."""


def _writer(job: Preview, stack: ExitStack) -> Writer:
    path = Path(job.path)
    match job.kind:
        case "sheet":
            return SheetWriter(job.plan, path, stack)
        case "tensors":
            return TensorWriter(job.plan, path)
        case "folder":
            try:
                path.mkdir(exist_ok=True)
            except OSError as e:
                raise OutputError(f"{path}: cannot be made ({e.strerror}); make its parent first") from e
            return FolderWriter(job.plan, {Path(file).stem: Path(file) for file in job.files})


def _kind(path: str) -> Kind:
    suffix = Path(path).suffix.lower()
    if path.endswith("/") or Path(path).is_dir():
        return "folder"
    if suffix == ".safetensors":
        return "tensors"
    if suffix in STILLS and "%" not in path:
        return "sheet"
    raise RecipeError(f"{path}: not a preview; write sheet.png, a folder with a last / or vcu.safetensors")


def _folder_files(recipe: Recipe, folder: Path, suffix: str) -> dict[str, str]:
    """VACE's names of the files."""
    passes = range(max(1, len(recipe.controls)))
    videos = [f"{name}{_numbered(i)}{suffix}" for i in passes for name in ("src_video", "src_mask")]
    pictures = [f"src_ref_image_{i + 1}.png" for i in range(sum(one.scale > 0 for one in recipe.references))]
    return {name: str(folder / name) for name in (*videos, *pictures)}


def _numbered(layer: int) -> str:
    return f"_{layer + 1}" if layer else ""


def _refuse_too_large(plan: Plan) -> None:
    if plan.num_frames is None or plan.size is None:
        return
    needed = plan.num_frames * plan.size[0] * plan.size[1] * 4 * 4 * max(1, len(plan.recipe.controls))
    if needed > MAX_BYTES:
        what = f"{plan.num_frames} frames are {needed / 2**30:.1f} GiB of tensors; add --set length=81f"
        raise RecipeError(f"{plan.recipe.name}: {what}")
