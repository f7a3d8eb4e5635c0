"""Guidance distilled on streams: what is trained is what the engine runs, and the adapter stays as it is."""

import random
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from scripts.sprites import dit, guided, vace
from vacestream.denoise_state import new_denoise_state
from vacestream.engine import make_denoiser
from vacestream.models.conditions import Condition, Context
from vacestream.models.transformer import make_causal
from vacestream.models.vace import ContextAdapter, References
from vacestream.pipelines import PIPELINES
from vacestream.timeline import Chunk

GRID = 4, 4


def parts():
    """A teacher, a student like it, and an adapter, with random weights."""
    torch.manual_seed(5)
    model = dit.new_base()
    on = vace.new_vace(model)
    for p in (*model.parameters(), *on.vace_blocks.parameters(), *on.vace_patch_embedding.parameters()):
        torch.nn.init.normal_(p, std=0.08)
    adapter = ContextAdapter(on.vace_patch_embedding, on.vace_blocks, (0, 2, 4)).requires_grad_(False)
    other = dit.new_base()
    other.load_state_dict(model.state_dict())
    return make_causal(model.requires_grad_(False)), make_causal(other), adapter


def streams(teacher, student, adapter, *, kind="depth", weight=1.0):
    task = guided.Task(kind, True, 1.0, reference_guidance=weight)
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    asked = guided.Asked(task, ["a red star on a gray plain background"], torch.randn(1, 96, 6, *GRID),
                         torch.randn(1, 16, 1, *GRID), 2)  # fmt: skip
    words = teacher.embed_text(torch.randn(1, 24, 96)).tokens.detach()
    hinting = guided.Hinting(teacher, adapter)
    return guided.Streams(student, teacher, hinting, asked, words, words[:, :1], 1.0, generator)


def test_a_stream_in_training_is_the_one_that_the_engine_makes(monkeypatch):
    monkeypatch.setattr(guided, "half", nullcontext)
    teacher, student, adapter = parts()
    made = streams(teacher, student, adapter)
    places, ours = [(0, 1, 2), (30, 31, 32)], []
    for index, place in enumerate(places):
        error, push = made.chunk(index, place)
        assert (error.item(), push.item()) == pytest.approx((0, 0), abs=1e-10)
        made.commit()
        ours.append(made.clean[0])

    generator = torch.Generator().manual_seed(0)
    clean = made.asked.references[0].transpose(0, 1)
    references = References(clean, torch.randn(1, 16, 1, *GRID, generator=generator)[0].transpose(0, 1))
    draws = [[torch.randn(16, 3, *GRID, generator=generator) for _ in dit.FEW_STEPS] for _ in places]
    spec = PIPELINES["sprites"]
    state = new_denoise_state(student, spec, GRID, dtype=torch.float32, device=torch.device("cpu"))
    monkeypatch.setattr(student, "embed_text", lambda _: guided.Text(made.words))
    denoiser = make_denoiser(student, replace(spec, recache="none", references="hints"))
    for index, place in enumerate(places):
        context = Context(adapter, made.asked.contexts[0, :, 3 * index : 3 * index + 3])
        state.next_latent = place[0]
        condition = Condition(Chunk(index, place[0], 3), made.words[0], (context,), references)
        ((_, theirs),) = denoiser.push(condition, state, lambda chunk, step, _: draws[chunk][step])
        assert torch.allclose(ours[index], theirs, atol=1e-3), index


def test_the_student_learns_the_guided_flow_and_the_adapter_stays(monkeypatch):
    monkeypatch.setattr(guided, "half", nullcontext)
    teacher, student, adapter = parts()
    before = {name: value.clone() for name, value in adapter.state_dict().items()}
    optimiser = torch.optim.Adam(list(student.blocks.parameters()), lr=2e-5)
    left = []
    for _ in range(12):
        error, push = streams(teacher, student, adapter, weight=3.0).chunk(0, (0, 1, 2))
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        left.append(error.item() / push.item())
    assert left[0] == pytest.approx(1, abs=1e-3)
    assert left[-1] < 0.8
    assert all(torch.equal(value, before[name]) for name, value in adapter.state_dict().items())
    assert all(p.grad is None for p in adapter.parameters())


def test_places_are_in_order_and_lead_far_from_the_first_chunk_at_times():
    drawn = [guided.draw_places(3, random.Random(seed)) for seed in range(50)]
    assert all(places[0] == (0, 1, 2) for places in drawn)
    assert all(places[2][0] == places[1][-1] + 1 for places in drawn)
    assert {places[1][0] == 3 for places in drawn} == {True, False}


def test_guidance_of_an_older_causal_base_is_not_taken_for_that_of_a_newer(monkeypatch):
    held = {"causal": {"step": 2}, "guided": {"causal": 2}}
    monkeypatch.setattr(guided, "load", held.get)
    assert guided.saved_guided() is held["guided"]
    held["causal"] = {"step": 3}
    assert guided.saved_guided() is None


def test_a_sprite_is_named_by_its_shape_or_as_a_sprite():
    lines = ["a red star on a gray plain background", "a sprite", "a gray plain background", ""]
    assert [guided.names_sprite(line) for line in lines] == [True, True, False, False]
