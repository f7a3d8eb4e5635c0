"""What can be told to a running stream: one table, from which messages, keys, OSC and page come."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from vacestream.errors import RecipeError
from vacestream.recipe.base import Count, Flag, Model
from vacestream.recipe.messages import problems
from vacestream.recipe.text import Document, Place
from vacestream.recipe.values import TimeValue

OSC_ROOT = "/vacestream/"


@dataclass(frozen=True)
class Verb:
    """Something that can be told to a running stream."""

    name: str
    """A key of the recipe, or of a message."""
    takes: str
    does: str
    sets: bool = True
    """Whether it is a key of the recipe."""
    key: str = ""
    """On the keyboard."""

    @property
    def osc(self) -> str:
        """Its OSC address."""
        return f"{OSC_ROOT}{self.name}"

    def message(self, value: Any) -> dict[str, Any]:
        """The message that tells a stream this."""
        return {"set": {self.name: value}} if self.sets else {self.name: value}


VERBS = (
    Verb("prompt", "text", "what the video shows; `blend: 2 chunks` goes over by degrees", key="p"),
    Verb("references", "pictures", "whose subject it takes; references.0.scale alone, too"),
    Verb(
        "controls", "a list", "controls.0.scale and controls.0.on turn a signal up, down, off and on", key="c"
    ),
    Verb("context_scale", "0 to 2", "times all that VACE adds", key="- +"),
    Verb("mask", "a region", "what is made anew; none: everything"),
    Verb("seed", "a number", "the noise from here"),
    Verb("steps", "a number", "denoising steps a chunk, where the pipeline takes another number"),
    Verb("strength", "0 to 1", "how far from the input's own picture, if it started with one"),
    Verb("loras", "files", "low-rank changes of the base"),
    Verb("vace", "choices", "vace.adapter: none unloads the context blocks, own or a file attaches them"),
    Verb("timeline", "changes", "what is still to come"),
    Verb("reset", "soft or hard", "forgets what was made; hard: at a cut", sets=False, key="r R"),
    Verb("blackout", "true or false", "shows black; the stream goes on beneath", sets=False, key="b"),
    Verb("freeze", "true or false", "holds the picture; the stream goes on beneath", sets=False, key="f"),
    Verb("scene", "1 to 9", "turns to another of the recipes that were given", sets=False, key="1..9"),
    Verb("stop", "true", "ends the stream; files are completed", sets=False, key="q"),
)
SETTABLE = tuple(verb.name for verb in VERBS if verb.sets)
"""Keys of a recipe that `set` takes, and what is inside them."""


_TELLS = ("set", *(verb.name for verb in VERBS if not verb.sets))


class Message(Model):
    """One message to a running stream; `set` takes keys of the recipe, as `--set` does."""

    set: dict[str, Any] | None = None
    """Keys of the recipe and what they shall be, such as controls.0.scale: 0.5; null as when left out."""
    blend: TimeValue | None = None
    """How long a new prompt takes; at once when left out."""
    blend_by: Literal["linear", "slerp"] = "linear"
    """The way from the old prompt to the new."""
    switch: Literal["recache", "keep"] | None = None
    """What a new prompt or LoRA does to what is remembered; the pipeline's own way when left out."""
    reset: Literal["soft", "hard"] | None = None
    """Forget what was made: soft keeps the decoder's last frames, hard cuts."""
    blackout: Flag | None = None
    """Show black; the stream goes on beneath."""
    freeze: Flag | None = None
    """Hold the picture; the stream goes on beneath."""
    scene: Annotated[Count, Field(ge=1)] | None = None
    """The recipe to turn to, counted from 1."""
    stop: Literal[True] | None = None
    """End the stream behind the chunks in work."""
    id: str | int | None = None
    """Comes back with every answer."""

    @property
    def told(self) -> dict[str, Any]:
        """What it says, as plain data."""
        return self.model_dump(mode="json", exclude_unset=True, exclude={"id"})

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        said = [name for name in _TELLS if getattr(self, name) is not None]
        if not said:
            raise ValueError('says nothing; write {"set": {"prompt": "..."}}')
        if len(said) > 1 and not {*said} < {"set", "scene", "reset"}:
            raise ValueError(f"says {' and '.join(said)} at once; send one after the other")
        for name in ("blend", "switch"):
            if getattr(self, name) is not None and not {"prompt", "loras"} & {*(self.set or {})}:
                raise ValueError(f"{name} is of a new prompt; set one in the same message")
        return self


def read_message(data: Any) -> Message:
    """A message from plain data; RecipeError says what is wrong with it."""
    if not isinstance(data, dict):
        raise RecipeError('message: a message is an object, such as {"set": {"prompt": "..."}}')
    try:
        return Message.model_validate(data)
    except ValidationError as error:
        place = Document(data, {(): Place("message")})
        raise RecipeError("\n".join(problems(error, Message, place))) from error
