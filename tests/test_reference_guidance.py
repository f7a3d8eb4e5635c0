"""Reference guidance: each step with references and without, against a loop that never shares a cache."""

from contextlib import ExitStack

import pytest
import torch
from torch import Tensor

from tests.clips import SIZE, control_passes, pictures, scene
from tests.tiny import SPEC, tiny_pipeline
from vacestream.calls import calls
from vacestream.condition import Pass, make_vcus
from vacestream.denoise_state import DenoiseState, new_denoise_state
from vacestream.engine import Denoiser, make_denoiser
from vacestream.loading import Weights, load_stream
from vacestream.method import Method
from vacestream.models.conditions import Condition, hints_at
from vacestream.models.kv_cache import KVCache
from vacestream.models.load import Pipeline
from vacestream.models.schedule import seeded_noise
from vacestream.passes import open_passes, steering
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe
from vacestream.stream import new_stream

NOISE = seeded_noise(7)
FRAMES = 33
WEIGHT = 2.0


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return tiny_pipeline()


def conditions(pipe: Pipeline, passes: list[Pass], **given: object) -> list[Condition]:
    """What a stream of these is denoised under."""
    stream, seen = new_stream(pipe, SIZE, 7), []
    units = scene(SPEC, passes, num_frames=FRAMES, references=pictures(2), **given)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        push = Denoiser.push
        patch.setattr(Denoiser, "push", lambda self, one, *rest: seen.append(one) or push(self, one, *rest))
        list(stream(units))
    return seen


def empty(pipe: Pipeline) -> DenoiseState:
    return new_denoise_state(pipe.transformer, SPEC, (4, 4), dtype=torch.float32, device=pipe.device)


def quickly(pipe: Pipeline, asked: list[Condition], weight: float) -> tuple[list[Tensor], list[str]]:
    """The clean latents of each chunk, and what each call of the model was for."""
    kinds: list[str] = []
    method = Method(reference_guidance=weight)
    denoise = make_denoiser(pipe.transformer, SPEC, method=method, trace=lambda kind, *_: kinds.append(kind))
    return [clean for _, clean in denoise(asked, empty(pipe), NOISE)], kinds


@torch.inference_mode()
def slowly(pipe: Pipeline, asked: list[Condition], weight: float) -> list[Tensor]:
    """The same in a plain loop: every call on a copy of the cache as the last chunk left it."""
    model, schedule = pipe.transformer, make_denoiser(pipe.transformer, SPEC).schedule
    cache, made = empty(pipe).cache, []
    for one in asked:
        text = model.embed_text(one.prompt[None])
        first, count = one.chunk.first_latent, one.chunk.num_latents

        def flow(cache: KVCache, x: Tensor, t: float, step: int, references: object) -> Tensor:
            hints = list(hints_at(t, model, text, one.contexts, references, step))  # noqa: B023
            with cache.writing(first, count):  # noqa: B023
                found = model(x[None], torch.full((1, count), t), text, cache, hints)  # noqa: B023
            return found[0]

        x = NOISE(one.chunk.index, 0, (16, count, 4, 4))
        for step, t in enumerate(schedule.timesteps):
            shown, hidden = (flow(cache.copy(), x, t, step, given) for given in (one.references, None))
            x0 = schedule.denoise(x, hidden + weight * (shown - hidden), step)
            if step + 1 < len(schedule.timesteps):
                x = schedule.renoise(x0, NOISE(one.chunk.index, step + 1, tuple(x0.shape)), step + 1)
        flow(cache, x0, 0.0, len(schedule.timesteps) - 1, one.references)
        made.append(x0)
    return made


@pytest.mark.parametrize("passes", [control_passes(FRAMES), [Pass()]], ids=["control", "references alone"])
def test_guided_steps_are_a_loop_in_which_the_branches_share_no_cache(
    pipe: Pipeline, passes: list[Pass]
) -> None:
    asked = conditions(pipe, passes)
    got, _ = quickly(pipe, asked, WEIGHT)
    for mine, want in zip(got, slowly(pipe, asked, WEIGHT), strict=True):
        torch.testing.assert_close(mine, want, atol=2e-5, rtol=0)


def test_two_calls_a_step_with_guidance_and_one_without(pipe: Pipeline) -> None:
    asked = conditions(pipe, control_passes(FRAMES))
    one, kinds = quickly(pipe, asked, 1.0)
    assert kinds == [*(f"denoise{i}" for i in range(4)), "context"] * len(asked)
    two, kinds = quickly(pipe, asked, WEIGHT)
    steps = [f"{kind}{i}" for i in range(4) for kind in ("without", "denoise")]
    assert kinds == [*steps, "context"] * len(asked)
    assert all((a - b).abs().max() > 0.05 for a, b in zip(one, two, strict=True))


def test_where_no_reference_acts_guidance_is_the_plain_video_to_the_bit(pipe: Pipeline) -> None:
    asked = conditions(pipe, control_passes(FRAMES), scales={0: 0.0, 2: 1.0})
    (plain, _), (guided, kinds) = quickly(pipe, asked, 1.0), quickly(pipe, asked, WEIGHT)
    assert [torch.equal(a, b) for a, b in zip(plain, guided, strict=True)] == [True, True, False]
    assert len(kinds) == 5 + 5 + 9


R2V = "prompt: on a beige plain background\nreferences: sprites:11\nlength: 9f\nsize: 64x64\n"


@pytest.mark.parametrize("mode", ["", "mode: batch\n"], ids=["stream", "batch"])
def test_a_recipe_says_how_far_and_the_plan_what_it_costs(mode: str) -> None:
    weights, made, cost = Weights(), [], []
    for said in ("", "vace: {reference_guidance: 1}\n", "vace: {reference_guidance: 2.5}\n"):
        plan = make_plan(load_recipe(R2V + mode + said))
        stream, kinds = load_stream(plan, weights), []
        stream.trace = lambda kind, *_: kinds.append(kind)  # noqa: B023
        with ExitStack() as stack:
            units = make_vcus(plan.chunks(), open_passes(plan, stack), steering(plan), (64, 64))
            ((_, frames),) = stream(units)
        made.append(torch.from_numpy(frames))
        cost.append(calls(plan.recipe, plan.spec))
        assert plan.to_dict()["calls_per_chunk"] == cost[-1]
        if not mode:
            assert len(kinds) == sum(cost[-1].values())
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
    assert cost[0] == cost[1]
    assert cost[2] == cost[0] | {"without_references": cost[0]["denoise"]}
