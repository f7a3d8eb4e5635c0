"""Train the embedded Sprites model from nothing, stage by stage; every run goes on from the last checkpoint.

python scripts/train_sprites.py all --preset cpu       the whole chain, 90 minutes of one core; again adds up
python scripts/train_sprites.py all --preset gpu       the same on one large GPU, 22 minutes
python scripts/train_sprites.py all --preset smoke     two minutes, in which every loss falls
python scripts/train_sprites.py export                 measure, and write vacestream/sprites/weights

Or each stage by itself, for --minutes N:

vae       the autoencoder (later runs: the encoder slowly, as the other stages know its latents)
cache     latents of the training clips, beside the next stages
base      text encoder and bidirectional transformer
vace      context blocks on the frozen base
causal    the base fine-tuned for streaming
guided    that base made to need no guidance, of text or references, on streams of its own
decoder   the autoencoder's decoder alone, after any of them

Checkpoints are in runs/sprites, or where SPRITES_RUNS says. One thread: run two stages at once on two cores.
"""

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from scripts.sprites import base, card, guided, latents, vace, vae
from scripts.sprites.presets import PRESETS, SHARES, Preset
from vacestream.pipelines import SPRITES


def run(stage: str, minutes: float, preset: Preset, chosen: argparse.Namespace) -> None:
    match stage:
        case "vae":
            vae.train(minutes, preset)
        case "decoder":
            vae.train(minutes, preset, decoder_only=True)
        case "cache":
            latents.write(minutes, preset, decoupled=chosen.decoupling)
        case "base":
            base.train(minutes, preset)
        case "causal":
            base.train_causal(minutes, preset)
        case "guided":
            guided.train(minutes, preset, text_guidance=chosen.guidance)
        case "vace":
            vace.train(minutes, preset, layers=chosen.vace_layers, decoupled=chosen.decoupling)
        case "export":
            card.export(preset, hardware=chosen.hardware, clips=chosen.clips)
        case "all":
            for name, share in preset.shares.items():
                run(name, minutes * share, preset, chosen)


def _layers(text: str) -> tuple[int, ...]:
    return tuple(int(layer) for layer in text.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=[*SHARES, "decoder", "export", "all"])
    parser.add_argument("--preset", choices=PRESETS, default="cpu")
    parser.add_argument("--minutes", type=float, help="of the stage; by default its share of the preset's")
    parser.add_argument("--guidance", type=float, default=2.0, help="text guidance distilled in stage guided")
    parser.add_argument("--hardware", default="one CPU thread", help="and hours, said in the model card")
    parser.add_argument("--clips", type=int, default=12, help="that export measures")
    parser.add_argument(
        "--vace-layers", type=_layers, default=SPRITES.context_layers, help="blocks that get a hint: 0,2,4"
    )
    parser.add_argument(
        "--no-decoupling",
        dest="decoupling",
        action="store_false",
        help="cache and vace: frames not divided into kept and reactive (the paper's ablation)",
    )
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    preset = PRESETS[chosen.preset]
    if chosen.stage != "export":
        torch.set_default_device(preset.device)
    share = preset.shares.get(chosen.stage, 1.0 if chosen.stage == "all" else 0.1)
    run(chosen.stage, chosen.minutes or preset.minutes * share, preset, chosen)


if __name__ == "__main__":
    main()
