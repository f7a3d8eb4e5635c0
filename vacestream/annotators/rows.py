"""A row of the table of tasks: what it gives, what it needs, what makes it."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from vacestream.annotators.parameters import Nothing
from vacestream.errors import RecipeError
from vacestream.recipe.base import Model
from vacestream.weights import ANNOTATORS, Part

Group = Literal["control", "mask", "outpainting", "extension", "reference", "composition"]


@dataclass(frozen=True)
class Choice:
    """Another maker of a task's signal, which its parameters name."""

    model: str
    """What makes it, as `plan` says it."""
    place: str
    """module:name below vacestream.annotators; empty where it is not built yet."""
    weights: tuple[str, ...] = ()
    """Nets that it needs, by their names in the table of model files."""
    packages: tuple[str, ...] = ()
    fixed: dict[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    """Parameters of the task that mean nothing here."""


@dataclass(frozen=True)
class Row:
    """One task, by VACE's name of it."""

    name: str
    group: Group
    summary: str
    """What is given back."""
    model: str
    """What makes it, as `plan` says it."""
    inputs: str
    place: str = ""
    """module:name below vacestream.annotators; empty where it is not built yet."""
    parameters: type[Model] = Nothing
    fixed: dict[str, Any] = field(default_factory=dict)
    """What its name says already, passed on with the parameters."""
    weights: tuple[str, ...] = ()
    """Nets that it needs, by their names in the table of model files."""
    packages: tuple[str, ...] = ()
    choices: dict[str, Choice] = field(default_factory=dict)
    """What else can make it, by what its parameters name."""
    chooser: str = "net"
    """What of its parameters names a choice."""
    ignored: tuple[str, ...] = ()
    """Parameters that mean nothing to what makes it."""
    viewed: bool = False
    """Its parameters speak of moments and pixels of the footage, so it is told the View."""
    kept: bool = False
    """Whether it goes into the cache: it costs more to make than to write and read once (measured)."""
    recipe: str = ""
    """The keys of a recipe that ask for it."""
    composed: bool = False
    """A recipe makes it of what is built; it has no file of its own."""

    @property
    def built(self) -> bool:
        return bool(self.place) or self.composed

    def chosen(self, parameters: Model) -> "Row":
        """The row of the choice that parameters name, which is this one where they name no other."""
        choice = self.choices.get(getattr(parameters, self.chooser, ""))
        if choice is None:
            return self
        if not choice.place:
            raise RecipeError(f"{self.name}: {choice.model}; leave `net:` out")
        same = ("model", "place", "weights", "packages", "fixed", "ignored")
        return replace(self, **{key: getattr(choice, key) for key in same}, choices={})

    def refuse_ignored(self, parameters: Model) -> None:
        """RecipeError where something is asked that means nothing to what makes it."""
        for name in self.ignored:
            if getattr(parameters, name) != type(parameters).model_fields[name].default:
                raise RecipeError(f"{self.name}: {name} means nothing to {self.model}; leave it out")

    @property
    def licence(self) -> str:
        """Of the weights, else of the code."""
        return _licence(self.weights)

    @property
    def missing(self) -> str:
        """The weights that it needs, in words."""
        return " and ".join(f"{part.files[0].path} of {part.files[0].repo}" for part in self.parts)

    @property
    def parts(self) -> list[Part]:
        """The files of the nets that it needs."""
        return [part for name in self.weights for part in ANNOTATORS[name].parts.values()]

    def to_dict(self) -> dict[str, Any]:
        """The row as plain data; `parameters` is JSON Schema."""
        return {
            "task": self.name,
            "group": self.group,
            "summary": self.summary,
            "inputs": self.inputs,
            "parameters": self.parameters.model_json_schema().get("properties", {}),
            "model": self.model,
            "licence": self.licence,
            "weights": [part.to_dict() for part in self.parts],
            "choices": {
                name: {
                    "model": choice.model,
                    "licence": _licence(choice.weights),
                    "built": bool(choice.place),
                }
                for name, choice in self.choices.items()
            },
            "packages": list(self.packages),
            "kept": self.kept,
            "built": self.built,
            "recipe": self.recipe,
        }


def _licence(nets: tuple[str, ...]) -> str:
    licences = (licence for net in nets for licence in ANNOTATORS[net].licences)
    return ", ".join(dict.fromkeys(licences)) or "Apache-2.0"
