"""The VAE as a stream against diffusers' whole-clip pass."""

import io
import random
from collections.abc import Callable, Iterator

import pytest
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from tests.tiny import tiny_vae
from vacestream.models.vae import Decoder, Encoder

SIZE = (16, 16)
LENGTHS = range(1, 62, 4)
EXACT = {"atol": 1e-5, "rtol": 0}


@pytest.fixture(scope="module")
def vae() -> AutoencoderKLWan:
    return tiny_vae()


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def clip(num_frames: int, seed: int = 0) -> Tensor:
    """[T 3 H W] in -1..1."""
    return torch.rand(num_frames, 3, *SIZE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def statistics(vae: AutoencoderKLWan) -> tuple[Tensor, Tensor]:
    mean, std = torch.tensor(vae.config.latents_mean), torch.tensor(vae.config.latents_std)
    return mean.view(-1, 1, 1, 1), std.view(-1, 1, 1, 1)


def whole_encode(vae: AutoencoderKLWan, pixels: Tensor) -> Tensor:
    mean, std = statistics(vae)
    return (vae.encode(pixels.transpose(0, 1)[None]).latent_dist.mode()[0] - mean) / std


def whole_decode(vae: AutoencoderKLWan, latents: Tensor) -> Tensor:
    mean, std = statistics(vae)
    return vae.decode((latents * std + mean)[None]).sample[0].transpose(0, 1)


def cut(x: Tensor, seed: int, dim: int = 0) -> list[Tensor]:
    """Pieces of 1 to 13, which need not end where a latent ends."""
    rng, sizes = random.Random(seed), []
    while sum(sizes) < x.shape[dim]:
        sizes.append(min(rng.randint(1, 13), x.shape[dim] - sum(sizes)))
    return list(x.split(sizes, dim))


@pytest.mark.parametrize("num_frames", LENGTHS)
def test_a_streamed_encode_is_the_whole_clip_under_any_cutting(
    vae: AutoencoderKLWan, num_frames: int
) -> None:
    pixels = clip(num_frames)
    want = whole_encode(vae, pixels)
    for seed in (num_frames, 1000 + num_frames):
        encoder = Encoder(vae)
        got = torch.cat([encoder.push(piece) for piece in cut(pixels, seed)], dim=1)
        torch.testing.assert_close(got, want, **EXACT)


@pytest.mark.parametrize("num_frames", LENGTHS)
def test_a_streamed_decode_is_the_whole_clip_under_any_cutting(
    vae: AutoencoderKLWan, num_frames: int
) -> None:
    latents = torch.randn(
        16, (num_frames + 3) // 4, 2, 2, generator=torch.Generator().manual_seed(num_frames)
    )
    want = whole_decode(vae, latents)
    decoder = Decoder(vae)
    got = torch.cat([decoder.push(piece) for piece in cut(latents, num_frames, dim=1)])
    assert len(got) == num_frames
    torch.testing.assert_close(got, want, **EXACT)


def test_three_interleaved_encoders_and_a_decoder_do_not_know_of_each_other(vae: AutoencoderKLWan) -> None:
    clips = [clip(61, seed) for seed in (1, 2, 3)]
    pieces = [cut(pixels, seed) for seed, pixels in enumerate(clips)]
    encoders, decoder = [Encoder(vae) for _ in clips], Decoder(vae)
    got: list[list[Tensor]] = [[], [], []]
    shown: list[Tensor] = []
    for turn in range(max(len(rest) for rest in pieces)):
        for mine, encoder, rest in zip(got, encoders, pieces, strict=True):
            if turn < len(rest):
                mine.append(encoder.push(rest[turn]))
        if turn < len(pieces[0]) and got[0][-1].shape[1]:
            shown.append(decoder.push(got[0][-1]))
    wants = [whole_encode(vae, pixels) for pixels in clips]
    for mine, want in zip(got, wants, strict=True):
        torch.testing.assert_close(torch.cat(mine, dim=1), want, **EXACT)
    torch.testing.assert_close(torch.cat(shown), whole_decode(vae, wants[0]), atol=5e-5, rtol=0)


def test_the_whole_clip_passes_of_others_do_not_disturb_a_stream(vae: AutoencoderKLWan) -> None:
    pixels, encoder = clip(21), Encoder(vae)
    got = [encoder.push(pixels[:9])]
    whole_encode(vae, clip(5, seed=9))
    got.append(encoder.push(pixels[9:]))
    torch.testing.assert_close(torch.cat(got, dim=1), whole_encode(vae, pixels), **EXACT)


@pytest.fixture
def encodes(vae: AutoencoderKLWan) -> Iterator[list[int]]:
    """Grows by one at every call of the VAE's encoder."""
    calls: list[int] = []
    hook = vae.encoder.register_forward_hook(lambda *_: calls.append(1))
    yield calls
    hook.remove()


def test_neutral_frames_are_encoded_until_they_settle_and_then_repeated_to_the_bit(
    vae: AutoencoderKLWan, encodes: list[int]
) -> None:
    plain, quick, chunks = Encoder(vae), Encoder(vae), [9] + [12] * 19 + [4]
    want = torch.cat([plain.push(torch.zeros(n, 3, *SIZE)) for n in chunks], dim=1)
    assert len(encodes) == want.shape[1] == 61
    encodes.clear()
    got = torch.cat([quick.push_neutral(n, SIZE) for n in chunks], dim=1)
    assert torch.equal(got, want)
    assert len(encodes) < 20
    encodes.clear()
    quick.push_neutral(12, SIZE)
    assert not encodes


def test_going_on_with_real_frames_is_as_if_no_neutral_one_had_been_skipped(vae: AutoencoderKLWan) -> None:
    plain, quick = Encoder(vae), Encoder(vae)
    for n, seed in ((61, 1), (20, 2)):
        plain.push(torch.zeros(n, 3, *SIZE))
        quick.push_neutral(n, SIZE)
        assert torch.equal(quick.push(clip(12, seed)), plain.push(clip(12, seed)))


@pytest.mark.parametrize("seed", range(3))
def test_neutral_frames_need_not_end_where_a_latent_ends(vae: AutoencoderKLWan, seed: int) -> None:
    rng, plain, quick = random.Random(seed), Encoder(vae), Encoder(vae)
    for turn in range(12):
        n, real = rng.randint(1, 9), clip(rng.randint(1, 5), turn)
        pairs = [(quick.push_neutral(n, SIZE), plain.push(torch.zeros(n, 3, *SIZE)))]
        if turn % 3 == 2:
            pairs.append((quick.push(real), plain.push(real)))
        assert all(torch.equal(a, b) for a, b in pairs)


def test_frames_that_complete_no_latent_give_none(vae: AutoencoderKLWan) -> None:
    encoder = Encoder(vae)
    encoder.push(clip(1))
    assert encoder.push(clip(3)).shape == (16, 0, 2, 2)


def restored(make: Callable[[], Encoder | Decoder], kept: Encoder | Decoder) -> Encoder | Decoder:
    """A copy made from a state that has been through a file."""
    file = io.BytesIO()
    torch.save(kept.state(), file)
    file.seek(0)
    return make().restored(torch.load(file, weights_only=True))


@pytest.mark.parametrize("stop", [1, 3, 22])
def test_an_encoder_goes_on_from_its_kept_state(vae: AutoencoderKLWan, stop: int) -> None:
    pixels, first = clip(41), Encoder(vae)
    first.push(pixels[:stop])
    second = restored(lambda: Encoder(vae), first)
    assert isinstance(second, Encoder)
    want = first.push(pixels[stop:])
    assert torch.equal(second.push(pixels[stop:]), want)


def test_a_settled_encoder_is_still_settled_after_a_restore(
    vae: AutoencoderKLWan, encodes: list[int]
) -> None:
    first = Encoder(vae)
    want = first.push_neutral(81, SIZE)[:, -1:]
    second = restored(lambda: Encoder(vae), first)
    assert isinstance(second, Encoder)
    encodes.clear()
    assert torch.equal(second.push_neutral(4, SIZE), want)
    assert not encodes


@pytest.mark.parametrize("stop", [1, 2, 5])
def test_a_decoder_goes_on_from_its_kept_state(vae: AutoencoderKLWan, stop: int) -> None:
    latents, first = torch.randn(16, 9, 2, 2, generator=torch.Generator().manual_seed(4)), Decoder(vae)
    first.push(latents[:, :stop])
    second = restored(lambda: Decoder(vae), first)
    assert isinstance(second, Decoder)
    want = first.push(latents[:, stop:])
    assert torch.equal(second.push(latents[:, stop:]), want)
