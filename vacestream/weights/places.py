"""Where files of weights lie on this machine, and what is said of those that lie nowhere."""

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from vacestream.errors import ModelError
from vacestream.weights.rows import INDEX, File, Model, Part
from vacestream.weights.table import EMBEDDED, MODELS, WAN_CONFIG

FOLDER = "VACESTREAM_MODELS"
"""Names a folder of weights: OWNER/REPO/FILE, REPO/FILE or, for a part's first file, its name alone."""

CONTEXT = "vace"
"""The part of a pipeline that only references, controls, masks and anchors need."""

TEXT = ("text", "tokenizer")
"""The parts that only a prompt which was never embedded needs."""

_EMBEDDED_FILES = {
    "transformer": "causal.safetensors",
    "base": "base.safetensors",
    "vace": "vace.safetensors",
    "vae": "vae.safetensors",
    "text": "text.safetensors",
    "tokenizer": "tokenizer.json",
}


@dataclass(frozen=True)
class Found:
    """A part's file on this machine, and how it is read; see Part."""

    path: Path
    entry: str | None = None
    alpha: float = 0.0


def model(name: str) -> Model:
    """The row of a name; ModelError for one that is none."""
    if name not in MODELS:
        raise ModelError(
            f"{name}: its weights are in no table; run `vacestream models ls` to see those that are"
        )
    return MODELS[name]


def find(
    name: str, *, without: Collection[str] = (), optional: Collection[str] = ()
) -> tuple[dict[str, Found], Mapping[str, Mapping[str, Any]]]:
    """The files of a model by part, and its config; ModelError names all that are missing, but `optional`."""
    if name in EMBEDDED:
        found, config = _embedded(name)
        return {part: file for part, file in found.items() if part not in without}, config
    row = model(name)
    wanted = {part: row.parts[part] for part in row.parts if part not in without}
    paths = {part: look_up(wanted[part]) for part in wanted}
    lost = [part for part, path in paths.items() if path is None and part not in optional]
    if lost:
        raise ModelError("\n".join(_bring(name, part, wanted[part]) for part in lost))
    found = {
        part: Found(path, wanted[part].entry, wanted[part].alpha) for part, path in paths.items() if path
    }
    return found, row.config or WAN_CONFIG


def refuse_missing(names: Iterable[str]) -> None:
    """ModelError for every file of these models that is not here."""
    lost = []
    for name in names:
        try:
            find(name)
        except ModelError as error:
            lost.append(str(error))
    if lost:
        raise ModelError("\n".join(lost))


def file_of(name: str, part: str = "net") -> Found:
    """The file of one part; ModelError where it is missing."""
    return find(name, without=[other for other in model(name).parts if other != part])[0][part]


def look_up(part: Part) -> Path | None:
    """Where a part lies with all its shards: in the folder of weights, else in Hugging Face's cache."""
    found = locate(part)
    return found[1] if found else None


def locate(part: Part, *, whole: bool = True) -> tuple[File, Path] | None:
    """A part's file and where it lies; `whole`: only with all its shards."""
    return next((found for found in _candidates(part) if _is_there(found[1], whole)), None)


def files_of(path: Path) -> list[Path]:
    """A file, and of a table of contents all the shards that it lists, there or not."""
    if not path.name.endswith(INDEX):
        return [path]
    try:
        listed = set(json.loads(path.read_text())["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return [path]
    return [path, *(path.parent / name for name in sorted(listed))]


def models_folder() -> Path | None:
    """The folder of weights that the environment names; None where it names none."""
    named = os.environ.get(FOLDER)
    return Path(named).expanduser() if named else None


def _is_there(path: Path, whole: bool) -> bool:
    return path.is_file() and (not whole or all(file.is_file() for file in files_of(path)))


def _candidates(part: Part) -> Iterator[tuple[File, Path]]:
    if (folder := models_folder()) is not None:
        if not folder.is_dir():
            raise ModelError(f"{FOLDER}: {folder} is no folder; name one with weights in it, or unset it")
        yield from _in_folder(folder, part)
    for file in part.files:
        for form in file.forms:
            if (path := _in_cache(form)) is not None:
                yield form, path


def _in_folder(folder: Path, part: Part) -> Iterator[tuple[File, Path]]:
    for file in part.files:
        for form in file.forms:
            yield form, folder / form.repo / form.path
            yield form, folder / form.repo.rpartition("/")[2] / form.path
    for form in part.files[0].forms:
        yield form, folder / form.name


def _in_cache(file: File) -> Path | None:
    """Where a file is kept if it was fetched without a folder of weights."""
    from huggingface_hub import constants, try_to_load_from_cache

    if file.url is not None:
        return Path(constants.HF_ASSETS_CACHE) / "vacestream" / file.repo / file.path
    path = try_to_load_from_cache(file.repo, file.path)
    return Path(path) if isinstance(path, str) else None


def _bring(name: str, part: str, row: Part) -> str:
    """What is missing, and the command that brings it."""
    file = row.files[0]
    size = f" ({file.num_bytes / 1e9:.2g} GB)" if file.num_bytes else ""
    where = f"neither in {FOLDER} nor in Hugging Face's cache"
    return f"{name}: {part}: {file.path} of {file.repo}{size} is {where}; run `vacestream models pull {name}`"


def _embedded(name: str) -> tuple[dict[str, Found], Mapping[str, Mapping[str, Any]]]:
    folder = Path(str(files(EMBEDDED[name]) / "weights"))
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder.name}/config.json: the weights of {name} are missing; install vacestream again"
        )
    config = json.loads((folder / "config.json").read_text())
    return {part: Found(folder / file) for part, file in _EMBEDDED_FILES.items()}, config
