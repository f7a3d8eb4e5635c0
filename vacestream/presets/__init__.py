"""Recipes to start from, by name: the YAML files in this folder, each opening with what it gives."""

from dataclasses import dataclass
from pathlib import Path

from vacestream.recipe.names import unknown_word
from vacestream.recipe.text import Document, read_document

FOLDER = Path(__file__).parent
SUFFIXES = (".yaml", ".yml")
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@dataclass(frozen=True)
class Preset:
    """One recipe to start from."""

    name: str
    text: str

    @property
    def summary(self) -> str:
        """What it gives, in a line."""
        return self.text.partition("\n")[0].removeprefix("# ")

    @property
    def document(self) -> Document:
        """What it says; its paths are relative to the current folder."""
        return read_document(self.text, f"preset {self.name}")


def named(name: str) -> Preset:
    """The preset of this name; ValueError with the nearest."""
    if name not in NAMES:
        word = unknown_word(name, "preset", list(NAMES))
        raise ValueError(f"{word}; `vacestream presets` lists them, and a file ends in .yaml")
    return Preset(name, (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def is_file(preset: str) -> bool:
    """Whether this names a file rather than one of ours."""
    return preset.endswith(SUFFIXES) or "/" in preset or "\\" in preset
