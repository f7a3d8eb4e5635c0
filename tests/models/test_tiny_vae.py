"""TAEHV and LightVAE: their published keys, and streams that equal a whole clip."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from torch import Tensor, nn

from tests.models.files import CPU, VAE
from tests.tiny import randomize
from vacestream.models.checkpoint import read
from vacestream.models.key_maps import VAE_KEYS, original
from vacestream.models.load import load_any_vae, load_vae
from vacestream.models.tiny_vae import Grow, MemoryBlock, Pool, TinyVAE
from vacestream.models.vae import Decoder, Encoder
from vacestream.weights import Found


@pytest.fixture(scope="module")
def vae() -> TinyVAE:
    return randomize(TinyVAE(), 3).double()  # type: ignore[return-value]


def whole(layers: nn.Sequential, x: Tensor) -> Tensor:
    """All frames [T n h w] at once, layer by layer, as the published class does it in parallel."""
    for layer in layers:
        if isinstance(layer, MemoryBlock):
            past = F.pad(x, (0, 0, 0, 0, 0, 0, 1, 0))[: len(x)]
            x = F.relu(layer.conv(torch.cat([x, past], 1)) + x)
        elif isinstance(layer, Pool):
            x = layer.conv(x.reshape(-1, layer.stride * x.shape[1], *x.shape[2:]))
        elif isinstance(layer, Grow):
            x = layer.conv(x).reshape(-1, x.shape[1], *x.shape[2:])
        else:
            x = layer(x)
    return x


def pixels(num_frames: int) -> Tensor:
    noise = torch.rand(num_frames, 3, 32, 48, generator=torch.Generator().manual_seed(5))
    return noise.double() * 2 - 1


@pytest.mark.parametrize("sizes", [[33], [9, 12, 12], [1, 4, 3, 5, 20]], ids=str)
@torch.inference_mode()
def test_an_encoded_stream_is_the_whole_clip_with_its_first_frame_four_times(
    vae: TinyVAE, sizes: list[int]
) -> None:
    video = pixels(33)
    x = torch.cat([video[:1].expand(3, -1, -1, -1), video])
    want = whole(vae.encoder, (x + 1) / 2).transpose(0, 1)
    encoder = Encoder(vae)
    got = torch.cat([encoder.push(part) for part in video.split(sizes)], dim=1)
    assert got.shape == (16, 9, 4, 6)
    torch.testing.assert_close(got, want, atol=1e-10, rtol=1e-10)
    encoder = Encoder(vae)
    again = torch.cat([encoder.push(part) for part in video.split([9, 12, 12])], dim=1)
    assert torch.equal(got, again)


@pytest.mark.parametrize("sizes", [[3, 3, 3], [9], [1, 2, 6]], ids=str)
@torch.inference_mode()
def test_a_decoded_stream_is_the_whole_clip_without_its_first_three_frames(
    vae: TinyVAE, sizes: list[int]
) -> None:
    latents = torch.randn(16, 9, 4, 6, generator=torch.Generator().manual_seed(6)).double()
    want = whole(vae.decoder, latents.transpose(0, 1))[3:].clamp(0, 1) * 2 - 1
    decoder = Decoder(vae)
    got = torch.cat([decoder.push(part) for part in latents.split(sizes, dim=1)])
    assert got.shape == (33, 3, 32, 48)
    torch.testing.assert_close(got, want, atol=1e-10, rtol=1e-10)


@torch.inference_mode()
def test_neutral_frames_are_gray_ones_and_a_state_goes_on(vae: TinyVAE) -> None:
    gray, told = Encoder(vae), Encoder(vae)
    for count in (9, 12, 12, 12):
        assert torch.equal(gray.push(torch.zeros(count, 3, 32, 48)), told.push_neutral(count, (32, 48)))
    encoder = Encoder(vae)
    encoder.push(pixels(9))
    kept = encoder.state()
    first = encoder.push(pixels(12))
    assert torch.equal(Encoder(vae).restored(kept).push(pixels(12)), first)


def published_keys() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published class's weights, written down from its layers."""
    keys: dict[str, tuple[int, ...]] = {}

    def conv(name: str, n: int, m: int, side: int = 3, bias: bool = True) -> None:
        keys[f"{name}.weight"] = (m, n, side, side)
        if bias:
            keys[f"{name}.bias"] = (m,)

    def block(name: str, n: int) -> None:
        conv(f"{name}.conv.0", 2 * n, n)
        conv(f"{name}.conv.2", n, n)
        conv(f"{name}.conv.4", n, n)

    conv("encoder.0", 3, 64)
    for at, stride in ((2, 2), (7, 2), (12, 1)):
        conv(f"encoder.{at}.conv", 64 * stride, 64, 1, bias=False)
        conv(f"encoder.{at + 1}", 64, 64, bias=False)
        for i in range(3):
            block(f"encoder.{at + 2 + i}", 64)
    conv("encoder.17", 64, 16)
    conv("decoder.1", 16, 256)
    for at, n, m, stride in ((3, 256, 128, 1), (9, 128, 64, 2), (15, 64, 64, 2)):
        for i in range(3):
            block(f"decoder.{at + i}", n)
        conv(f"decoder.{at + 4}.conv", n, n * stride, 1, bias=False)
        conv(f"decoder.{at + 5}", n, m, bias=False)
    conv("decoder.22", 64, 3)
    return keys


def test_taehv_has_the_published_keys_and_size(vae: TinyVAE) -> None:
    want = published_keys()
    assert {key: tuple(value.shape) for key, value in vae.state_dict().items()} == want
    assert len(want) == 128
    num_bytes = 2 * sum(value.numel() for value in vae.parameters())
    assert 0 < 22_642_902 - num_bytes < 128 * 100  # the published file in fp16, and its header


def test_taehv_loads_strictly_from_half_precision(vae: TinyVAE, tmp_path: Path) -> None:
    torch.save(
        {key: value.half() for key, value in vae.state_dict().items()}, path := tmp_path / "taew2_1.pth"
    )
    got = load_any_vae("tae", {}, Found(path), CPU, torch.float32)
    assert isinstance(got, TinyVAE)
    assert all(torch.equal(value, read(path)[key].float()) for key, value in got.state_dict().items())


def test_lightvae_is_wans_with_a_quarter_of_its_channels(tmp_path: Path) -> None:
    small = {**VAE, "base_dim": 24}
    source = AutoencoderKLWan(**small)
    named = {original(key, VAE_KEYS): value for key, value in source.state_dict().items()}
    torch.save(named, path := tmp_path / "lightvaew2_1.pth")
    got = load_any_vae("light", {**VAE, "base_dim": 96}, Found(path), CPU, torch.float32)
    want = load_vae(small, Found(path), CPU, torch.float32)
    assert all(
        torch.equal(one, other) for one, other in zip(got.parameters(), want.parameters(), strict=True)
    )
