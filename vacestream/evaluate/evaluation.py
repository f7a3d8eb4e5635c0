"""Runs the table: each ask is made once a clip and read by every row that it concerns."""

from collections.abc import Callable, Iterable

from vacestream.errors import VacestreamError
from vacestream.evaluate import sampling
from vacestream.evaluate.asks import FRAMES, Ask
from vacestream.evaluate.estimate import estimate
from vacestream.evaluate.levels import Values
from vacestream.evaluate.rows import JUDGE, Row, Way
from vacestream.evaluate.sampling import Sampler
from vacestream.evaluate.truth import Truth, make_truth

ACCEPTED = 0.9
"""What the judge must say of the clips themselves, or nothing that it says counts."""
JUDGED_CLIPS = 24
LONG_CLIPS = 8
"""Clips of which streams of 50 chunks are made, of LONG_FROM or more."""
LONG_FROM = 16

Tell = Callable[[str], None]


def evaluate(rows: Iterable[Row], *, clips: int, size: tuple[int, int], tell: Tell) -> dict[str, list[float]]:
    """Values of the rows, one a clip, by their names; refuses where the judge does not know the truth."""
    values = measure(JUDGE, {"unchanged": sampling.through_nothing}, clips=JUDGED_CLIPS, size=size)
    refuse_judge(values)
    tell("the judge is accepted; loading the embedded model")
    pipeline = sampling.load()
    samplers: dict[Way, Sampler] = {
        "vae": sampling.through_vae(pipeline),
        "batch": sampling.batch(),
        "streaming": sampling.streaming(pipeline),
    }
    made = [row for row in rows if row not in JUDGE and (row.ask.num_frames == FRAMES or clips >= LONG_FROM)]
    return values | measure(made, samplers, clips=clips, size=size, tell=tell)


def measure(
    rows: Iterable[Row],
    samplers: dict[Way, Sampler],
    *,
    clips: int,
    size: tuple[int, int],
    tell: Tell = lambda _: None,
) -> dict[str, list[float]]:
    """A value a clip for each row, by its name."""
    due: dict[tuple[Way, Ask], list[Row]] = {}
    for row in rows:
        due.setdefault((row.way, row.ask), []).append(row)
    values: dict[str, list[float]] = {row.name: [] for row in rows}
    for index in range(clips):
        truths: dict[tuple[int, int], Truth] = {}
        for (way, ask), concerned in due.items():
            if ask.num_frames > FRAMES and index >= LONG_CLIPS:
                continue
            key = ask.sprites, ask.num_frames
            if key not in truths:
                truths[key] = make_truth(index, size, sprites=ask.sprites, num_frames=ask.num_frames)
            made = samplers[way](ask, truths[key])
            for row in concerned:
                values[row.name].append(round(row.measure.of(made, truths[key], ask), 4))
        tell(f"clip {index + 1} of {clips}")
    return values


def refuse_judge(values: Values) -> None:
    """Refuse to go on with a judge that does not know the clips themselves."""
    wrong = [
        f"{row.name}: the judge reaches {mean:.2f} on the clips themselves, {ACCEPTED} is needed; "
        "nothing is measured until vacestream/evaluate/judge.py fits the world"
        for row in JUDGE
        if (mean := estimate(values[row.name]).mean) < ACCEPTED
    ]
    if wrong:
        raise VacestreamError("\n".join(wrong))
