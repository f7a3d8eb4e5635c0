from itertools import islice

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.clips import SIZE, Clip, control_passes, masked_passes, noise, pictures, scene
from tests.tiny import CPU, SPEC, tiny_pipeline, tiny_vae
from vacestream.condition import Pass
from vacestream.encode import Encode, EncodeState, encode_layer, pack_masks, pool_masks
from vacestream.frames import to_pixels
from vacestream.models.vae import Encoder
from vacestream.stream import new_stream
from vacestream.timeline import Chunk
from vacestream.vcu import VCU, Layer

NEAREST = {  # frames -> the frame that speaks for each latent, as whole-clip VACE picks them
    81: [1, 5, 9, 13, 17, 21, 25, 28, 32, 36, 40, 44, 48, 52, 55, 59, 63, 67, 71, 75, 79],
    13: [1, 4, 8, 11],
    9: [1, 4, 7],
}


def numbered(num_frames: int) -> torch.Tensor:
    """Masks [T 1 2 2] that say which frame they are of."""
    return torch.arange(num_frames)[:, None, None, None].expand(-1, 1, 2, 2).float()


def chosen(num_frames: int, how: str, cuts: list[int]) -> list[int]:
    """The frame that speaks for each latent, where the frames come in chunks of the given latents."""
    picked, latent = [], 0
    for count in cuts:
        chunk = Chunk(0, latent, count)
        part = numbered(num_frames)[chunk.start : chunk.stop]
        picked += pool_masks(part, chunk, how)[:, 0, 0, 0].int().tolist()
        latent += count
    return picked


def wan(vae, pixels: torch.Tensor) -> torch.Tensor:
    """Normalised latents [c f h w] of a whole clip, through diffusers."""
    mean = vae.encode(pixels.transpose(0, 1)[None]).latent_dist.mode()[0]
    shift, scale = (torch.tensor(vae.config[f"latents_{name}"]).view(-1, 1, 1, 1) for name in ("mean", "std"))
    return (mean - shift) / scale


def counted(module: torch.nn.Module) -> list[int]:
    """Grows by one item at each call of the module."""
    calls: list[int] = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return calls


def conditions(pipe, passes, state: EncodeState | None = None, **given):
    encode = Encode(
        lambda: Encoder(pipe.vae), pipe.text, lambda i, shape: torch.full(shape, float(i), device=CPU)
    )
    return encode(scene(SPEC, passes, **given), state or EncodeState(), lambda _: pipe.adapter)


@pytest.mark.parametrize(("num_frames", "frames"), NEAREST.items())
def test_nearest_takes_the_frames_that_whole_clip_vace_takes(num_frames, frames):
    assert chosen(num_frames, "nearest", [len(frames)]) == frames


def test_nearest_is_torchs_nearest_exact_for_any_length():
    for latents in range(1, 101):
        size = 4 * latents - 3
        want = F.interpolate(torch.arange(size).float()[None, None], size=latents, mode="nearest-exact")[0, 0]
        assert chosen(size, "nearest", [latents]) == want.int().tolist()


@pytest.mark.parametrize("cuts", [[9], [3, 3, 3], [1, 2, 6]], ids=str)
def test_group_takes_the_last_but_one_frame_wherever_chunks_are_cut(cuts):
    assert chosen(33, "group", cuts) == [0, 3, 7, 11, 15, 19, 23, 27, 31]


@pytest.mark.parametrize("cuts", [[9], [3, 3, 3], [1, 2, 6]], ids=str)
def test_union_generates_what_any_frame_of_the_latent_generates(cuts):
    assert chosen(33, "union", cuts) == [0, 4, 8, 12, 16, 20, 24, 28, 32]
    masks = torch.zeros(9, 1, 1, 4)
    masks[5, 0, 0, 1] = masks[8, 0, 0, 2] = 1
    assert pool_masks(masks, Chunk(0, 0, 3), "union")[:, 0, 0].tolist() == [[0] * 4, [0] * 4, [0, 1, 1, 0]]


def test_packed_masks_hold_each_pixel_of_a_cell_in_a_channel_row_by_row():
    masks = torch.rand(3, 1, 16, 24, generator=torch.Generator().manual_seed(0))
    packed = pack_masks(masks, 8)
    assert packed.shape == (64, 3, 2, 3)
    for f in range(3):
        for y in range(16):
            for x in range(24):
                assert packed[8 * (y % 8) + x % 8, f, y // 8, x // 8] == masks[f, 0, y, x]


def test_a_streamed_context_is_the_whole_clips_inactive_and_reactive_latents_and_masks():
    pipe = tiny_pipeline()
    units = [vcu.layers[0] for _, vcu in scene(SPEC, masked_passes(33))]
    streamed = torch.cat([c.contexts[0].latents for c in conditions(pipe, masked_passes(33))], dim=1)
    assert streamed.shape == (96, 9, 4, 4)
    for part, pixels in enumerate(([u.inactive() for u in units], [u.reactive() for u in units])):
        whole = wan(pipe.vae, torch.cat(pixels))
        torch.testing.assert_close(streamed[16 * part : 16 * part + 16], whole, atol=1e-5, rtol=0)
    assert torch.equal(streamed[32:], pack_masks(torch.cat([u.latent_masks for u in units]), 8))


def test_the_neutral_context_is_the_latents_of_mid_gray():
    pipe = tiny_pipeline()
    streamed = torch.cat([c.contexts[0].latents for c in islice(conditions(pipe, [Pass()]), 6)], dim=1)
    whole = wan(pipe.vae, torch.zeros(69, 3, *SIZE))
    for part in (streamed[:16], streamed[16:32]):
        torch.testing.assert_close(part, whole, atol=1e-5, rtol=0)
    assert whole.abs().amin(dim=(1, 2, 3)).max() > 0.01
    assert (streamed[32:] == 1).all()


def test_the_reactive_half_of_a_reference_is_zero_latents_and_it_is_kept():
    pipe = tiny_pipeline()
    condition = next(conditions(pipe, [Pass()], references=pictures(2)))
    context = condition.references.context(96)[0]
    assert torch.equal(context[:16].transpose(0, 1), condition.references.latents)
    assert not context[16:].any()


def test_the_constant_stream_of_a_pure_control_is_encoded_once():
    pipe = tiny_pipeline()
    calls, made = counted(pipe.vae.encoder), conditions(pipe, control_passes(9 + 59 * 12))
    totals = [len(calls) for _ in made]
    assert len(totals) == 60
    settled = totals[14] - 3 * 15
    assert settled < 3 * 15
    assert totals[14:] == [3 * (i + 1) + settled for i in range(14, 60)]


def test_references_are_encoded_one_by_one_and_in_order():
    pipe, (first, second, third) = tiny_pipeline(), pictures(3)
    references = next(conditions(pipe, [Pass()], references=(first, second, third))).references
    alone = [wan(pipe.vae, picture[None])[:, 0] for picture in (first, second, third)]
    torch.testing.assert_close(references.latents, torch.stack(alone), atol=1e-6, rtol=0)
    assert references.noise.amax(dim=(1, 2, 3)).tolist() == [0, 1, 2]


def test_references_are_encoded_again_only_when_the_pictures_change():
    pipe, state, (first, second) = tiny_pipeline(), EncodeState(), pictures(2)
    neutral = Layer(torch.zeros(12, 3, *SIZE), torch.ones(12, 1, *SIZE), torch.ones(3, 1, *SIZE))
    sets = [(first,), (first,), (first, second), (first, second), (second, first), ()]
    units = [(Chunk(i, 3 * i + 3, 3), VCU("a", (neutral,), pictures)) for i, pictures in enumerate(sets)]
    encode = Encode(lambda: Encoder(pipe.vae), pipe.text, lambda _, shape: torch.zeros(shape))
    got = [condition.references for condition in encode(units, state, lambda _: pipe.adapter)]
    assert got[0] is got[1]
    assert got[2] is got[3]
    assert len({id(references) for references in got[:5]}) == 3
    assert torch.equal(got[2].latents, got[4].latents.flip(0))
    assert got[5] is None


def test_a_pass_that_joins_later_keeps_step_with_the_latents():
    vae, chunk = tiny_vae(), Chunk(0, 3, 3)
    pipe = tiny_pipeline()
    frames, ones = to_pixels(noise(12)), torch.ones(12, 1, *SIZE)
    joined = Layer(frames, ones, torch.ones(3, 1, *SIZE))
    encode = Encode(lambda: Encoder(pipe.vae), pipe.text, lambda _, shape: torch.zeros(shape))
    state = EncodeState()
    units = [(Chunk(0, 0, 3), VCU("a")), (chunk, VCU("a", (joined,)))]
    *_, condition = encode(units, state, lambda _: pipe.adapter)
    behind_gray = wan(vae, torch.cat([torch.zeros(1, 3, *SIZE), frames]))[:, 1:]
    got = condition.contexts[0].latents[16:32]
    torch.testing.assert_close(got, behind_gray, atol=1e-5, rtol=0)
    assert all(len(encoder.pending) == 0 for encoder in state.streams[0])


def test_a_pass_without_weight_is_encoded_all_the_same():
    pipe, state = tiny_pipeline(), EncodeState()
    made = conditions(pipe, control_passes(45), state, scales={0: 0.0, 1: 1.0}, references=pictures(1))
    silent, loud = next(made), next(made)
    assert [context.scale for context in silent.contexts] == [0.0]
    always = list(islice(conditions(pipe, control_passes(45), references=pictures(1)), 2))[1]
    assert torch.equal(loud.contexts[0].latents, always.contexts[0].latents)
    assert loud.contexts[0].scale == 1.0


def test_an_aborted_chunk_leaves_the_streams_as_they_were():
    pipe, state = tiny_pipeline(), EncodeState()
    whole = [c.contexts[0].latents for c in conditions(pipe, masked_passes(33))]
    next(made := conditions(pipe, masked_passes(33), state))
    state.commit()
    next(made)
    state.abort()
    again = next(conditions(pipe, masked_passes(33), state, skip=1))
    assert torch.equal(again.contexts[0].latents, whole[1])


def test_a_layer_is_encoded_without_a_stage_around_it():
    vae, (_, vcu) = tiny_vae(), next(scene(SPEC, [Pass(control=Clip(noise(9)))]))
    context = encode_layer(vcu.layers[0], Encoder(vae), Encoder(vae))
    torch.testing.assert_close(context[16:32], wan(vae, to_pixels(noise(9))), atol=1e-5, rtol=0)


def test_a_cell_is_held_only_where_all_its_frames_and_neighbours_keep_it():
    pipe, footage, cells = tiny_pipeline(), noise(33, 2), []
    mask = np.zeros((33, *SIZE, 3), np.uint8)
    mask[14, 9, 9] = 255  # one pixel of one frame: of latent 4, and of cell (1, 1) of 4 x 4
    latents = []
    for condition in conditions(pipe, [Pass(None, Clip(footage), Clip(mask))]):
        cells.append(condition.held.cells[0])
        latents.append(condition.held.latents)
        assert condition.held.is_all == bool(cells[-1].all())
    expected = torch.ones(9, 4, 4, dtype=torch.bool)
    expected[4:6, :3, :3] = False  # frames of latent 5 are decoded with latent 4 in mind
    assert torch.equal(torch.cat(cells), expected)
    whole = wan(pipe.vae, to_pixels(footage))
    assert torch.allclose(torch.cat(latents, dim=1), whole, atol=1e-5)


def test_what_is_held_is_the_footage_in_the_clean_latents_and_the_rest_is_made():
    seen = []

    def watch(stage, items):
        for item in items:
            seen.extend([item] if stage == "denoise" else [])
            yield item

    stream = new_stream(tiny_pipeline(), SIZE, 7)
    for _ in stream(scene(SPEC, masked_passes(33)), watch):
        pass
    for condition, clean in seen:
        cells, footage = condition.held.cells, condition.held.latents
        assert torch.equal(clean * cells, footage * cells)
        assert not torch.isclose(clean, footage)[~cells.expand_as(clean)].all()
    assert any(condition.held.cells.any() and not condition.held.is_all for condition, _ in seen)
