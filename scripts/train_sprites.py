"""Train the embedded Sprites model from nothing, stage by stage; every run goes on from the last checkpoint.

python scripts/train_sprites.py vae --minutes 15       the autoencoder
python scripts/train_sprites.py cache --minutes 15     latents of the training clips, beside the next stages
python scripts/train_sprites.py decoder --minutes 10   the autoencoder's decoder alone, beside any later stage
python scripts/train_sprites.py base --minutes 22      text encoder and bidirectional transformer
python scripts/train_sprites.py vace --minutes 30      context blocks on the frozen base
python scripts/train_sprites.py causal --minutes 25    the base fine-tuned for streaming, beside vace
python scripts/train_sprites.py export                 measure, and write vacestream/sprites/weights
python scripts/train_sprites.py all --minutes 90       the whole chain, shared out

Checkpoints are in runs/sprites, or where SPRITES_RUNS says. One thread: run two stages at once on two cores.
"""

import argparse
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from scripts.sprites import base, card, latents, vace, vae

SHARES = {"vae": 0.3, "cache": 0.12, "base": 0.24, "vace": 0.2, "causal": 0.14}
"""How the minutes of `all` are shared out."""


def run(stage: str, minutes: float, chosen: argparse.Namespace) -> None:
    match stage:
        case "vae":
            vae.train(minutes)
        case "decoder":
            vae.train(minutes, decoder_only=True)
        case "cache":
            size = (chosen.size, chosen.size)
            latents.write(minutes, clips=chosen.clips, controls=chosen.controls, size=size)
        case "base":
            base.train(minutes)
        case "causal":
            base.train_causal(minutes, guidance=chosen.guidance)
        case "vace":
            vace.train(minutes, size=chosen.size)
        case "export":
            card.export(chosen.size, hardware=chosen.hardware)
        case "all":
            for name, share in SHARES.items():
                run(name, minutes * share, chosen)
            run("export", 0, chosen)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=[*SHARES, "decoder", "export", "all"])
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--size", type=int, default=64, help="pixels of the square training clips")
    parser.add_argument("--clips", type=int, default=2048, help="clips in the cache")
    parser.add_argument("--controls", type=int, default=1024, help="of them with controls")
    parser.add_argument("--guidance", type=float, default=1.0, help="text guidance distilled in stage causal")
    parser.add_argument("--hardware", default="one CPU thread", help="said in the model card")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    run(chosen.stage, chosen.minutes, chosen)


if __name__ == "__main__":
    main()
