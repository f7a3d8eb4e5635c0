"""What a row of the table of model files says."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

INDEX = ".index.json"
"""How the name of a sharded checkpoint's table of contents ends."""

FORMS = (".safetensors", ".safetensors.index.json", ".pt", ".pth", ".bin", ".bin.index.json")
"""What the same weights may also be kept as, under the same name."""

ONE_FORM = ("tokenizer.json", ".onnx")
"""Endings of files that are what they are."""


@dataclass(frozen=True)
class File:
    """A file of a Hugging Face repository; of a sharded checkpoint, its table of contents."""

    repo: str
    path: str
    num_bytes: int | None = None
    """With all shards; None where it is not published."""
    sha256: str | None = None
    """As published; None where it is not, or where shards have one each."""
    url: str | None = None
    """Where it is published if not on the hub; `repo` is then only the name of its folder."""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def beside(self, name: str) -> "File":
        """Another file of the same folder, of which nothing is published here."""
        folder, slash, _ = self.path.rpartition("/")
        return replace(self, path=f"{folder}{slash}{name}", num_bytes=None, sha256=None)

    @property
    def forms(self) -> list["File"]:
        """The same weights as each kind of file, this one first, of which alone sums are known."""
        if self.path.endswith(ONE_FORM):
            return [self]
        stem = self.path.removesuffix(INDEX).rpartition(".")[0]
        others = (stem + form for form in FORMS if stem + form != self.path)
        return [self, *(self.beside(path.rpartition("/")[2]) for path in others)]


@dataclass(frozen=True)
class Part:
    """One part of a model: files that all hold it, the first that is there is taken."""

    files: tuple[File, ...]
    """The first is the one that is fetched."""
    licence: str = "Apache-2.0"
    """As the page of the weights says it, else as the code says that came with them."""
    entry: str | None = None
    """Which of several sets of weights in the file."""
    alpha: float = 0.0
    """Of a LoRA: it is added times alpha / rank."""

    @property
    def is_commercial(self) -> bool | None:
        """Whether the licence lets the weights be used for money; None where there is none."""
        return None if self.licence == UNKNOWN else "NC" not in self.licence.split("-")

    def to_dict(self) -> dict[str, Any]:
        """The file that is fetched, as plain data."""
        file = self.files[0]
        return {
            "repo": file.repo,
            "file": file.path,
            "bytes": file.num_bytes,
            "sha256": file.sha256,
            "licence": self.licence,
            "commercial": self.is_commercial,
        }


UNKNOWN = "unknown"
"""A licence that neither the weights nor their code state."""


@dataclass(frozen=True)
class Model:
    """All parts of a pipeline, or of an annotator."""

    parts: Mapping[str, Part]
    """Of a pipeline: transformer, vace, vae, text, tokenizer; some have lora, or base, for whole clips."""
    config: Mapping[str, Mapping[str, Any]] | None = None
    """What diffusers and transformers build vae, text_encoder and tokenizer from; None: Wan2.1's. Of an
    annotator that is loaded by transformers: what its net is built from."""

    @property
    def licences(self) -> tuple[str, ...]:
        """Every licence among the parts, once."""
        return tuple(dict.fromkeys(part.licence for part in self.parts.values()))
