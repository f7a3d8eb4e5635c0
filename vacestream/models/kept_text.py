"""Prompts -> embeddings that are kept on disk, so that the encoder and its files are needed once a prompt.

An embedding is found by its prompt and by who made it: the published encoder, numbers and kind of device. It
is made again when other files of that encoder have come since.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from vacestream import cache
from vacestream.models.text import TextEncoder, clean
from vacestream.weights.sums import known_sum

KIND = "embeddings"
_ENDS = 1 << 20
"""Bytes at each end of a file that tell it from others of its length."""


@dataclass
class KeptText:
    """An encoder that is loaded when a prompt is new, and dropped by `prepare`."""

    load: Callable[[], TextEncoder]
    """Loads it; ModelError where its files are missing."""
    facts: Mapping[str, Any]
    """Who encodes, as known without the files."""
    made_from: str | None
    """Of the files that are here; None where they are not."""
    length: int
    device: torch.device
    dtype: torch.dtype
    encoder: TextEncoder | None = None
    known: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, prompt: str) -> Tensor:
        """[L text_dim]; rows behind the prompt are zero, and are attended all the same."""
        prompt = clean(prompt)
        if not self.has([prompt]):
            self.known[prompt] = self._make(prompt)
        return self.known[prompt]

    def has(self, prompts: Iterable[str]) -> bool:
        """Whether these prompts need no encoder."""
        for prompt in map(clean, prompts):
            if prompt not in self.known and (found := self._read(prompt)) is not None:
                self.known[prompt] = found
            if prompt not in self.known:
                return False
        return True

    def prepare(self, prompts: Iterable[str]) -> None:
        """Embed prompts now, and let go of the encoder."""
        for prompt in prompts:
            self(prompt)
        self.encoder = None

    def _make(self, prompt: str) -> Tensor:
        self.encoder = self.encoder or self.load()
        made = self.encoder(prompt).to(self.device)
        words = made[: int(made.any(dim=1).nonzero().max()) + 1] if made.any() else made[:0]
        data = save({"embedding": words.cpu().contiguous()}, {"made_from": self.made_from or ""})
        cache.put(KIND, self._key(prompt), prompt or "no prompt", ".safetensors", data)
        return made

    def _read(self, prompt: str) -> Tensor | None:
        """What is kept, unless it was made from other files than are here."""
        path = cache.find(KIND, self._key(prompt))
        if path is None:
            return None
        try:
            data = path.read_bytes()
            words, made_from = load(data)["embedding"], _made_from(data)
        except (OSError, SafetensorError, KeyError, ValueError):
            return None
        if self.made_from not in (None, made_from):
            return None
        made = torch.zeros(self.length, words.shape[1], dtype=self.dtype, device=self.device)
        made[: len(words)] = words.to(made)
        return made

    def _key(self, prompt: str) -> str:
        return cache.key({**self.facts, "prompt": prompt, "length": self.length})


def fingerprint(paths: Iterable[Path]) -> str:
    """What tells files from others without reading all of them: a sum that is known, or length and ends."""
    found = hashlib.sha256()
    for path in paths:
        found.update((known_sum(path) or _ends(path)).encode())
    return found.hexdigest()


def _ends(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_ENDS)
        file.seek(max(0, size - _ENDS))
        return hashlib.sha256(start + file.read() + str(size).encode()).hexdigest()


def _made_from(data: bytes) -> str:
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return str(header.get("__metadata__", {}).get("made_from", ""))
