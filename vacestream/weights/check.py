"""Files that are here -> whether every byte is the published one; and away with them."""

from dataclasses import dataclass
from pathlib import Path

from vacestream.weights.places import files_of, locate, model
from vacestream.weights.rows import File, Part
from vacestream.weights.sums import forget_sum, harm, known_sum, sum_of
from vacestream.weights.table import MODELS


@dataclass(frozen=True)
class Verdict:
    """What a check of one file found."""

    path: Path
    fault: str | None
    """None where the file is whole."""
    by: str
    """How that is known: a sum, or only its structure."""


def verify(part: Part) -> list[Verdict]:
    """Every byte of a part's files against the sums that are known; empty where none of them is here."""
    found = locate(part, whole=False)
    if found is None:
        return []
    file, path = found
    return [_verdict(file if one == path else file.beside(one.name), one) for one in files_of(path)]


def remove(name: str) -> tuple[list[Path], dict[str, str]]:
    """Delete a model; the files that went, and the parts that stay -> another model that needs them."""
    gone: list[Path] = []
    kept: dict[str, str] = {}
    for key, part in model(name).parts.items():
        found = locate(part, whole=False)
        if found is None:
            continue
        if needed := _needed_by_another(name, part):
            kept[key] = needed
            continue
        gone += [path for path in files_of(found[1]) if delete(path)]
    return gone, kept


def delete(path: Path) -> bool:
    """Delete a file, of Hugging Face's cache also what it points to; whether it was there."""
    if not path.is_file():
        return False
    blob = path.resolve()
    path.unlink()
    forget_sum(path)
    snapshots = blob.parent.parent / "snapshots"
    if blob != path and blob.is_file() and not any(other.resolve() == blob for other in snapshots.rglob("*")):
        blob.unlink()
    return True


def _verdict(file: File, path: Path) -> Verdict:
    if fault := harm(path, file.num_bytes):
        return Verdict(path, fault, "its structure")
    total = file.sha256 or known_sum(path)
    if total is None:
        return Verdict(path, None, "its structure; no sum is known")
    fault = None if sum_of(path, total) == total else "is damaged"
    return Verdict(path, fault, "its sha256" if len(total) == 64 else "its sum in git")


def _needed_by_another(name: str, part: Part) -> str | None:
    """A model that is here with a transformer or net of its own and has the same part."""
    own = next(iter(model(name).parts.values()))
    for other, row in MODELS.items():
        first = next(iter(row.parts.values()))
        shares = any(part.files[0] == one.files[0] for one in row.parts.values())
        if other != name and shares and first.files[0] != own.files[0] and locate(first):
            return other
    return None
