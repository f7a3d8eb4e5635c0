"""What every stage does besides its own loss: seeds, checkpoints that add up, lines of progress."""

import os
import time
from pathlib import Path
from typing import Any

import torch

from vacestream.sprites.scenes import FIRST_TRAINING_SEED

SAVE_SECONDS = 120.0


def runs() -> Path:
    """Where checkpoints and caches are."""
    return Path(os.environ.get("SPRITES_RUNS", "runs/sprites"))


def half() -> torch.autocast:
    """bf16 where it is safe, on the device that is trained on."""
    return torch.autocast(torch.get_default_device().type, torch.bfloat16)


def generator(seed: int) -> torch.Generator:
    """On the device that is trained on."""
    return torch.Generator(torch.get_default_device()).manual_seed(seed)


def read(path: Path) -> dict[str, Any]:
    """Tensors on the device that is trained on."""
    held: dict[str, Any] = torch.load(path, weights_only=True, map_location=torch.get_default_device())
    return held


class Seeds:
    """Training seeds in order, never one that a user can name."""

    def __init__(self, start: int) -> None:
        self.next = FIRST_TRAINING_SEED + start

    def take(self, n: int) -> range:
        self.next += n
        return range(self.next - n, self.next)


def load(name: str) -> dict[str, Any] | None:
    """The checkpoint of a stage, if there is one."""
    path = runs() / f"{name}.pt"
    return read(path) if path.exists() else None


def save(name: str, checkpoint: dict[str, Any]) -> None:
    """Written beside, then renamed: an interrupted run leaves the checkpoint before."""
    runs().mkdir(parents=True, exist_ok=True)
    part = runs() / f"{name}.part"
    torch.save(checkpoint, part)
    part.replace(runs() / f"{name}.pt")


class Log:
    """A line every so many seconds: step, losses, steps a second, minutes left."""

    def __init__(self, stage: str, minutes: float, start: int, every: float = 20.0) -> None:
        self.stage, self.every, self.end = stage, every, time.monotonic() + minutes * 60
        self.began = self.shown = self.saved = time.monotonic()
        self.steps, self.values = start, dict[str, list[float]]()

    def add(self, **losses: float) -> None:
        for name, value in losses.items():
            self.values.setdefault(name, []).append(value)

    def due(self) -> bool:
        return time.monotonic() - self.shown >= self.every

    def save_due(self) -> bool:
        now = time.monotonic()
        if now - self.saved < SAVE_SECONDS:
            return False
        self.saved = now
        return True

    def show(self, step: int, extra: str = "") -> None:
        now = time.monotonic()
        rate = (step - self.steps) / (now - self.shown)
        losses = " ".join(f"{k} {sum(v) / len(v):.3f}" for k, v in sorted(self.values.items()))
        left = max(0.0, self.end - now) / 60
        print(f"{self.stage} {step} {losses} | {rate:.2f} step/s, {left:.1f} min left {extra}", flush=True)
        self.shown, self.steps, self.values = now, step, {}
