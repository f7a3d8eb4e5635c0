"""Anchors act before their time, at their true distance; what is kept whole is not made, only remembered."""

from dataclasses import replace

import numpy as np
import torch

from tests.clips import SIZE, Clip, moving_mask, noise, scene
from tests.tiny import SPEC, tiny_pipeline
from vacestream.condition import Pass
from vacestream.models.conditions import Context, hints_at
from vacestream.models.vace import References, joined, later
from vacestream.stream import new_stream
from vacestream.vcu import Ahead


def anchor(latent: int, seed: int = 9) -> Ahead:
    frames = torch.rand(4, 3, *SIZE, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return Ahead(latent, frames, torch.zeros(4, 1, *SIZE))


def frames(vcus) -> list[np.ndarray]:
    return [made for _, made in new_stream(tiny_pipeline(), SIZE, 7)(vcus)]


def told(*ahead: Ahead):
    for chunk, vcu in scene(SPEC, [Pass(control=Clip(noise(33)))]):
        later_ones = tuple(one for one in ahead if one.latent >= chunk.first_latent + chunk.num_latents)
        yield chunk, replace(vcu, ahead=later_ones)


def test_an_anchor_reaches_the_chunks_before_it_and_its_distance_counts() -> None:
    plain, near, far = frames(told()), frames(told(anchor(6))), frames(told(anchor(8)))
    assert not np.array_equal(plain[0], near[0])
    assert not np.array_equal(near[0], far[0])
    assert not np.array_equal(frames(told(anchor(6, seed=2)))[0], near[0])


def test_keys_of_a_latent_move_in_time_as_if_they_had_been_roped_there() -> None:
    pipe = tiny_pipeline()
    latents = torch.randn(2, 16, 4, 4, generator=torch.Generator().manual_seed(1))
    references = References(latents, torch.randn_like(latents))
    model, text = pipe.transformer, pipe.transformer.embed_text(pipe.text("a dog")[None])
    context = Context(pipe.adapter, torch.randn(pipe.adapter.vace_patch_embedding.in_channels, 3, 4, 4))
    with torch.inference_mode():
        (both,) = hints_at(500.0, model, text, [context], references)
        one = References(latents[:1], references.noise[:1])
        (moved,) = hints_at(500.0, model, text, [context], one, None, ())
        again = [later(later(kv, 5), -5) for kv in moved.references]
    assert both.num_references == 2
    for (k, v), (k2, v2) in zip(moved.references, again, strict=True):
        torch.testing.assert_close(k, k2, atol=1e-5, rtol=1e-5)
        assert torch.equal(v, v2)
    assert joined([]) is None
    assert joined([moved.references, again])[0][0].shape[1] == 2 * moved.references[0][0].shape[1]


def kept(num_frames: int, start: int) -> Pass:
    """Footage that stays until the frame `start`."""
    mask = np.zeros((num_frames, *SIZE, 3), np.uint8)
    mask[start:] = 255
    return Pass(None, Clip(noise(num_frames, 2)), Clip(mask))


def test_a_chunk_that_is_kept_whole_takes_one_model_call_and_the_next_sees_it() -> None:
    calls: list[tuple[str, int]] = []
    stream = new_stream(tiny_pipeline(), SIZE, 7)
    stream.trace = lambda kind, chunk, _: calls.append((kind, chunk))
    made = [part for _, part in stream(scene(SPEC, [kept(21, 9)]))]
    assert [kind for kind, chunk in calls if chunk == 0] == ["context"]
    assert len([kind for kind, chunk in calls if chunk == 1]) == len(SPEC.steps) + 1
    assert np.array_equal(made[0], noise(9, 2)[:9])
    other = new_stream(tiny_pipeline(), SIZE, 7)
    footage = noise(21, 2)
    footage[:9] = noise(9, 3)
    mask = np.zeros((21, *SIZE, 3), np.uint8)
    mask[9:] = 255
    changed = [part for _, part in other(scene(SPEC, [Pass(None, Clip(footage), Clip(mask))]))]
    assert not np.array_equal(changed[1], made[1])


def test_kept_pixels_are_the_footage_and_the_same_however_a_stream_is_resumed(tmp_path) -> None:
    def passes() -> list[Pass]:
        return [Pass(None, Clip(noise(33, 2)), Clip(moving_mask(33)), feather=2)]

    made = frames(scene(SPEC, passes()))
    white = moving_mask(33)[..., :1] > 0
    wide = np.stack([_wider(frame[..., 0], 3) for frame in white])[..., None]
    whole = np.concatenate(made)
    assert np.array_equal(whole[~wide.repeat(3, -1)], noise(33, 2)[~wide.repeat(3, -1)])
    assert not np.array_equal(whole[white.repeat(3, -1)], noise(33, 2)[white.repeat(3, -1)])
    first = new_stream(tiny_pipeline(), SIZE, 7)
    run = first(scene(SPEC, passes()))
    next(run)
    first.save(tmp_path / "state")
    second = new_stream(tiny_pipeline(), SIZE, 7)
    second.restore(tmp_path / "state")
    rest = [part for _, part in second(scene(SPEC, passes(), skip=1))]
    assert all(np.array_equal(one, two) for one, two in zip(rest, made[1:], strict=True))


def _wider(region: np.ndarray, reach: int) -> np.ndarray:
    import cv2

    return np.asarray(cv2.dilate(region.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0)
