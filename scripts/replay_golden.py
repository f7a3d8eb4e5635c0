"""Replay a numerical record of a reference system through the engine and compare every recorded tensor.

A record is PATH.json (settings, call log) and PATH.safetensors (weights, noise, latents, flows, caches).
"""

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from einops import rearrange
from safetensors.torch import load_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent))

from scripts import replay_source, replay_whole
from vacestream.denoise_state import new_denoise_state
from vacestream.engine import Denoiser, make_denoiser
from vacestream.models.checkpoint import load, split_vace, to_diffusers
from vacestream.models.conditions import Condition
from vacestream.models.transformer import CausalWan, make_causal
from vacestream.models.vace import ContextAdapter
from vacestream.pipelines import PipelineSpec, Transformer
from vacestream.timeline import chunks

Tensors = dict[str, Tensor]
FULL_WINDOW = 21
"""Latents that a reference with an unbounded window attends to."""
SPARSE_MEMORY = 3
"""Latents of sink and bank that a head of MemFlow attends to."""


class Comparison:
    """The largest difference so far, and where."""

    def __init__(self, verbose: bool) -> None:
        self.worst, self.where, self.count, self.verbose = 0.0, "nothing", 0, verbose

    def __call__(self, where: str, got: Tensor, want: Tensor) -> None:
        if got.shape != want.shape:
            raise SystemExit(f"{where}: {tuple(got.shape)} where the record has {tuple(want.shape)}")
        error = (got.double() - want.double()).abs().max().item()
        self.count += 1
        if self.verbose:
            print(f"{where} {error:.3e}")
        if error > self.worst or math.isnan(error):
            self.worst, self.where = (math.inf if math.isnan(error) else error), where


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 when every recorded tensor is met within the tolerance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, help="the record, without suffix")
    parser.add_argument("--atol", type=float, default=2e-5)
    parser.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE",
        help="override the row that the record asks for, to see that the comparison can fail",
    )  # fmt: skip
    parser.add_argument("--verbose", action="store_true", help="print every comparison")
    args = parser.parse_args(argv)
    case = json.loads(args.path.with_suffix(".json").read_text())
    tensors = load_file(args.path.with_suffix(".safetensors"))
    overrides = {key: json.loads(value) for key, _, value in (item.partition("=") for item in args.set)}
    compare = Comparison(args.verbose)
    with torch.inference_mode():
        if any("calls" in run for run in case["runs"].values()):
            replay_stream(case, tensors, overrides, compare)
        else:
            model, adapter = build(case["case"]["model"], weights(tensors))
            assert adapter is not None
            replay_whole.replay(case, tensors, overrides, compare, model, adapter)
    print(f"{compare.count} tensors, worst at {compare.where}")
    print(f"max_abs_err={compare.worst:.3e}")
    return 0 if compare.count and compare.worst <= args.atol else 1


def replay_stream(
    case: dict[str, Any], tensors: Tensors, overrides: dict[str, Any], compare: Comparison
) -> None:
    """Every run of a causal pipeline."""
    model, _ = build(case["case"]["model"], weights(tensors))
    for run_id, run in case["runs"].items():
        if "controller" in run:
            row = replace(replay_source.make_row(run["settings"]), **overrides)
            replay_source.SourceReplay(run_id, run, row, model, tensors, compare).run_all()
            continue
        settings = {**case["case"]["pipeline"], **run["settings"]}
        row = replace(make_row(case["case"], settings), **overrides)
        Replay(run_id, run, settings, row, model, tensors, compare).run_all()


class Replay:
    """One run: noise and prompts as recorded, compared at every model call and chunk."""

    def __init__(
        self, name: str, run: dict[str, Any], settings: dict[str, Any], row: PipelineSpec, model: CausalWan,
        tensors: Tensors, compare: Comparison,
    ) -> None:  # fmt: skip
        self.name, self.run, self.settings, self.row = name, run, settings, row
        self.model, self.tensors, self.compare = model, tensors, compare
        self.noise_of = run.get("noise_shared_with_run", name)
        self.given = settings.get("initial_latent", 0)
        self.num_calls = 0
        size = settings["latent_h"], settings["latent_w"]
        self.state = new_denoise_state(model, row, size, dtype=torch.float32, device=torch.device("cpu"))

    def run_all(self) -> None:
        denoiser = make_denoiser(self.model, self.row, trace=self.trace)
        if self.given:
            first = Condition(next(chunks(self.row)), self.prompt(0))
            denoiser.prefill(
                latents_of(self.tensors[f"{self.name}/inputs/initial_latent"]), first, self.state
            )
        made = list(self.generated_blocks(denoiser))
        given = [latents_of(self.tensors[f"{self.name}/inputs/initial_latent"])] if self.given else []
        whole = torch.cat(given + made, dim=1)
        self.compare(f"{self.name}/latents/all", whole, latents_of(self.tensors[f"{self.name}/latents/all"]))
        if self.num_calls != len(self.run["calls"]):
            raise SystemExit(
                f"{self.name}: {self.num_calls} model calls, the record has {len(self.run['calls'])}"
            )

    def generated_blocks(self, denoiser: Denoiser) -> Iterator[Tensor]:
        for block, (_, x0) in enumerate(denoiser(self.conditions(), self.state, self.noise), start=1):
            recorded = f"{self.name}/latents/block{block}"
            if recorded in self.tensors:
                self.compare(recorded, x0, latents_of(self.tensors[recorded]))
            self.compare_cache(f"{self.name}/cache/after_block{block}/")
            self.compare_bank(f"{self.name}/bank/after_block{block}/", ("k_new", "v_new"))
            yield x0

    def conditions(self) -> Iterator[Condition]:
        """Prompts switch at the first chunk that starts at or behind their index, one a chunk."""
        switches, segment = self.settings.get("switch_frame_indices", []), 0
        end = self.given + self.settings["num_frames"]
        for chunk in chunks(self.row, first_latent=self.given):
            if chunk.first_latent >= end:
                return
            if segment < len(switches) and chunk.first_latent >= switches[segment]:
                segment += 1
            yield Condition(chunk, self.prompt(segment))

    def prompt(self, segment: int) -> Tensor:
        return self.tensors[f"inputs/prompt_embeds/{self.settings['prompts'][segment]}"]

    def noise(self, chunk: int, step: int, shape: tuple[int, ...]) -> Tensor:
        if step == 0:
            start = self.state.next_latent - self.given
            return latents_of(self.tensors[f"{self.noise_of}/noise/initial"])[:, start : start + shape[1]]
        draw = chunk * (len(self.row.steps) - 1) + step - 1
        return latents_of(self.tensors[f"{self.noise_of}/noise/renoise{draw:03d}"])

    def trace(self, kind: str, chunk: int, flow: Tensor) -> None:
        """Compare a model call's flow, and behind a recache the cache."""
        call = self.run["calls"][self.num_calls]
        if call["kind"] != kind:
            raise SystemExit(f"{self.name}: call {self.num_calls} is {kind}, the record has {call['kind']}")
        for key in self.tensors:
            if key.startswith(f"{self.name}/trace/call{self.num_calls:03d}_") and key.endswith("/flow"):
                self.compare(key, flow[0], latents_of(self.tensors[key]))
        if kind == "context":
            self.compare_bank(f"{self.name}/bank/after_block{chunk + 1}/", ("k", "v"))
        if kind == "recache":
            self.compare_cache(f"{self.name}/cache/after_recache_before_block{chunk + 1}/")
        self.num_calls += 1

    def compare_cache(self, prefix: str) -> None:
        """Recorded slots are in order of age behind the sink; ours stand anywhere."""
        cache = self.state.cache
        slots = sorted(
            (s for s, x in enumerate(cache.table.latents) if x is not None),
            key=lambda s: cache.table.latents[s] or 0,
        )
        for key in (key for key in self.tensors if key.startswith(prefix)):
            layer, part = key.removeprefix(prefix).removeprefix("layer").split("/")
            recorded = self.tensors[key].unflatten(1, (-1, cache.layers[0].shape[3]))
            if recorded.shape[1] > cache.shape.window:  # it kept what is past its window
                recorded = recorded[:, [cache.table.latents[s] or 0 for s in slots]]
            ours = cache.layers[int(layer)]["kv".index(part)][:, cache.shape.bank :]
            self.compare(key, ours[:, slots], recorded[:, : len(slots)])

    def compare_bank(self, prefix: str, parts: tuple[str, str]) -> None:
        """The record files a latent a chunk later than we do: until then it is k_new, here the last entry."""
        cache = self.state.cache
        for key in (key for key in self.tensors if key.startswith(prefix) and key.endswith(parts)):
            layer, part = key.removeprefix(prefix).removeprefix("layer").split("/")
            if part not in parts:
                continue
            recorded = self.tensors[key].unflatten(1, (-1, cache.layers[0].shape[3]))
            ours = cache.layers[int(layer)]["kv".index(part[0])]
            assert cache.bank is not None
            last = cache.shape.bank - cache.bank.num_filled
            entries = range(cache.shape.bank - 1, last - 1, -1) if part in "kv" else [last]
            self.compare(key, ours[:, list(entries)], recorded[:, : len(entries)])


def make_row(case: dict[str, Any], settings: dict[str, Any]) -> PipelineSpec:
    """The row that a record's settings ask for."""
    reference = case["reference"]
    model = {**case["pipeline"].get("model_kwargs", {}), **settings.get("model_kwargs", {})}
    window, chunk = model.get("local_attn_size", -1), settings["num_frame_per_block"]
    row = PipelineSpec(
        name=case["id"],
        transformer=Transformer(0, 0, 0, 1, ()),
        steps=tuple(settings["denoising_step_list"]),
        shift=model.get("timestep_shift", 5.0),
        warp=settings["warp_denoising_step"],
        chunk_latents=chunk,
        first_chunk_latents=1 if settings.get("independent_first_frame") else chunk,
        window_latents=FULL_WINDOW if window == -1 else window,
        attention_sink_latents=model.get("sink_size", 0),
        rope="relative" if model.get("use_infinite_attention") else "absolute",
        context_timestep=settings["context_noise"],
        recache="keep_sink" if settings.get("global_sink") else "rewrite_sink",
    )
    if reference == "longlive":
        return replace(row, quirks=("attend_unfilled_sink", "freeze_noisy_sink"))
    if reference == "memflow":
        alone = settings.get("kind") != "interactive"
        return replace(
            row,
            recache=row.recache if settings.get("global_sink") else "zero_sink",
            bank_latents=model["bank_size"],
            bank_interval=model["record_interval"],
            bank_top=SPARSE_MEMORY if model["SMA"] else None,
            quirks=("compress_every_chunk", *(("record_every_chunk",) if alone else ())),
        )
    return row


def build(config: dict[str, Any], tensors: Tensors) -> tuple[CausalWan, ContextAdapter | None]:
    """The recorded model, through the converter and the strict loader of real checkpoints."""
    base, context = split_vace(to_diffusers(tensors))
    model = WanTransformer3DModel(
        patch_size=tuple(config["patch_size"]), num_attention_heads=config["num_heads"],
        attention_head_dim=config["dim"] // config["num_heads"], in_channels=config["in_dim"],
        out_channels=config["out_dim"], text_dim=config["text_dim"], freq_dim=config["freq_dim"],
        ffn_dim=config["ffn_dim"], num_layers=config["num_layers"],
    )  # fmt: skip
    load(model, base, "weights")
    if not context:
        return make_causal(model), None
    adapter = ContextAdapter.build(
        dim=config["dim"], ffn_dim=config["ffn_dim"], heads=config["num_heads"],
        channels=config["vace_in_dim"], patch=tuple(config["patch_size"]),
        layers=tuple(config["vace_layers"]),
    )  # fmt: skip
    load(adapter, context, "weights")
    return make_causal(model), adapter


def weights(tensors: Tensors) -> Tensors:
    return {
        key.removeprefix("weights/"): value for key, value in tensors.items() if key.startswith("weights/")
    }


def latents_of(recorded: Tensor) -> Tensor:
    """[1 f c h w] or [f c h w] as recorded -> [c f h w]."""
    return rearrange(recorded[0] if recorded.ndim == 5 else recorded, "f c h w -> c f h w")


if __name__ == "__main__":
    sys.exit(main())
