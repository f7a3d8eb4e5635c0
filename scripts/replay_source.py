"""Replay a record of StreamDiffusionV2: source latents, a step batch, a ring of slots (arXiv:2511.07399)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from vacestream.denoise_state import new_denoise_state
from vacestream.engine import Denoiser, Made, make_denoiser
from vacestream.models.conditions import Condition, Source
from vacestream.models.schedule import make_schedule
from vacestream.models.transformer import CausalWan
from vacestream.pipelines import PipelineSpec, Transformer
from vacestream.source import MotionRule
from vacestream.step_batch import InFlight, StepBatch
from vacestream.timeline import chunks

Compare = Callable[[str, Tensor, Tensor], None]
SHIFT = 8.0


def make_row(settings: dict[str, Any]) -> PipelineSpec:
    """The row that a run's settings ask for."""
    return PipelineSpec(
        name=settings["id"],
        transformer=Transformer(0, 0, 0, 1, ()),
        source_steps=tuple(settings["denoising_step_list"][: settings["step"]]),
        shift=SHIFT,
        warp=False,
        chunk_latents=settings["num_frame_per_block"],
        first_chunk_latents=1 + settings["num_frame_per_block"],
        window_latents=settings["num_kv_cache"],
        attention_sink_latents=settings["num_sink_tokens"],
        sink_refresh=settings["adapt_sink_threshold"],
        rope_restart=settings.get("t_refresh", 0),
        commit_pass=False,
        recache="none",
        step_batch=settings["mode"] != "wo_batch",
        quirks=("ring_by_pass",),
    )


class SourceReplay:
    """One run: every model call's sample and prediction, every cache and every latent that was decoded."""

    def __init__(
        self, name: str, run: dict[str, Any], row: PipelineSpec, model: CausalWan, tensors: dict[str, Tensor],
        compare: Compare,
    ) -> None:  # fmt: skip
        self.name, self.run, self.row, self.model = name, run, row, model
        self.tensors, self.compare, self.num_calls = tensors, compare, 0
        self.latents = tensors["inputs/latents_BCTHW"][0]
        size = self.latents.shape[2], self.latents.shape[3]
        self.state = new_denoise_state(model, row, size, dtype=torch.float32, device=torch.device("cpu"))
        self.num_steps = len(row.source_steps or ())
        self.num_real = 1 + (self.latents.shape[1] - row.first_chunk_latents) // row.chunk_latents
        batched = len(run["calls"]) - self.num_steps
        self.num_chunks = 1 + (batched if row.step_batch else batched // self.num_steps)

    def run_all(self) -> None:
        denoiser = make_denoiser(self.model, self.row)
        stage = StepBatch(denoiser) if self.row.step_batch else denoiser
        hook = self.model.register_forward_hook(self.called)
        num_decoded = 0
        for condition in self.conditions():
            for made in stage.push(condition, self.state, self.noise):
                num_decoded += self.compare_decoded(num_decoded, made)
            self.compare_caches()
            if self.row.step_batch and condition.chunk.index == 0:
                self.fill_with_zeros(denoiser, condition)
        hook.remove()
        if self.num_calls != len(self.run["calls"]):
            raise SystemExit(f"{self.name}: {self.num_calls} calls, the record has {len(self.run['calls'])}")

    def conditions(self) -> list[Condition]:
        """The chunks of the input; behind its end, as the reference does, noise or the last one again."""
        scale, video = self.run["settings"]["noise_scale"], self.tensors["inputs/video_uint8_TCHW"]
        rule, pixels = MotionRule(scale), video / 127.5 - 1
        assert self.row.source_steps is not None
        made: list[Condition] = []
        for chunk, _ in zip(chunks(self.row), range(self.num_chunks), strict=False):
            if chunk.index >= self.num_real:
                last = made[-1].source
                assert last is not None
                source = replace(last, share=1.0) if self.row.step_batch else last
            else:
                share, timestep = rule.push(pixels[chunk.start : chunk.stop])
                if chunk.index == 0:
                    timestep = self.row.source_steps[0]
                else:
                    told = self.run["controller"][chunk.index - 1]
                    self.compare(f"{self.name}/share", torch.tensor(share), torch.tensor(told["noise_scale"]))
                latents = self.latents[:, chunk.first_latent : chunk.first_latent + chunk.num_latents]
                source = Source(latents, share, timestep)
            made.append(Condition(chunk, self.prompt(), source=source))
        return made

    def prompt(self) -> Tensor:
        return self.tensors[f"inputs/prompt_embeds/{self.run['settings']['prompt']}"]

    def fill_with_zeros(self, denoiser: Denoiser, first: Condition) -> None:
        """The reference starts its step batch with rows of zeros in the place of the second chunk."""
        second = list(chunks(self.row, self.row.first_chunk_latents * 4))[1]
        zeros, text = torch.zeros_like(self.latents[:, : second.num_latents]), self.state.text
        assert text is not None
        self.state.in_flight = [
            InFlight(Condition(second, first.prompt), text, denoiser.source_schedule, step, zeros)
            for step in range(1, self.num_steps)
        ]

    def noise(self, chunk: int, step: int, shape: tuple[int, ...]) -> Tensor:
        n, call = self.num_steps, self.num_calls - (step > 0)
        if not self.row.step_batch and chunk >= self.num_real:
            drawn = n * self.num_real + (chunk - self.num_real) * (n - 1) + step - 1
            draw = drawn if step else n * (self.num_real - 1)
        elif chunk and self.row.step_batch:
            draw = n * (1 + call - n) + step
        else:
            draw = n * chunk + step
        key = f"{self.name}/noise/draw{draw:03d}"
        return rearrange(self.tensors[key].reshape(shape[1], shape[0], *shape[2:]), "f c h w -> c f h w")

    def called(self, _model: nn.Module, args: tuple[Any, ...], flow: Tensor) -> None:
        x, times = args[:2]
        for row in range(len(x)):
            schedule = make_schedule((times[row, 0].item(),), SHIFT, warp=False)
            x0 = schedule.denoise(x[row], flow[row], 0)
            for part, got in (("input", x[row]), ("x0", x0)):
                if (key := f"{self.name}/trace/call{self.num_calls:03d}/{part}") in self.tensors:
                    self.compare(key, got, rearrange(self.tensors[key][row], "f c h w -> c f h w"))
        self.num_calls += 1

    def compare_decoded(self, number: int, made: Made) -> int:
        condition, x0 = made
        if condition.source is None:  # a row of zeros
            return 0
        key = f"{self.name}/decoded/{number:03d}"
        self.compare(key, x0, rearrange(self.tensors[key][0], "f c h w -> c f h w"))
        return 1

    def compare_caches(self) -> None:
        """As they are after the last call; slots stand where the reference has them."""
        prefix = f"{self.name}/cache/after_call{self.num_calls - 1:03d}/layer"
        for key in (key for key in self.tensors if key.startswith(prefix)):
            layer, part = key.removeprefix(prefix).split("/")
            for row, cache in enumerate(self.state.rows):
                ours = cache.layers[int(layer)]["kv".index(part)]
                self.compare(key, ours.flatten(1, 2), self.tensors[key][row : row + 1])
