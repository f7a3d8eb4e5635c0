"""The full-screen view of a terminal: how the stream fares, its knobs, what was told, the keys."""

from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from vacestream.live.knobs import Knob
from vacestream.live.verbs import VERBS

_BAR = 20
"""Letters of a knob that is turned up all the way."""


@dataclass
class Shown:
    """All that the view shows."""

    status: dict[str, Any] = field(default_factory=dict)
    answers: list[dict[str, Any]] = field(default_factory=list)
    knobs: tuple[Knob, ...] = ()
    chosen: int = 0
    line: str | None = None
    """What is being typed."""
    about: str = ""
    """The key of the recipe that it is for."""


def drawn(shown: Shown) -> RenderableType:
    """The view as rich draws it."""
    parts: list[RenderableType] = [_facts(shown.status), _turned(shown), _said(shown.answers)]
    if shown.line is not None:
        parts.append(Text(f"{shown.about or 'key=value'}: {shown.line}_", style="bold"))
    return Panel(Group(*parts), title="vacestream live", subtitle=_help())


def _facts(status: dict[str, Any]) -> Text:
    if not status:
        return Text("starting")
    late = float(status.get("latency", 0)) * 1000
    facts = [f"{status.get('fps', 0):.1f} fps", f"{late:.0f} ms", f"frame {status['frame']}"]
    facts += [f"chunk {status.get('chunk', 0)}", f"scene {status['scene']}"]
    facts += [name for name in ("blackout", "freeze") if status[name]]
    for kind in ("queues", "drops"):
        facts += [f"{kind}: {name} {count}" for name, count in status.get(kind, {}).items() if count]
    return Text(", ".join(facts) + f"\n{status['prompt']}\n")


def _turned(shown: Shown) -> Table:
    table = Table(box=None, show_header=False)
    for i, knob in enumerate(shown.knobs):
        full = round(_BAR * (knob.value - knob.low) / (knob.high - knob.low))
        bar = ("on" if knob.value else "off") if knob.is_switch else "#" * full + "." * (_BAR - full)
        mark = ">" if i == shown.chosen else " "
        table.add_row(mark, knob.key, bar, "" if knob.is_switch else f"{knob.value:.2f}")
    return table


def _said(answers: list[dict[str, Any]]) -> Text:
    lines = []
    for one in answers:
        if one["type"] == "refused":
            lines.append(f"refused: {one['message']}")
            continue
        told = {name: one[name] for name in one if name not in ("schema", "type", "frame", "chunk", "id")}
        lines.append(f"from frame {one['frame']}: " + ", ".join(f"{k} {v}" for k, v in told.items()))
    return Text("\n" + "\n".join(lines) + "\n")


def _help() -> str:
    keys = [f"{verb.key} {verb.name}" for verb in VERBS if verb.key]
    return " | ".join([*keys, "arrows: turn", ": key=value"])
