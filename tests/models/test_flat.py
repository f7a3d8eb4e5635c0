"""The VAE in 2-D against diffusers' own 3-D pass."""

import copy

import pytest
import torch
from diffusers import AutoencoderKLWan

from tests.tiny import tiny_vae
from vacestream.models.flat import FlatConv, flatten
from vacestream.models.vae import Decoder, Encoder


def forget(vae: AutoencoderKLWan) -> None:
    """Zero the past taps of every second convolution, as in the embedded model."""
    with torch.no_grad():
        for i, module in enumerate(m for m in vae.modules() if isinstance(m, torch.nn.Conv3d)):
            if i % 2:
                module.weight[:, :, :-1] = 0


@pytest.mark.parametrize("forgets", [False, True])
def test_a_flat_vae_streams_what_the_stock_one_does(forgets: bool) -> None:
    stock = tiny_vae()
    if forgets:
        forget(stock)
    flat = copy.deepcopy(stock)
    flatten(flat)
    pixels = torch.rand(21, 3, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latents = []
    for vae in (stock, flat):
        encoder = Encoder(vae)
        latents.append(torch.cat([encoder.push(pixels[:9]), encoder.push(pixels[9:])], dim=1))
    torch.testing.assert_close(latents[1], latents[0], atol=1e-5, rtol=0)
    frames = []
    for vae in (stock, flat):
        decoder = Decoder(vae)
        frames.append(torch.cat([decoder.push(latents[0][:, :3]), decoder.push(latents[0][:, 3:])]))
    torch.testing.assert_close(frames[1], frames[0], atol=1e-5, rtol=0)


def test_a_batch_of_clips_gives_what_the_stock_one_does() -> None:
    stock = tiny_vae()
    flat = copy.deepcopy(stock)
    flatten(flat)
    clips = torch.rand(2, 3, 5, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        want = stock.encode(clips).latent_dist.mean
        torch.testing.assert_close(flat.encode(clips).latent_dist.mean, want, atol=1e-5, rtol=0)
        frames = stock.decode(want).sample
        torch.testing.assert_close(flat.decode(want).sample, frames, atol=1e-5, rtol=0)


def test_only_taps_that_are_not_zero_are_computed() -> None:
    vae = tiny_vae()
    forget(vae)
    flatten(vae)
    convs = [module for module in vae.modules() if isinstance(module, FlatConv)]
    for conv in convs:
        assert conv.taps == tuple(i for i in range(conv.kernel_size[0]) if conv.weight[:, :, i].any())
    assert any(len(conv.taps) < conv.kernel_size[0] for conv in convs)
    assert any(len(conv.taps) == conv.kernel_size[0] > 1 for conv in convs)


def test_the_weights_keep_their_names_and_values() -> None:
    vae = tiny_vae()
    before = {name: weight.clone() for name, weight in vae.state_dict().items()}
    flatten(vae)
    after = vae.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
