"""The method's choices in a recipe: what a plan says of them, and where they are refused."""

import pytest

from vacestream.cli.plan import show_plans
from vacestream.errors import RecipeError
from vacestream.pipelines import PIPELINES
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe

R2V = "prompt: x\nreferences: sprites:11\nlength: 57f\n"
V2V = "prompt: x\ninput: sprites:3\ncontrols: depth\nlength: 57f\n"
FRAMES = ("vace: {references: sink}", "vace: {references: prefix}")
REANCHOR = "reanchor: {every: 2 chunks}"


def plan(text: str):
    return make_plan(load_recipe(text + "\n", name="r.yaml"))


@pytest.mark.parametrize("name", PIPELINES)
def test_every_row_takes_a_choice_or_says_why_not(name: str) -> None:
    row = PIPELINES[name]
    text = R2V + f"pipeline: {name}\n"
    for said in (*FRAMES, "vace: {memory: 3}"):
        if row.streams:
            plan(text + said)
        else:
            with pytest.raises(RecipeError, match=r"r.yaml:5: vace\.\w+: .*whole.*; leave it out"):
                plan(text + said)
    anchored = row.streams and row.attention_sink_latents and row.sink_decay == 1 and row.sink_refresh is None
    if anchored and not row.recompute_latents:
        assert plan(text + REANCHOR).reanchored_every == 2
    else:
        with pytest.raises(RecipeError, match=r"r.yaml:5: reanchor: .* attention sink.*leave it out"):
            plan(text + REANCHOR)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (R2V + "mode: batch\nvace: {references: sink}", "among its frames already; leave it out"),
        (R2V + "mode: batch\nvace: {memory: 3}", "a whole clip is seen whole"),
        (V2V + FRAMES[0], "acts where references do, and none do; add `references: FILE`"),
        (R2V + f"context_scale: 0.0\n{FRAMES[1]}", "acts where references do, and none do"),
        (V2V + "reanchor: {every: 2 chunks, from: reference}", "there is no reference"),
        (R2V + "reanchor: {every: 2 chunks, from: source}", "nothing is made of the input's pictures"),
        (V2V + "reanchor: 9 chunks", "9 chunks is never reached: the video has 5 chunks; write less"),
        (V2V + "reanchor: 0 chunks", "is no time; write `every: 25 chunks`"),
    ],
)
def test_a_choice_that_would_do_nothing_is_refused(text: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        plan(text)


def test_a_plan_counts_the_bytes_of_what_is_kept_of_references_and_control() -> None:
    text = R2V + "pipeline: longlive-1.3b\nsize: 832x480\nprecision: bf16\n"
    latent = 2 * 1560 * 1536 * 2
    held = {said: plan(text + said).memory for said in ("", *FRAMES, "vace: {memory: 6}")}
    plain = held[""]
    assert plain.reference_kv == 5 * 15 * latent
    assert held[FRAMES[0]].reference_kv - plain.reference_kv == 30 * latent
    assert held[FRAMES[1]].reference_kv - plain.reference_kv == 5 * 30 * latent
    assert (plain.context_memory, held["vace: {memory: 6}"].context_memory) == (0, 6 * 15 * latent)
    two = V2V.replace("depth", "[depth, scribble]") + "vace: {memory: 6}"
    assert plan(two).memory.context_memory == 2 * plan(V2V + "vace: {memory: 6}").memory.context_memory


def test_a_plan_says_where_the_sink_is_made_anew(capsys: pytest.CaptureFixture[str]) -> None:
    made = plan(V2V + "reanchor: {every: 1s, from: source}")
    assert made.to_dict()["reanchor"] == {"every": 2, "from": "source"}  # 16 frames are 2 chunks, not quite
    show_plans([made], explain=False, json=False)
    assert "reanchor       every 2 chunks, from source: at frames 21, 45" in capsys.readouterr().out
    assert plan(V2V).to_dict()["reanchor"] is None
