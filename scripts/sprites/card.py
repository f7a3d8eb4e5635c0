"""Stage export: write the weights, measure them as `vacestream eval sprites` does, and a card of it."""

import sys

from scripts.sprites.base import averaged
from scripts.sprites.export import streaming_base, write
from scripts.sprites.presets import Preset
from scripts.sprites.run import load
from vacestream.evaluate import levels
from vacestream.evaluate.evaluation import evaluate
from vacestream.evaluate.levels import Result
from vacestream.evaluate.rows import ROWS
from vacestream.evaluate.truth import FIRST_SEED
from vacestream.sprites.scenes import FIRST_TRAINING_SEED

GUIDED = """ Its last stage (`guided`) taught `causal` the guidance of text and references, on
streams of its own under the frozen context blocks; its targets are the base's own flows."""


def distance() -> float:
    """How far the causal base has moved from the bidirectional one, relative to its norm."""
    bidirectional = averaged("base")
    moved, norm = 0.0, 0.0
    for name, value in streaming_base().items():
        before = bidirectional[f"base.{name}"]
        moved += float((value - before).square().sum())
        norm += float(before.square().sum())
    return (moved / norm) ** 0.5


def _row(found: Result) -> str:
    known = found.now.high < float("inf")
    interval = f"{found.now.low:.3g} .. {found.now.high:.3g}" if known else ""
    target = "" if found.target is None else f"{found.target:g}{'' if found.on_target else ', missed'}"
    return f"| {found.row.name} | {found.now.mean:.3g} | {interval} | {target} |"


def describe(found: list[Result], preset: Preset, *, hardware: str, clips: int) -> str:
    """The model card, in Markdown."""
    steps = {
        name: (load(name) or {"step": 0})["step"] for name in ("vae", "base", "vace", "causal", "guided")
    }
    sizes = ", ".join(f"{width}x{height}" for height, width in preset.sizes)
    missed = [result.row.name for result in found if result.on_target is False]
    return "\n".join(
        [
            "# Sprites: the embedded model",
            "",
            "An experimental checkpoint: a tiny model of a procedural world, for trying things out.",
            "Classes: AutoencoderKLWan; WanTransformer3DModel, bidirectional (`base`) and fine-tuned from it",
            "for streaming (`causal`); VACE context blocks trained on `base` (`vace`); UMT5EncoderModel",
            f"(`text`).{GUIDED if steps['guided'] else ''}",
            "",
            f"Trained on clips of {sizes} pixels, seeds from {FIRST_TRAINING_SEED} up.",
            f"Hardware and hours: {hardware}. Trainer: `scripts/train_sprites.py`.",
            f"Steps: {', '.join(f'{name} {n}' for name, n in steps.items())}.",
            f"Distance of `causal` from `base` (relative L2 of the weights): {distance():.2f}.",
            "",
            f"Not reached: {'; '.join(missed) or 'nothing that was aimed at'}.",
            "",
            f"Measured by `vacestream eval sprites` on {clips} clips from seed {FIRST_SEED}, one noise each:",
            "",
            "| measure: asked, way | mean | 95 % | aim |",
            "|---|---|---|---|",
            *(_row(result) for result in found),
            "",
        ]
    )


def export(preset: Preset, *, hardware: str, clips: int) -> None:
    """Write, measure what was written, record the levels, and write again with the card."""
    write("# Sprites: the embedded model\n\nBeing measured.\n")
    values = evaluate(ROWS, clips=clips, size=preset.native, tell=lambda text: print(text, file=sys.stderr))
    held = levels.Levels(preset.native, levels.read().targets, values)
    levels.write(held)
    card = describe(levels.results(values, held), preset, hardware=hardware, clips=clips)
    print(card)
    print(write(card), "bytes in vacestream/sprites/weights")
