"""Context blocks that remember, against one joint pass over all that they were shown."""

from itertools import product

import pytest
import torch
from torch import Tensor

from tests.tiny import SIZE, tiny_pipeline
from vacestream.models.attention import apply_rope, attend, make_rope
from vacestream.models.conditions import Context, hints_at
from vacestream.models.context_memory import ContextMemory
from vacestream.models.vace import References

H, W, FRAMES, CHUNKS = 4, 6, 2, 4
GRID = H // 2, W // 2
TOKENS = GRID[0] * GRID[1]
TIMES = (833.0, 250.0, 0.0)
"""Of the calls that a chunk takes; what the last of them has seen is remembered."""


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


CONTEXT = drawn(SIZE.context_channels, CHUNKS * FRAMES, H, W, seed=3)
SAMPLES = {t: drawn(1, SIZE.channels, CHUNKS * FRAMES, H, W, seed=int(t)) for t in TIMES}


def part(latents: Tensor, chunk: int) -> Tensor:
    return latents.narrow(-3, chunk * FRAMES, FRAMES)


@pytest.fixture
def pipe():
    return tiny_pipeline()


def remembering(pipe, references: References | None, num_latents: int) -> list[dict[float, list[Tensor]]]:
    """The hints [1 f n d] of every call of every chunk."""
    model, text, memory, made = pipe.transformer, None, ContextMemory(), []
    text = model.embed_text(pipe.text("a red ball")[None])
    for chunk in range(CHUNKS):
        memory.begin()
        found = {}
        for t in TIMES:
            x = model.patchify(part(SAMPLES[t], chunk))
            _, modulation = model.embed_time(torch.full((1, FRAMES), t), x.dtype)
            contexts = [Context(pipe.adapter, part(CONTEXT, chunk))]
            (source,) = hints_at(t, model, text, contexts, references, memory=memory)
            found[t] = list(source(x, modulation, text))
        memory.commit(num_latents * TOKENS)
        made.append(found)
    return made


def jointly(pipe, references: References | None, chunk: int, t: float, num_latents: int) -> list[Tensor]:
    """Those of one call, from a pass over [references | all chunks before, clean | the chunk].

    Each chunk sees the references, so many latents before it, and itself.
    """
    model, count = pipe.transformer, 0 if references is None else len(references)
    text = model.embed_text(pipe.text("a red ball")[None])
    clean = SAMPLES[TIMES[-1]][:, :, : chunk * FRAMES]
    latents = [clean, part(SAMPLES[t], chunk)]
    latents = [references.noised(t / 1000), *latents] if references else latents
    times = [t] * count + [TIMES[-1]] * (chunk * FRAMES) + [t] * FRAMES
    x = model.patchify(torch.cat(latents, dim=2))
    _, modulation = model.embed_time(torch.tensor([times]), x.dtype)
    shown = [CONTEXT[None, :, : (chunk + 1) * FRAMES]]
    shown = [references.context(SIZE.context_channels), *shown] if references else shown
    context = pipe.adapter.embed(torch.cat(shown, dim=2))
    place = torch.arange(len(times)) - count
    of = torch.where(place < 0, -1, place.div(FRAMES, rounding_mode="floor"))
    sees = (of[None] < 0) | (of[:, None] == of[None])
    oldest = of[:, None] * FRAMES - num_latents
    sees |= (place[None] >= oldest) & (of[None] <= of[:, None]) & (place[None] >= 0)
    sees[:count] = of < 0
    mask = sees.repeat_interleave(TOKENS, 0).repeat_interleave(TOKENS, 1)
    rope = make_rope(tuple(range(len(times))), *GRID, SIZE.head_dim, x.device)

    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend(apply_rope(q, rope), apply_rope(k, rope), v, mask)

    made = []
    for block in pipe.adapter.vace_blocks:
        context, hint = block(context, x, modulation, text, attention)
        made.append(hint[:, -FRAMES:])
    return made


@torch.inference_mode()
@pytest.mark.parametrize(("num_latents", "referred"), [(1, False), (3, False), (8, False), (8, True)])
def test_what_is_remembered_is_attended_as_in_one_pass_over_everything(
    pipe, num_latents: int, referred: bool
) -> None:
    """In earlier calls of a chunk the references are at another noise than what is remembered saw them at."""
    given = References(*(drawn(2, SIZE.channels, H, W, seed=seed) for seed in (1, 2))) if referred else None
    got = remembering(pipe, given, num_latents)
    for chunk, t in product(range(CHUNKS), TIMES[-1:] if referred else TIMES):
        want = jointly(pipe, given, chunk, t, num_latents)
        for mine, true in zip(got[chunk][t], want, strict=True):
            torch.testing.assert_close(mine, true, atol=2e-5, rtol=1e-5)
