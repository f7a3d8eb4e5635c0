"""Tasks -> a value a clip for each of their measures, in each way of making and without what they ask."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from vacestream.evaluate import sampling
from vacestream.evaluate.asks import NO_HINT
from vacestream.evaluate.measures import COLOUR, Measure
from vacestream.evaluate.tasks import FRAMES, Task
from vacestream.evaluate.through import Made, make
from vacestream.evaluate.truth import Truth, make_alone
from vacestream.loading import Weights

MODES = {"streaming": "stream", "batch": "batch"}
CEILING = "the clip through the VAE"
COLUMNS = (*MODES, *(f"words alone, {way}" for way in MODES), CEILING)

Values = dict[str, dict[str, list[float]]]
"""Task and measure -> column -> a value a clip."""
Maker = Callable[[dict[str, Any], str], Made]
"""(recipe, way) -> its frames."""


@dataclass(frozen=True)
class Line:
    """One measure of one task."""

    task: Task
    measure: Measure

    @property
    def name(self) -> str:
        return f"{self.task.name}: {self.measure.name}"

    @property
    def shows_the_clip(self) -> bool:
        """Whether the clip itself would be right."""
        return not self.task.wide and (self.measure is not COLOUR or self.task.ask.references != "other")


def lines(tasks: Iterable[Task]) -> list[Line]:
    """Every measure of every task."""
    return [Line(task, one) for task in tasks for one in task.measures]


def through_the_line() -> Maker:
    """Each way keeps its weights."""
    weights = {way: Weights() for way in MODES}
    return lambda said, way: make(said, weights[way])


def measured(
    tasks: Iterable[Task],
    *,
    clips: range,
    size: tuple[int, int],
    maker: Maker,
    tell: Callable[[str], None] = lambda _: None,
) -> Values:
    """All tasks of the same clips, which are told by their numbers."""
    tasks, values = list(tasks), Values()
    through_vae = sampling.through_vae(sampling.load())
    for index in clips:
        truth = make_alone(index, size, num_frames=FRAMES)
        vae = through_vae(NO_HINT, truth)
        words: dict[str, Made] = {}
        for task in tasks:
            made = {way: maker(task.recipe(truth, mode), way) for way, mode in MODES.items()}
            kept = made["streaming"]
            for way, mode in MODES.items():
                alone = task.recipe(truth, mode, asked=False)
                if str(alone) not in words:
                    words[str(alone)] = maker(alone, way)
                made[f"words alone, {way}"] = kept.showing(words[str(alone)].frames)
            for line in lines([task]):
                ceiling = {CEILING: kept.showing(vae)} if line.shows_the_clip else {}
                row = values.setdefault(line.name, {})
                for column, one in {**made, **ceiling}.items():
                    row.setdefault(column, []).append(round(_value(line, one, truth), 4))
        tell(f"clip {index + 1} of {clips.stop}")
    return values


def _value(line: Line, made: Made, truth: Truth) -> float:
    """What a measure says of a clip; what is about the clip alone is held against the clip's own place."""
    given = None if made.given is None else replace(made.given, frames=line.task.frames)
    frames = made.decoded if line.measure.decoded else made.frames
    if not line.measure.canvas:
        top, left, bottom, right = made.inside
        frames = frames[..., top:bottom, left:right]
    return line.measure.of(frames, replace(truth, given=given), line.task.ask)
