"""Stage export: measure what was trained on held-out clips, write the weights and a card that says so."""

import torch

from scripts.sprites import base, streaming, text, vace
from scripts.sprites import vae as vae_stage
from scripts.sprites.dit import BlockCausal
from scripts.sprites.evaluate import FIRST_SEED, Held, adapter_table, colour_right, decode, sample_causal
from scripts.sprites.export import write
from scripts.sprites.latents import trained_vae
from scripts.sprites.presets import Size
from scripts.sprites.run import load
from vacestream.sprites.world import FIRST_TRAINING_SEED


def distance() -> float:
    """How far the causal base has moved from the bidirectional one, relative to its norm."""
    bidirectional, causal = load("base"), load("causal")
    assert bidirectional is not None
    assert causal is not None
    moved, norm = 0.0, 0.0
    for name, value in causal["average"].items():
        before = bidirectional["average"][f"base.{name}"]
        moved += float((value - before).square().sum())
        norm += float(before.square().sum())
    return (moved / norm) ** 0.5


def measure(size: Size, *, clips: int = 24, num_frames: int = 21) -> dict[str, dict[str, float]]:
    """Tables of held-out measures: VAE a kind of picture, adapter a way of asking, causal base on words."""
    tables = {"vae": vae_stage.evaluate(trained_vae(), size=size[0])}
    held = Held.make(clips, num_frames, size)
    models = base.Models.open()
    rows = adapter_table(held, models, vace.open_vace(models))
    tables["iou"] = {name: row["iou"] for name, row in rows.items()}
    tables["colour"] = {name: row["colour"] for name, row in rows.items()}
    saved = load("causal")
    assert saved is not None
    models.base.load_state_dict(saved["model"] | saved["average"])
    with torch.no_grad():
        states = text.encode(models.encoder, models.tokenizer, held.lines(full=True))
    causal = BlockCausal(models.base)
    frames = decode(sample_causal(causal, states, held.video.shape))
    causal.release()
    right = colour_right(frames, held.clip, anywhere=True).float().mean()
    tables["causal"] = {"words alone, four steps a chunk: colour right": float(right)}
    return tables


def describe(
    tables: dict[str, dict[str, float]],
    streamed: dict[str, tuple[float, float]],
    *,
    size: Size,
    hardware: str,
) -> str:
    """The model card, in Markdown."""
    steps = {name: (load(name) or {"step": 0})["step"] for name in ("vae", "base", "vace", "causal")}
    lines = [
        "# Sprites: the embedded model",
        "",
        "An experimental checkpoint: a tiny model of a procedural world, for trying things out.",
        "Classes: AutoencoderKLWan; WanTransformer3DModel, bidirectional (`base`) and fine-tuned from it for",
        "streaming (`causal`); VACE context blocks trained on `base` (`vace`); UMT5EncoderModel (`text`).",
        "",
        f"Trained on clips of {size[1]}x{size[0]} pixels, seeds from {FIRST_TRAINING_SEED} up;",
        f"measured on seeds {FIRST_SEED} upwards. Hardware: {hardware}. Trainer: `scripts/train_sprites.py`.",
        f"Steps: {', '.join(f'{name} {n}' for name, n in steps.items())}.",
        f"Distance of `causal` from `base` (relative L2 of the weights): {distance():.2f}.",
        "",
        "| autoencoder, held out | PSNR dB |",
        "|---|---|",
        *(f"| {name} | {value:.1f} |" for name, value in tables["vae"].items()),
        "",
        "Batch sampling on `base`, 21 frames, 8 Euler steps, no text guidance, 24 single-sprite clips.",
        "IoU of strong-coloured silhouettes; colour: the most frequent strong colour is the sprite's.",
        "",
        "| asked | silhouette IoU | colour right |",
        "|---|---|---|",
        *(
            f"| {name} | {value:.2f} | {tables['colour'][name]:.2f} |"
            for name, value in tables["iou"].items()
        ),
        "",
        "Streaming on `causal`, 33 frames, 4 steps a chunk, 16 single-sprite clips, no guidance:",
        "",
        "| asked | silhouette IoU | colour right |",
        "|---|---|---|",
        *(f"| {name} | {iou:.2f} | {colour:.2f} |" for name, (iou, colour) in streamed.items()),
        "",
        *(f"`causal` without adapter, {name} {value:.2f}." for name, value in tables["causal"].items()),
        "",
    ]
    return "\n".join(lines)


def export(size: Size, *, hardware: str) -> None:
    """Measure and write; prints the card."""
    tables = measure(size)
    write(describe(tables, {}, size=size, hardware=hardware))
    written = describe(tables, streaming.measure(size), size=size, hardware=hardware)
    print(written)
    print(write(written), "bytes in vacestream/sprites/weights")
