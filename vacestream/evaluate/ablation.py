"""The method's choices against each other on the embedded world: settings x asks, same clips, same noise."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vacestream.evaluate import asks, sampling
from vacestream.evaluate import measures as of
from vacestream.evaluate.asks import Ask
from vacestream.evaluate.estimate import Estimate, estimate
from vacestream.evaluate.measures import Measure
from vacestream.evaluate.truth import make_truth
from vacestream.method import PLAIN, Method
from vacestream.timeline import first_frame

LONG_FRAMES = first_frame(3 * 120)
EVERY = 25
"""Chunks between two renewals of the sink."""


@dataclass(frozen=True, eq=False)
class Setting:
    """One way of doing it."""

    name: str
    method: Method = PLAIN
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Of the ask."""


@dataclass(frozen=True)
class Study:
    """A question: its settings, the first of them the default, and what shows the answer."""

    settings: tuple[Setting, ...]
    asks: tuple[Ask, ...]
    measures: tuple[Measure, ...]


Values = Mapping[tuple[Ask, Measure, Setting], Sequence[float]]
"""A value a clip."""

_POSE_FLOW = (asks.POSE, Ask("flow", control="flow"))
_LONG = Ask("120 chunks: depth + reference", control="depth", references="own", num_frames=LONG_FRAMES)

STUDIES = {
    "references": Study(
        (
            Setting("sink"),
            Setting("hints", Method(references="hints")),
            Setting("prefix", Method(references="prefix")),
            Setting("sink, guidance 2.5", Method(reference_guidance=2.5)),
            Setting("hints, guidance 1.5", Method(references="hints", reference_guidance=1.5)),
            Setting("hints, guidance 2.5", Method(references="hints", reference_guidance=2.5)),
            Setting("hints, guidance 4", Method(references="hints", reference_guidance=4.0)),
        ),
        (asks.REFERENCE, asks.DEPTH_REFERENCE),
        (of.COLOUR, of.IOU, of.GROUND, of.UNPAINTED),
    ),
    "memory": Study(
        (Setting("none"), *(Setting(f"{n} latents", Method(memory=n)) for n in (3, 6, 12))),
        _POSE_FLOW,
        (of.BORDER_ERROR, of.SEAM, of.IOU),
    ),
    "commit_hints": Study(
        (Setting("on"), Setting("off", Method(commit_hints=False))),
        (asks.DEPTH, asks.DEPTH_REFERENCE),
        (of.IOU, of.COLOUR, of.SEAM, of.FLICKER),
    ),
    "neutral": Study(
        (Setting("encoded"), Setting("off", changes={"neutral": False})),
        (asks.ENDS,),
        (of.FIRST, of.LAST, of.IOU, of.SEAM),
    ),
    "context_scale": Study(
        (
            Setting("1"),
            *(Setting(f"{scale:g}", changes={"scale": scale}) for scale in (0.5, 0.75, 1.25, 1.5)),
        ),
        (asks.DEPTH, asks.POSE),
        (of.IOU, of.COLOUR),
    ),
    "reanchor": Study(
        (
            Setting("never"),
            *(
                Setting(f"every {EVERY}, from {source}", changes={"reanchor": (EVERY, source)})
                for source in ("first", "source", "reference")
            ),
        ),
        (_LONG,),
        (*of.IOU_AT.values(), *of.DRIFT_AT.values()),
    ),
}


def measure(
    study: Study, *, clips: int, size: tuple[int, int], tell: Callable[[str], None] = lambda _: None
) -> Values:
    """Every setting of a study on the first evaluation clips, each with its own noise, the same in all."""
    pipeline = sampling.load()
    values: dict[tuple[Ask, Measure, Setting], list[float]] = {}
    for index in range(clips):
        for ask in study.asks:
            truth = make_truth(index, size, sprites=ask.sprites, num_frames=ask.num_frames)
            for setting in study.settings:
                made = sampling.streaming(pipeline, setting.method)(replace(ask, **setting.changes), truth)
                for one in study.measures:
                    values.setdefault((ask, one, setting), []).append(one.of(made, truth, ask))
        tell(f"clip {index + 1} of {clips}")
    return values


def table(study: Study, values: Values) -> str:
    """A row an ask and measure, a column a setting: the mean, and its interval; what differs is marked.

    `+` and `-`: better, worse than the first by more than the 95 % interval of the difference clip by clip.
    """
    head = ["", *(setting.name for setting in study.settings)]
    rows = [head, ["---"] * len(head)]
    for ask in study.asks:
        for one in study.measures:
            cells = [_cell(values, ask, one, setting, study.settings[0]) for setting in study.settings]
            rows.append([f"{ask.name}: {one.name}", *cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(values: Values, ask: Ask, one: Measure, setting: Setting, default: Setting) -> str:
    own, first = values[ask, one, setting], values[ask, one, default]
    found = estimate(own, share=one.share)
    apart = estimate([a - b for a, b in zip(own, first, strict=True)])
    known = found.high < float("inf")
    return f"{_mark(apart, one)}{found.mean:.3g}" + (
        f" ({found.low:.3g} .. {found.high:.3g})" if known else ""
    )


def _mark(apart: Estimate, one: Measure) -> str:
    """Whether a difference is one, and which way."""
    if not (apart.low > 0 or apart.high < 0):
        return ""
    return "**+** " if (apart.mean < 0) == one.less else "**-** "
