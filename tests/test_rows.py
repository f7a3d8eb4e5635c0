"""Every row of the table on tiny random weights: what it makes, what it sees, what it holds."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.clips import SIZE, Clip, control_passes, masked_passes, noise, pictures, scene
from tests.tiny import CPU, tiny_pipeline
from tests.tiny import SIZE as TINY
from vacestream import weights
from vacestream.condition import Pass
from vacestream.denoise_state import new_denoise_state
from vacestream.engine import make_denoiser
from vacestream.errors import RecipeError
from vacestream.memory import Demand, kv_aside, memory
from vacestream.models.attention import apply_rope, attend, make_rope
from vacestream.models.conditions import Condition, Source
from vacestream.models.kv_cache import KVCache
from vacestream.models.schedule import seeded_noise
from vacestream.models.slots import cache_shape
from vacestream.models.vae import Decoder, Encoder
from vacestream.pipelines import PIPELINES, WAN_14B, PipelineSpec
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe
from vacestream.stream import Stream, new_stream
from vacestream.timeline import chunks
from vacestream.weights.table import VACE_1_3B, VACE_14B

NUM_FRAMES = 14
"""Past every first chunk, and the end of no chunk of three latents."""
ROWS = {name: replace(row, transformer=TINY) for name, row in PIPELINES.items()}
STREAMED = {name: row for name, row in ROWS.items() if row.streams}
WHOLE = {
    f"{name} in batch": replace(row, batch=replace(row.batch, steps=3)).whole_clip(5)
    for name, row in ROWS.items()
    if row.batch
}
FAMILIES: dict[str, Callable[[PipelineSpec], Iterator[object]]] = {
    "T2V": lambda row: scene(row, [], num_frames=NUM_FRAMES),
    "R2V": lambda row: scene(row, [Pass()], num_frames=NUM_FRAMES, references=pictures(2)),
    "depth": lambda row: scene(row, control_passes(NUM_FRAMES)),
    "mask": lambda row: scene(row, masked_passes(NUM_FRAMES)),
    "V2V": lambda row: scene(row, [], num_frames=NUM_FRAMES, source=Clip(noise(NUM_FRAMES, 4)), strength=0.8),
}


@pytest.fixture(scope="module")
def pipe():
    with torch.inference_mode():
        yield tiny_pipeline()


def started(pipe, row: PipelineSpec) -> Stream:
    return new_stream(replace(pipe, spec=row), SIZE, 7)


def made(stream: Stream, units) -> np.ndarray:
    return np.concatenate([part for _, part in stream(units)])


SAID = {
    "T2V": {},
    "R2V": {"references": "sprites:1"},
    "depth": {"controls": {"signal": "depth", "video": "d.mp4"}},
    "mask": {"input": "a.mp4", "mask": "m.mp4"},
    "V2V": {"input": "a.mp4", "strength": 0.8},
}
"""Each family as a recipe says it."""


def refusal(name: str, family: str) -> str:
    """Why plan refuses a family of a row; empty where it does not."""
    mode = {"mode": "batch"} if name in WHOLE else {}
    said = {"prompt": "x", "length": "17f", "output": "o.mp4", "pipeline": name.split(" ")[0], **mode}
    try:
        make_plan(load_recipe({**said, **SAID[family]}), media=False)
    except RecipeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", [*STREAMED, *WHOLE])
def test_every_row_does_every_family_with_exact_frames_and_each_differs(pipe, name):
    """What plan refuses is refused with its reason: starting from footage in batch, as the README says."""
    row, outputs = (STREAMED | WHOLE)[name], {}
    for family, units in FAMILIES.items():
        refused = refusal(name, family)
        assert bool(refused) == (row.whole is not None and family == "V2V")
        if refused:
            assert "strength: a whole clip at once starts from noise; leave `mode: batch` out" in refused
            continue
        outputs[family] = made(started(pipe, row), units(row))
        assert outputs[family].shape == (NUM_FRAMES, *SIZE, 3), family
    for one, other in zip(list(outputs)[1:], list(outputs)[:-1], strict=True):
        assert not np.array_equal(outputs[one], outputs[other]), (one, other)
    silent = scene(row, control_passes(NUM_FRAMES), references=pictures(2), scales={0: 0.0})
    assert np.array_equal(made(started(pipe, row), silent), outputs["T2V"])


README = (Path(__file__).parents[1] / "README.md").read_text()
STEPS = {"any": "even", "any from 2": "to_zero", "1 to 4 from an input": None}


def test_the_table_of_pipelines_in_the_readme_is_that_of_the_rows():
    table = README.partition("| pipeline | a chunk sees |")[2].partition("\n\n")[0].splitlines()[2:]
    named: set[str] = set()
    for line in table:
        names, *_, steps = (cell.strip() for cell in line.strip("|").split("|"))
        first, *endings = re.findall(r"`([^`]+)`", names)
        rows = [first, *(first.rpartition("-")[0] + ending for ending in endings)]
        named |= {*rows}
        for row in (PIPELINES[name] for name in rows):
            spare = len(row.source_steps or ()) + len(row.spare_steps)
            free = row.free_steps or ("even" if not row.streams else None)
            assert steps in STEPS or steps == f"its {len(row.steps)}", row.name
            assert STEPS.get(steps) == free, row.name
            assert (spare == 4) == (steps == "1 to 4 from an input"), row.name
            assert (row.step_batch is not None) == ("`step_batch: true`" in line), row.name
    assert named == set(PIPELINES)
    assert "Every row does T2V, R2V, controls, masks and, where it streams, `strength`." in README


def test_only_a_row_whose_chunks_need_nothing_of_the_last_step_takes_a_step_batch():
    said = {"prompt": "x", "length": "17f", "output": "o.mp4", "step_batch": True}
    for name, row in PIPELINES.items():
        recipe = load_recipe({**said, "pipeline": name})
        if row.step_batch is None:
            with pytest.raises(RecipeError, match=r"step_batch: .*; leave it out"):
                make_plan(recipe, media=False)
        else:
            assert make_plan(recipe, media=False).spec.step_batch
            assert not row.commit_pass
            assert row.recache == "none"
    batch = load_recipe({**said, "mode": "batch"})
    with pytest.raises(RecipeError, match="one chunk; leave it out"):
        make_plan(batch, media=False)


@pytest.mark.parametrize("name", [*STREAMED, *WHOLE])
def test_the_planned_cache_is_the_allocated_one_in_every_row(pipe, name):
    row, size = (STREAMED | WHOLE)[name], (64, 96)
    state = new_denoise_state(pipe.transformer, row, (8, 12), dtype=torch.float32, device=CPU)
    cache = state.cache
    allocated = sum(layer.numel() * layer.element_size() for layer in cache.layers)
    asked = Demand(size, "fp32")
    assert memory(row, asked).kv_cache == allocated
    for chunk, _ in zip(chunks(row), range(1 if row.whole else 4), strict=False):
        with cache.writing(chunk.first_latent, chunk.num_latents):
            aside = sum(old.numel() * old.element_size() for old in cache._kept.values)
    assert aside <= kv_aside(row, asked)


def seen_by(row: PipelineSpec, num_chunks: int) -> list[list[int]]:
    """The latents that each chunk attends to; keys and values carry the number of their latent."""
    cache, seen = KVCache(cache_shape(row, 1, 1, 12, (1, 1))), []
    for chunk, _ in zip(chunks(row), range(num_chunks), strict=False):
        numbers = torch.arange(chunk.first_latent, chunk.first_latent + chunk.num_latents).float()
        x = (numbers + 1)[None, :, None, None].expand(-1, -1, -1, 12)
        with cache.writing(chunk.first_latent, chunk.num_latents):
            cache.layer(0)(x, torch.ones_like(x), x)
            held = cache.layers[0][1, 0, cache._access.read, 0, 0, 0]
            seen.append(sorted(round(float(number)) - 1 for number in held))
        cache.file(chunk.first_latent, lambda _: torch.ones(1, 1, 1, 12))
    return seen


@pytest.mark.parametrize("t", [9, 12, 60])
def test_reward_forcing_sees_its_sink_the_last_three_latents_and_the_chunk(t):
    row = replace(ROWS["reward-forcing-1.3b"], sink_decay=0.9999999)  # so that the sink's numbers stay
    assert seen_by(row, t // 3 + 1)[-1] == [0, 1, 2, *range(t - 3, t + 3)]


@pytest.mark.parametrize("t", [6, 7, 20])
def test_streamdiffusion_sees_its_first_three_latents_the_last_two_and_the_chunk(t):
    row = replace(ROWS["streamdiffusionv2-1.3b"], sink_refresh=-1.0)
    assert seen_by(row, t)[-1] == [0, 1, 2, t - 2, t - 1, t]


def test_streamdiffusion_renews_the_sink_latent_that_the_new_one_is_unlike():
    row = ROWS["streamdiffusionv2-1.3b"]
    cache = KVCache(cache_shape(row, 1, 1, 12, (1, 1)))
    generator = torch.Generator().manual_seed(1)
    same = torch.randn(1, 1, 1, 12, generator=generator)
    for latent in range(8):
        with cache.writing(latent, 1):
            v = same * (-1 if latent == 7 else 1)  # the last is unlike all of them
            for _ in range(2):
                cache.layer(0)(v, v, v)
                cache.repeat()
    signs = cache.layers[0][1, 0, :, 0, 0, 0].sign() * same.flatten()[0].sign()
    assert (signs < 0).sum() == 1
    assert signs[:3].min() < 0


def test_memflow_keeps_two_of_its_records_and_the_newest_beside_the_window():
    seen = seen_by(ROWS["memflow-1.3b"], 14)
    assert seen[1] == [0, 0, 1, 2, 3, 4, 5]  # the first record is a sink latent too
    assert seen[9] == sorted([0, 9, 18, *[0, 1, 2], *range(21, 30)])
    assert 27 in seen[10]
    assert len(seen[12]) == 15


class WholeHistory:
    """The slow way with a sink that flows: of every latent the un-roped keys and values are kept.

    What a chunk sees is worked out from all of them: each sink latent, into which every latent that left the
    window has flowed in turn, then those of the window.
    """

    def __init__(self, shape) -> None:
        self.shape, self.layers = shape, [[] for _ in range(shape.layers)]
        self.device, self.dtype, self.passes = torch.device("cpu"), torch.float32, 0

    @contextmanager
    def writing(self, _first: int, count: int):
        self.count, self.passes = count, 0
        yield

    def repeat(self) -> None:
        self.passes += 1

    def file(self, *_: object) -> None:
        pass

    def seen(self, past: list) -> list:
        """Keys and values of the sink and of the window."""
        sink, decay, recent = self.shape.sink, self.shape.sink_decay, self.shape.window - self.shape.sink
        if len(past) <= self.shape.window:
            return past
        flowed = []
        for place in range(sink):
            mixed = past[place]
            for gone in past[sink + place : -recent : sink]:
                mixed = tuple(decay * x + (1 - decay) * y for x, y in zip(mixed, gone, strict=True))
            flowed.append(mixed)
        return flowed + past[-recent:]

    def layer(self, index: int):
        past, count = self.layers[index], self.count

        def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            if self.passes:
                del past[-count:]
            past.extend(zip(k.chunk(count, 1), v.chunk(count, 1), strict=True))
            seen = self.seen(past)
            keys, values = (torch.cat(part, 1) for part in zip(*seen, strict=True))
            n, grid, dim = len(seen), self.shape.grid, q.shape[-1]
            k_rope, q_rope = (
                make_rope(tuple(range(first, n)), *grid, dim, q.device) for first in (0, n - count)
            )
            return attend(apply_rope(q, q_rope), apply_rope(keys, k_rope), values)

        return attention


def latents_of(stream: Stream, units) -> list[Tensor]:
    """The clean latents of each chunk."""
    kept: list[Tensor] = []
    push = stream.decoder.push
    stream.decoder.push = lambda clean: (kept.append(clean), push(clean))[1]
    for _ in stream(units):
        pass
    return kept


def test_reward_forcing_is_the_whole_history_in_which_all_that_left_the_window_flows_into_the_sink(pipe):
    row = replace(ROWS["reward-forcing-1.3b"], sink_decay=0.7)  # so that one chunk of it is felt
    fast, slow = started(pipe, row), started(pipe, row)
    slow.denoising.cache = WholeHistory(fast.denoising.cache.shape)
    units = [list(scene(row, control_passes(69), references=pictures(1))) for _ in range(2)]
    got, want = latents_of(fast, units[0]), latents_of(slow, units[1])
    kept = started(pipe, replace(row, sink_decay=1.0))
    still = latents_of(kept, scene(row, control_passes(69), references=pictures(1)))
    assert len(got) == len(want) == 6
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)
    assert (still[-1] - got[-1]).abs().max() > 0.01


class Fixed:
    """Keys and values of a context at places 0.. and of the chunk behind it; nothing is ever rolled."""

    def __init__(self, layers: int, grid: tuple[int, int]) -> None:
        self.grid, self.context = grid, [None] * layers
        self.num_context = 0

    def layer(self, index: int):
        def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            first = self.num_context
            count = q.shape[1] // (self.grid[0] * self.grid[1])
            rope = make_rope(tuple(range(first, first + count)), *self.grid, q.shape[-1], q.device)
            q, k = apply_rope(q, rope), apply_rope(k, rope)
            if self.num_context == 0:
                self.written = index
                self.context[index] = (k, v)
                return attend(q, k, v)
            old_k, old_v = self.context[index]
            return attend(q, torch.cat([old_k, k], 1), torch.cat([old_v, v], 1))

        return attention


def test_krea_makes_its_context_again_before_every_chunk_under_the_prompt_of_now(pipe):
    row, prompts = ROWS["krea-realtime-14b"], {0: "a red dog", 2: "a blue cat"}
    got = latents_of(started(pipe, row), scene(row, [], num_frames=45, prompts=prompts))
    with torch.inference_mode():
        want = krea_slowly(pipe, row, [pipe.text(prompts[0])] * 2 + [pipe.text(prompts[2])] * 2)
    assert len(got) == len(want) == 4
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_krea_scales_its_steps_by_the_strength_before_they_are_warped(pipe):
    denoiser, row = make_denoiser(pipe.transformer, ROWS["krea-realtime-14b"]), ROWS["krea-realtime-14b"]
    condition = Condition(next(chunks(row)), torch.empty(0), source=Source(torch.empty(0), 0.6, 600.0))
    schedule, share = denoiser.steps_of(condition)
    unwarped = (0.6, 0.45, 0.3, 0.15, 0.0)
    assert schedule.timesteps == pytest.approx([5000 * u / (1 + 4 * u) for u in unwarped], abs=1e-3)
    assert share == pytest.approx(schedule.timesteps[0] / 1000)


def krea_slowly(pipe, row: PipelineSpec, texts: list[Tensor]) -> list[Tensor]:
    """Clean latents of each chunk; all latents and all frames so far are kept."""
    model, draw = pipe.transformer, seeded_noise(7)
    schedule = make_denoiser(model, row).schedule
    assert schedule.timesteps == pytest.approx((1000, 937.5, 833.3333, 625, 0), abs=1e-3)
    grid, shape = (SIZE[0] // 16, SIZE[1] // 16), (TINY.channels, 3, SIZE[0] // 8, SIZE[1] // 8)
    latents, frames, decoder = torch.empty(TINY.channels, 0, *shape[2:]), [], Decoder(pipe.vae)
    for block, prompt in enumerate(texts):
        text, cache = model.embed_text(prompt[None]), Fixed(TINY.layers, grid)
        if block:
            anchor = latents[:, :1]
            if block > 1:
                anchor = Encoder(pipe.vae).push(torch.cat(frames)[-9:][:1])
            context = torch.cat([anchor, latents[:, -2:]], 1)
            model(context[None], torch.zeros(1, 3), text, cache)
            cache.num_context = 3
        x = draw(block, 0, shape)
        for step, timestep in enumerate(schedule.timesteps):
            if step:
                x = schedule.renoise(x0, draw(block, step, shape), step)  # noqa: F821
            memory = cache if block else Fixed(TINY.layers, grid)
            flow = model(x[None], torch.full((1, 3), timestep), text, memory)
            x0 = schedule.denoise(x, flow[0], step)
        latents = torch.cat([latents, x0], 1)
        frames.append(decoder.push(x0))
    return list(latents.split(3, 1))


@pytest.mark.parametrize("name", STREAMED)
def test_a_restored_stream_of_every_row_goes_on_with_the_same_frames(pipe, name, tmp_path):
    row = STREAMED[name]

    def units(skip: int = 0):
        passes, source = control_passes(45), Clip(noise(45, 4))
        return scene(row, passes, source=source, strength=0.8, skip=skip)

    stream, border = started(pipe, row), 3
    ahead = stream(units())
    for _ in range(border):
        next(ahead)
    stream.save(tmp_path / "state")
    fresh = started(pipe, row)
    fresh.restore(tmp_path / "state")
    assert np.array_equal(next(ahead)[1], next(fresh(units(border)))[1])


def test_every_row_comes_with_the_context_blocks_of_its_size():
    for name, model in weights.PIPELINES.items():
        row, vace = PIPELINES[name], model.parts["vace"]
        assert vace is (VACE_14B if row.transformer is WAN_14B else VACE_1_3B), name
    assert {*weights.PIPELINES, *weights.EMBEDDED} == set(PIPELINES)


def test_an_aborted_chunk_leaves_the_cache_of_every_row_as_it_was():
    for row in STREAMED.values():
        cache = KVCache(cache_shape(row, 2, 1, 12, (1, 1)))
        for chunk, _ in zip(chunks(row), range(9), strict=False):
            before = [layer.clone() for layer in cache.layers], list(cache.table.latents)
            generator = torch.Generator().manual_seed(chunk.index)
            for aborted in (True, False):
                first = 0 if row.recompute_latents else chunk.first_latent
                cache.begin(first, chunk.num_latents)
                for _ in range(2):
                    x = torch.randn(3, 1, chunk.num_latents, 1, 12, generator=generator)
                    for layer in range(2):
                        cache.layer(layer)(*x)
                    cache.repeat()
                if aborted:
                    cache.abort()
                    assert all(torch.equal(a, b) for a, b in zip(before[0], cache.layers, strict=True)), (
                        row.name
                    )
                    assert cache.table.latents == before[1]
            cache.commit()
