"""What can be told to a running stream: one table, from which help, messages, keys, OSC and page come."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from vacestream.errors import RecipeError
from vacestream.recipe.base import Count, Flag, Model
from vacestream.recipe.messages import problems
from vacestream.recipe.text import Document, Place
from vacestream.recipe.values import TimeValue
from vacestream.unbuilt import STEERED

SETTABLE = (*STEERED, "timeline")
"""Keys of a recipe that `set` takes, and what is inside them."""


class Message(Model):
    """One message to a running stream; `set` takes keys of the recipe, as `--set` does."""

    set: dict[str, Any] | None = None
    """Keys of the recipe and what they shall be, such as controls.0.scale: 0.5; null as when left out."""
    blend: TimeValue | None = None
    """How long a new prompt takes; at once when left out."""
    blend_by: Literal["linear", "slerp"] = "linear"
    """The way from the old prompt to the new."""
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
        said = [verb.name for verb in VERBS if getattr(self, verb.name) is not None]
        if not said:
            raise ValueError('says nothing; write {"set": {"prompt": "..."}}')
        if len(said) > 1 and not {*said} < {"set", "scene", "reset"}:
            raise ValueError(f"says {' and '.join(said)} at once; send one after the other")
        if self.blend is not None and "prompt" not in (self.set or {}):
            raise ValueError("blend is of a new prompt; set one in the same message")
        return self


@dataclass(frozen=True)
class Verb:
    """Something that can be told to a running stream."""

    name: str
    """Its key in a message."""
    takes: str
    does: str
    keys: str = ""
    """On the keyboard."""


VERBS = (
    Verb("set", "keys of the recipe", f"sets {', '.join(SETTABLE)}, and what is inside them"),
    Verb("reset", "soft or hard", "forgets what was made", "r R"),
    Verb("blackout", "true or false", "shows black; the stream goes on beneath", "b"),
    Verb("freeze", "true or false", "holds the picture; the stream goes on beneath", "f"),
    Verb("scene", "1 to 9", "turns to another of the recipes that were given", "1..9"),
    Verb("stop", "true", "ends the stream, files complete", "q"),
)


def read_message(data: Any) -> Message:
    """A message from plain data; RecipeError says what is wrong with it."""
    if not isinstance(data, dict):
        raise RecipeError('message: a message is an object, such as {"set": {"prompt": "..."}}')
    try:
        return Message.model_validate(data)
    except ValidationError as error:
        place = Document(data, {(): Place("message")})
        raise RecipeError("\n".join(problems(error, Message, place))) from error
