"""Muon for matrices, AdamW for the rest, one time budget: progress 0..1 -> learning rates."""

import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


def orthogonalise(updates: Tensor) -> Tensor:
    """[n o i] -> their nearest semi-orthogonal matrices, by five Newton-Schulz iterations."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (updates / (updates.flatten(1).norm(dim=1)[:, None, None] + 1e-7)).bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; weights are seen as [o, rest], and those of one shape go together."""

    def __init__(self, params: Iterable[dict[str, Any]], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        assert closure is None
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[tuple[nn.Parameter, Tensor]]] = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad = p.grad.float().flatten(1)
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(grad))
                momentum.lerp_(grad, 1 - group["momentum"])
                update = grad.lerp(momentum, group["momentum"])
                shapes.setdefault((update.shape[0], update.shape[1]), []).append((p, update))
            for (rows, columns), pairs in shapes.items():
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for (p, _), update in zip(
                    pairs, orthogonalise(torch.stack([u for _, u in pairs])), strict=True
                ):
                    p.add_(update.view(p.shape), alpha=-rate)


class Trainer:
    """Two optimisers over one model's named parameters, stepped by how much of the time is gone.

    `pace` is the share of the learning rate that a parameter of this name gets.
    """

    def __init__(
        self,
        named: Iterable[tuple[str, nn.Parameter]],
        *,
        is_matrix: Callable[[str, nn.Parameter], bool],
        muon_lr: float,
        adam_lr: float,
        minutes: float,
        schedule: Callable[[float], float],
        pace: Callable[[str], float] = lambda _: 1.0,
    ) -> None:
        named = [(name, p) for name, p in named if p.requires_grad]
        self.params = [p for _, p in named]
        groups: tuple[dict[float, list[nn.Parameter]], ...] = ({}, {})
        for name, p in named:
            groups[not is_matrix(name, p)].setdefault(pace(name), []).append(p)
        matrices, rest = ([{"params": ps, "pace": k} for k, ps in group.items()] for group in groups)
        adam = torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0)
        self.optimisers: list[torch.optim.Optimizer] = [Muon(matrices, muon_lr), adam]
        self.peaks = [muon_lr, adam_lr]
        self.seconds, self.schedule, self.began = minutes * 60, schedule, time.monotonic()
        self.skipped = 0

    @property
    def progress(self) -> float:
        return (time.monotonic() - self.began) / self.seconds

    def step(self, loss: Tensor, *, warm: float = 1.0, clip: float = 1.0) -> float:
        """Backward and one update; a step whose gradient is not finite is skipped and counted."""
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(self.params, clip))
        factor = self.schedule(min(self.progress, 1.0)) * warm
        for optimiser, peak in zip(self.optimisers, self.peaks, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * factor * group["pace"]
            if math.isfinite(norm):
                optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.skipped += not math.isfinite(norm)
        return norm

    def state(self) -> list[dict[str, object]]:
        return [optimiser.state_dict() for optimiser in self.optimisers]

    def restore(self, state: list[dict[str, object]]) -> None:
        for optimiser, saved in zip(self.optimisers, state, strict=True):
            paces = [group["pace"] for group in optimiser.param_groups]
            optimiser.load_state_dict(saved)
            for group, pace in zip(optimiser.param_groups, paces, strict=True):
                group["pace"] = pace


def cosine(progress: float) -> float:
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))


def late_decay(progress: float) -> float:
    """Constant for 60 % of the time, then linearly to nothing."""
    return min(1.0, (1 - progress) / 0.4) * 0.98 + 0.02


class Average:
    """Exponential moving average of a model's parameters."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        for name, p in model.named_parameters():
            if p.requires_grad:
                self.values[name].lerp_(p.detach(), 1 - self.decay)

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchange the model's parameters and their average."""
        for name, p in model.named_parameters():
            if p.requires_grad:
                kept = p.detach().clone()
                p.copy_(self.values[name])
                self.values[name] = kept
