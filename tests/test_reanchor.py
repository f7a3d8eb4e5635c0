"""The attention sink made anew: what it holds, where it stands, and a stream that goes on from its state."""

from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.tiny import SPEC, tiny_pipeline
from vacestream.condition import make_vcus
from vacestream.models.attention import apply_rope, make_rope
from vacestream.models.kv_cache import KVCache
from vacestream.models.slots import CacheShape
from vacestream.passes import open_passes, steering
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe
from vacestream.stream import Stream, new_stream

SIZE = 32, 32
START = (
    "input: sprites:3\nprompt: x\ncontrols: depth\nreferences: sprites:4\nlength: 57f\nsize: 32x32\nseed: 7\n"
)
SOURCES = ("first", "source", "reference")


def made(text: str, stream: Stream, skip: int = 0) -> list[np.ndarray]:
    plan = make_plan(load_recipe(START + text))
    with ExitStack() as stack:
        units = make_vcus(plan.chunks(), open_passes(plan, stack), steering(plan), SIZE)
        return [frames for _, frames in stream(islice(units, skip, None))]


def fresh() -> Stream:
    return new_stream(tiny_pipeline(), SIZE, 7)


@pytest.fixture(scope="module")
def plain() -> list[np.ndarray]:
    return made("", fresh())


@pytest.mark.parametrize("source", SOURCES)
def test_it_acts_from_its_first_chunk_on_and_a_restored_stream_has_it_too(
    source: str, plain: list[np.ndarray], tmp_path: Path
) -> None:
    text, stream, kinds = f"reanchor: {{every: 2 chunks, from: {source}}}\n", fresh(), []
    stream.trace = lambda kind, chunk, _flow: kinds.append((kind, chunk))
    whole = made(text, stream)
    same = [np.array_equal(a, b) for a, b in zip(whole, plain, strict=True)]
    assert same == [True, True, False, False, False]
    assert [chunk for kind, chunk in kinds if kind == "reanchor"] == [2, 4]

    before = fresh()
    for index, chunk in enumerate(_step_by_step(text, before)):
        assert np.array_equal(chunk, whole[index])
        before.save(tmp_path / f"{index + 1}")
    for border in (2, 3):
        again = fresh()
        again.restore(tmp_path / f"{border}")
        rest = made(text, again, border)
        assert all(np.array_equal(a, b) for a, b in zip(rest, whole[border:], strict=True))


def _step_by_step(text: str, stream: Stream):
    plan = make_plan(load_recipe(START + text))
    with ExitStack() as stack:
        units = make_vcus(plan.chunks(), open_passes(plan, stack), steering(plan), SIZE)
        yield from (frames for _, frames in stream(units))


def test_each_source_makes_another_video() -> None:
    ends = [made(f"reanchor: {{every: 2 chunks, from: {source}}}\n", fresh())[-1] for source in SOURCES]
    assert not any(np.array_equal(ends[i], ends[i - 1]) for i in range(3))


def test_the_sink_holds_the_picture_of_now_where_the_footage_is_the_source() -> None:
    """The first frame of the chunk that comes, held still, as the encoder sees it."""
    seen: list[Tensor] = []
    stream = fresh()
    commit = "vacestream.engine.Denoiser._commit"
    with pytest.MonkeyPatch.context() as patch:
        real = type(stream._stage())._commit

        def spy(self, kind: str, clean: Tensor, *rest: object) -> None:
            seen.extend([clean] if kind == "reanchor" else [])
            real(self, kind, clean, *rest)

        patch.setattr(commit, spy)
        made("reanchor: {every: 2 chunks, from: source}\n", stream)
    from vacestream.frames import to_pixels
    from vacestream.media.sources import open_source
    from vacestream.models.vae import Encoder

    frames = to_pixels(open_source("sprites:3", size=SIZE).read(57))
    for clean, start in zip(seen, (21, 45), strict=True):
        want = Encoder(stream.pipeline.vae).push(frames[start].expand(9, -1, -1, -1))
        torch.testing.assert_close(clean, want)


@pytest.mark.parametrize("rope", ["absolute", "relative"])
def test_the_new_sink_is_as_near_as_the_first_one_was(rope: str) -> None:
    """Made anew of the same keys before every chunk, it is attended the same at chunk 40 as at chunk 4."""
    grid, sink, count = (2, 3), 2, 3
    cache = KVCache(CacheShape(1, 2, 24, grid, window=8, sink=sink, rope=rope))  # type: ignore[arg-type]
    q, k, v = (
        torch.randn(1, 6, 2, 24, generator=torch.Generator().manual_seed(s)).repeat(1, count, 1, 1)
        for s in range(3)
    )
    seen = []
    for chunk in range(41):
        if chunk:
            cache.renew_sink(count * chunk, count)
            cache.layer(0)(*(part[:, : sink * 6] for part in (q, k, v)))
            cache.commit()
        with cache.writing(count * chunk, count):
            seen.append(cache.layer(0)(q, k, v))
    torch.testing.assert_close(seen[4], seen[40], atol=1e-4, rtol=1e-4)
    if rope == "absolute":
        placed = apply_rope(k[:, : sink * 6], make_rope((115, 116), *grid, 24, k.device))
        torch.testing.assert_close(cache.layers[0][0, 0, :sink].flatten(0, 1), placed[0])


def test_a_row_whose_sink_is_shorter_than_its_first_chunk_keeps_the_head_of_it() -> None:
    stream = new_stream(tiny_pipeline(attention_sink_latents=1), SIZE, 7)
    made("", stream)
    ((clean, contexts),) = stream.denoising.first
    assert clean.shape[1] == contexts[0].latents.shape[1] == 1
    assert SPEC.attention_sink_latents == 3
