"""How a recipe runs in real time, as recipes say it."""

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator

from vacestream.recipe.base import Model
from vacestream.recipe.values import Time, TimeValue


def _some_time(value: Time) -> Time:
    if value.unit == "chunks" or not value.amount:
        raise ValueError(f"{value} is no budget; write a time such as 500ms or 2s")
    return value


class Live(Model):
    """How the video keeps pace where it is made in real time."""

    latency_budget: Annotated[TimeValue, AfterValidator(_some_time)] = Time(Fraction(2), "s")
    """How much may wait behind a camera and before one before the oldest frames are left out; streams too."""
    overflow: Literal["block", "drop-oldest"] | None = None
    """Where too much waits; when left out, files and pipes block, cameras and streams drop the oldest."""
