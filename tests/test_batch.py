"""Whole clips at once, against diffusers' own model in a plain loop."""

from dataclasses import replace

import pytest
import torch
from diffusers import UniPCMultistepScheduler

from tests.clips import SIZE, control_passes, pictures, scene
from tests.tiny import SIZE as TINY
from tests.tiny import batch_oracle, tiny_pipeline
from vacestream.method import Method
from vacestream.models.schedule import seeded_noise
from vacestream.models.vae import Encoder
from vacestream.pipelines import PIPELINES, Batch
from vacestream.stream import new_stream

FRAMES, LATENTS = 17, 5
BATCH = Batch(steps=5, shift=16.0, guidance=3.0)


@pytest.fixture(scope="module")
def pipe():
    with torch.inference_mode():
        yield tiny_pipeline()


def clip(pipe, batch: Batch, weight: float = 1.0, **given):
    """The clean latents and the frames of a controlled clip, and the condition that it was made under."""
    row = replace(PIPELINES["wan2.1-1.3b"], transformer=TINY, batch=batch).whole_clip(LATENTS)
    stream, seen = new_stream(replace(pipe, spec=row), SIZE, 7, method=Method(reference_guidance=weight)), []
    push = stream.decoder.push
    stream.decoder.push = lambda clean: (seen.append(clean), push(clean))[1]
    units = list(scene(row, control_passes(FRAMES), **given))
    ((chunk, frames),) = stream(iter(units))
    assert frames.shape == (FRAMES, *SIZE, 3)
    assert chunk.num_latents == LATENTS
    return seen[0], units[0][1]


@pytest.mark.parametrize(("num_references", "weight"), [(0, 1.0), (2, 1.0), (2, 2.0), (0, 2.0)])
def test_a_whole_clip_is_diffusers_model_in_a_plain_loop(pipe, num_references, weight):
    with torch.inference_mode():
        got, unit = clip(pipe, BATCH, weight, references=pictures(num_references))
        want = slowly(pipe, unit, num_references, weight)
    torch.testing.assert_close(got, want, atol=2e-4, rtol=0)


def slowly(pipe, unit, num_references: int, weight: float) -> torch.Tensor:
    """Latents [c f h w]: UniPC over diffusers' own VACE, with the prompt, without it, without references."""
    oracle, stride = batch_oracle(pipe), 8
    layer = unit.layers[0]
    parts = [Encoder(pipe.vae).push(pixels) for pixels in (layer.inactive(), layer.reactive())]
    masks = layer.latent_masks[:, 0].unflatten(2, (-1, stride)).unflatten(1, (-1, stride))
    context = torch.cat([*parts, masks.permute(2, 4, 0, 1, 3).flatten(0, 1)])
    for picture in reversed(unit.references):
        latent = Encoder(pipe.vae).push(picture[None])
        front = torch.cat([latent, latent.new_zeros(len(context) - len(latent), *latent.shape[1:])])
        context = torch.cat([front, context], dim=1)
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=BATCH.shift
    )
    scheduler.set_timesteps(BATCH.steps)
    x = seeded_noise(7)(0, 0, (TINY.channels, *context.shape[1:]))
    scale = torch.ones(len(TINY.context_layers))
    n = num_references
    for t in scheduler.timesteps:
        calls = (unit.prompt, 0), ("", 0), (unit.prompt, n)
        given, empty, bare = [
            oracle(
                x[None, :, dropped:], t[None].float(), pipe.text(prompt)[None],
                control_hidden_states=context[None, :, dropped:],
                control_hidden_states_scale=scale, return_dict=False,
            )[0][0]
            for prompt, dropped in calls
        ]  # fmt: skip
        flow = empty + BATCH.guidance * (given - empty)
        flow[:, n:] += (weight - 1) * (given[:, n:] - bare)
        x = scheduler.step(flow, t, x).prev_sample
    return x[:, num_references:]


def test_guidance_steps_and_the_sampler_each_reach_the_clip(pipe):
    plain, _ = clip(pipe, BATCH)
    for other in (
        replace(BATCH, guidance=1.0),
        replace(BATCH, steps=4),
        replace(BATCH, shift=5.0),
        replace(BATCH, sampler="euler"),
    ):
        assert (clip(pipe, other)[0] - plain).abs().max() > 0.01


def test_context_scale_zero_is_the_bare_base_to_the_bit(pipe):
    silent, _ = clip(pipe, BATCH, references=pictures(1), scales={0: 0.0})
    bare, _ = clip(replace(pipe, adapter=None), BATCH)
    assert torch.equal(silent, bare)
