"""The bank against the slow way: every record kept, every score computed in full."""

import math

import pytest
import torch
from torch import Tensor

from vacestream.models.bank import Bank, attend_to_best

LAYERS, SIZE, TOKENS, HEADS, DIM = 2, 3, 4, 2, 6


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def score(text: Tensor, keys: Tensor) -> float:
    """Mean logit of the text's keys [L k d] on the tokens of a latent [n k d], over heads and tokens."""
    return (torch.einsum("lkd,nkd->lnk", text, keys) / math.sqrt(DIM)).mean().item()


@pytest.mark.parametrize("interval", [1, 3])
def test_a_full_bank_keeps_what_answers_the_prompt_best_and_the_newest(interval):
    layers = [torch.zeros(2, 1, SIZE + 1, TOKENS, HEADS, DIM) for _ in range(LAYERS)]
    text, bank = drawn(LAYERS, 1, 5, HEADS, DIM, seed=99), Bank(SIZE, interval)
    want: list[list[Tensor]] = [[] for _ in range(LAYERS)]
    for chunk in range(7 * interval):
        for index, layer in enumerate(layers):
            layer[:, :, SIZE] = drawn(2, 1, TOKENS, HEADS, DIM, seed=10 * chunk + index)  # the window
            if chunk % interval == 0:
                if len(want[index]) == SIZE:
                    worst = min(want[index], key=lambda kv, i=index: score(text[i, 0], kv[0, 0]))
                    want[index] = [kv for kv in want[index] if kv is not worst]
                want[index].append(layer[:, :, SIZE].clone())
        bank.chunk_done(layers, SIZE, lambda index: text[index])
        assert bank.num_filled == len(want[0])
        for layer, entries in zip(layers, want, strict=True):
            got = layer[:, :, SIZE - bank.num_filled : SIZE].unbind(2)
            assert torch.equal(got[0], entries[-1])  # the newest stands in front
            assert {x.flatten()[0].item() for x in got} == {x.flatten()[0].item() for x in entries}


def test_each_head_sees_the_latents_of_the_memory_that_are_nearest_and_all_others():
    frames, memory, top = 7, 5, 2
    q, k, v = drawn(1, 8, HEADS, DIM), *(drawn(1, frames, TOKENS, HEADS, DIM, seed=s) for s in (1, 2))
    got_k, got_v = attend_to_best(q, k, v, memory, top)
    assert got_k.shape == (1, (top + frames - memory) * TOKENS, HEADS, DIM)
    for head in range(HEADS):
        near = [(q[0, :, head].mean(0) @ k[0, f, :, head].mean(0)).item() for f in range(memory)]
        seen = [*sorted(sorted(range(memory), key=near.__getitem__)[-top:]), 5, 6]
        for got, whole in ((got_k, k), (got_v, v)):
            assert torch.equal(got[0, :, head], whole[0, seen, :, head].flatten(0, 1))


def test_of_a_memory_smaller_than_asked_for_all_is_seen():
    q, k = drawn(1, 8, HEADS, DIM), drawn(1, 3, TOKENS, HEADS, DIM, seed=1)
    assert torch.equal(attend_to_best(q, k, k, 2, 3)[0], k.flatten(1, 2))
