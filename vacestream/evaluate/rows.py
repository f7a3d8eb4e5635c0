"""What is measured, as a table: a measure of an ask in a way of making, and how such rows compare."""

from dataclasses import dataclass
from typing import Literal

from vacestream.evaluate import asks
from vacestream.evaluate import measures as of
from vacestream.evaluate.asks import Ask
from vacestream.evaluate.measures import Measure

Way = Literal["unchanged", "vae", "batch", "streaming"]
"""The clip itself; through the VAE; whole, on the bidirectional base; chunk by chunk on the causal one."""


@dataclass(frozen=True)
class Row:
    """One measure of the frames that one ask gives."""

    measure: Measure
    ask: Ask
    way: Way
    quick: bool = False
    """Whether it is of the set that `--assert` makes."""
    baseline: bool = False
    """What there is without being asked for: to compare with, held to nothing."""

    @property
    def group(self) -> str:
        return self.measure.name

    @property
    def label(self) -> str:
        return f"{self.ask.name}, {self.way}"

    @property
    def name(self) -> str:
        return f"{self.group}: {self.label}"

    @property
    def less(self) -> bool:
        return self.measure.less


@dataclass(frozen=True)
class Relation:
    """Two rows against each other: top over bottom, or how far top is under bottom."""

    group: str
    label: str
    top: Row
    bottom: Row
    how: Literal["ratio", "short of"] = "ratio"

    @property
    def name(self) -> str:
        return f"{self.group}: {self.label}"

    @property
    def baseline(self) -> bool:
        return False

    @property
    def less(self) -> bool:
        return self.how == "short of" or self.top.less

    @property
    def quick(self) -> bool:
        return self.top.quick and self.bottom.quick


Line = Row | Relation

CLIP = Ask("the clips")
QUICK_BATCH = (asks.DEPTH, asks.DEPTH_REFERENCE)
PAIR = Ask("two sprites: the clips", control="depth", sprites=2)


def _both(measure: Measure, ask: Ask, *, baseline: bool = False) -> tuple[Row, Row]:
    return (
        Row(measure, ask, "streaming", quick=True, baseline=baseline),
        Row(measure, ask, "batch", quick=ask in QUICK_BATCH, baseline=baseline),
    )


JUDGE = (
    Row(of.IOU, CLIP, "unchanged", quick=True),
    Row(of.COLOUR, CLIP, "unchanged", quick=True),
    Row(of.SHAPE, CLIP, "unchanged", quick=True),
    Row(of.GROUND, CLIP, "unchanged", quick=True),
    Row(of.COLOUR, PAIR, "unchanged", quick=True),
)
"""What the judge says of the truth."""

CEILING = {
    measure: Row(measure, CLIP, "vae", quick=True)
    for measure in (
        of.FIDELITY, of.IOU, of.DEPTH_ERROR, of.COLOUR, of.SHAPE, of.GROUND, of.FIRST, of.LAST, of.KEPT_HALF,
        of.FLICKER, of.SEAM,
    )
}  # fmt: skip
"""What the VAE leaves of the clips: nothing that is made can be expected to be better."""

NO_HINT, NO_HINT_BATCH = _both(of.IOU, asks.NO_HINT, baseline=True)
OBEYED = {ask: _both(of.IOU, ask) for ask in asks.SIGNALLED}
REFERENCE_COLOUR = _both(of.COLOUR, asks.REFERENCE)
REFERENCE_SHAPE = _both(of.SHAPE, asks.REFERENCE)
DEPTH_REFERENCE = _both(of.COLOUR, asks.DEPTH_REFERENCE)
LONG = Row(of.EARLY, asks.LONG_DEPTH, "streaming"), Row(of.LATE, asks.LONG_DEPTH, "streaming")
ENDS = Row(of.FIRST, asks.ENDS, "streaming", quick=True), Row(of.LAST, asks.ENDS, "streaming", quick=True)
HALF = Row(of.KEPT_HALF, asks.HALF, "streaming", quick=True)

ROWS: tuple[Row, ...] = (
    *JUDGE,
    *CEILING.values(),
    NO_HINT,
    NO_HINT_BATCH,
    *(row for pair in OBEYED.values() for row in pair),
    *_both(of.DEPTH_ERROR, asks.NO_HINT, baseline=True),
    *(row for ask in asks.SIGNALLED for row in _both(of.DEPTH_ERROR, ask)),
    *(row for measure in (of.COLOUR, of.SHAPE, of.GROUND) for row in _both(measure, asks.NO_HINT)),
    *ENDS,
    Row(of.FIRST, asks.ENDS, "batch"),
    Row(of.LAST, asks.ENDS, "batch"),
    HALF,
    Row(of.KEPT_HALF, asks.HALF, "batch"),
    Row(of.COLOUR, asks.UNNAMED_DEPTH, "streaming", quick=True, baseline=True),
    *DEPTH_REFERENCE,
    Row(of.COLOUR, asks.OTHER_REFERENCE, "streaming"),
    Row(of.COLOUR, asks.OTHER_REFERENCE, "batch"),
    Row(of.COLOUR, asks.UNNAMED, "streaming", baseline=True),
    Row(of.SHAPE, asks.UNNAMED, "streaming", baseline=True),
    *REFERENCE_COLOUR,
    *REFERENCE_SHAPE,
    Row(of.UNPAINTED, asks.REFERENCE, "streaming", quick=True),
    Row(of.UNPAINTED, asks.DEPTH_REFERENCE, "streaming", quick=True),
    Row(of.COLOUR, asks.TWO_DEPTH, "streaming"),
    Row(of.COLOUR, asks.TWO_REFERENCES, "streaming"),
    Row(of.COLOUR, asks.TWO_DEPTH, "batch"),
    Row(of.COLOUR, asks.TWO_REFERENCES, "batch"),
    *(Row(measure, asks.DEPTH, "streaming", quick=True) for measure in (of.FLICKER, of.SEAM)),
    Row(of.FLICKER, asks.NO_HINT, "streaming", quick=True),
    Row(of.SEAM, asks.NO_HINT, "streaming", quick=True),
    *(Row(of.IOU, ask, "streaming", baseline=ask.scale == 0) for ask in asks.SCALED if ask is not asks.DEPTH),
    *(
        Row(of.FIDELITY, ask, "streaming", quick=ask is asks.DEPTH, baseline=ask.scale == 0)
        for ask in asks.SCALED
    ),
    *LONG,
    Row(of.LATE_COLOUR, asks.LONG_WORDS, "streaming"),
)

RELATIONS: tuple[Relation, ...] = (
    *(
        Relation("share of the ceiling's IoU", f"{ask.name}, streaming", stream, CEILING[of.IOU])
        for ask, (stream, _) in OBEYED.items()
    ),
    *(
        Relation("times the IoU without a hint", f"{ask.name}, streaming", stream, NO_HINT)
        for ask, (stream, _) in OBEYED.items()
    ),
    *(
        Relation("streaming over batch", f"silhouette IoU: {ask.name}", stream, batch)
        for ask, (stream, batch) in OBEYED.items()
    ),
    Relation("streaming over batch", "colour right: depth + reference", *DEPTH_REFERENCE),
    Relation("streaming over batch", "colour right: reference", *REFERENCE_COLOUR),
    Relation("dB short of the VAE", "first frame given", ENDS[0], CEILING[of.FIRST], "short of"),
    Relation("dB short of the VAE", "last frame given", ENDS[1], CEILING[of.LAST], "short of"),
    Relation("dB short of the VAE", "left half given", HALF, CEILING[of.KEPT_HALF], "short of"),
    Relation("last fifth over first", "50 chunks: depth", LONG[1], LONG[0]),
)

TABLE: tuple[Line, ...] = (*ROWS, *RELATIONS)
