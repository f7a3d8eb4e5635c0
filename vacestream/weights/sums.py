"""Whether files of weights are whole: by their structure in a moment, by their sums thoroughly."""

import hashlib
import json
import re
from contextlib import suppress
from pathlib import Path
from zipfile import is_zipfile

MANIFEST = "SHA256SUMS"
"""Beside weights: a line for each file, as sha256sum writes it."""

_ZIPPED = (".pt", ".pth", ".bin")
_BLOCK = 1 << 20


def harm(file: Path, num_bytes: int | None = None) -> str | None:
    """What is wrong with a file by its length and its structure; None where nothing is seen."""
    if not file.is_file():
        return "is missing"
    size = file.stat().st_size
    if num_bytes is not None and size != num_bytes:
        return "is cut short" if size < num_bytes else "is longer than published"
    with file.open("rb") as data:
        start = data.read(8)
        if file.suffix == ".safetensors":
            return _header_harm(start, data.read(100 << 20), size)
    if file.suffix in _ZIPPED and start.startswith(b"PK") and not is_zipfile(file):
        return "is cut short"
    if file.suffix == ".json":
        with suppress(ValueError):
            json.loads(file.read_bytes())
            return None
        return "is damaged"
    return None


def known_sum(file: Path) -> str | None:
    """The sum that a file must have as this machine knows: from the manifest beside it, or from its name in
    Hugging Face's cache, which is a sha256, or git's sha1 for small files."""
    manifest = file.parent / MANIFEST
    if manifest.is_file():
        listed = dict(line.split(maxsplit=1)[::-1] for line in manifest.read_text().splitlines() if line)
        if file.name in listed:
            return listed[file.name]
    blob = file.resolve()
    return blob.name if blob.parent.name == "blobs" and re.fullmatch("[0-9a-f]{40,64}", blob.name) else None


def sum_of(file: Path, like: str) -> str:
    """The sum of a file in the kind of another: sha256 of 64 digits, git's sha1 of 40."""
    kind = hashlib.sha256() if len(like) == 64 else hashlib.sha1(usedforsecurity=False)
    if len(like) == 40:
        kind.update(f"blob {file.stat().st_size}\0".encode())
    with file.open("rb") as data:
        while block := data.read(_BLOCK):
            kind.update(block)
    return kind.hexdigest()


def note_sum(file: Path, total: str) -> None:
    """Keep a file's sha256 in the manifest beside it."""
    _write(file.parent / MANIFEST, [*_without(file), f"{total}  {file.name}"])


def forget_sum(file: Path) -> None:
    """Strike a file out of the manifest beside it."""
    if (file.parent / MANIFEST).is_file():
        _write(file.parent / MANIFEST, _without(file))


def _without(file: Path) -> list[str]:
    manifest = file.parent / MANIFEST
    lines = manifest.read_text().splitlines() if manifest.is_file() else []
    return [line for line in lines if line.split(maxsplit=1)[1:] != [file.name]]


def _write(manifest: Path, lines: list[str]) -> None:
    if lines:
        manifest.write_text("\n".join(lines) + "\n")
    else:
        manifest.unlink(missing_ok=True)


def _header_harm(length: bytes, rest: bytes, size: int) -> str | None:
    """Whether a safetensors file holds all bytes that its header speaks of."""
    count = int.from_bytes(length, "little")
    try:
        header = json.loads(rest[:count])
        end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "is damaged"
    return None if size == 8 + count + end else "is cut short"
