"""The table of what recipes can say and this version cannot do."""

import pytest

from vacestream.pipelines import PIPELINES
from vacestream.recipe import load_recipe
from vacestream.unbuilt import PLANNED, UNBUILT, unbuilt

BUILT = """
input: sprites:3
prompt: x
seed: 4
length: 4s
size: 64x96
fit: letterbox
fps: 12
references: [sprites:4, {image: a.png, scale: 0.5}, {image: a.png, mode: salient, fit: crop}]
controls:
  - depth
  - {signal: pose, scale: 0.5, steps: 1..2, frames: 0..9}
  - {signal: gray, video: g.mp4}
  - {signal: flow, from: sprites:5}
mask: {mode: bbox, bbox: [1, 2, 3, 4], invert: true, time: nearest, augment: hull_expand, feather: 3}
outpaint: {left: 0.5}
extend: {firstframe: a.png, keyframes: [{at: 1s, image: input}]}
context_scale: 0.5
strength: 0.5
steps: 8
timeline:
  - {at: 2s, prompt: y, switch: keep, context_scale: 0.5, references: [], controls: [depth], mask: none}
  - {at: 3s, seed: 2, steps: 3, strength: 0.5, loras: a.safetensors, vace: {adapter: none}, cut: true}
output:
  - {path: a.mp4, crf: 20, save: [sheet, control, mask], audio: m.mp3, size: 640x480, fps: 9/2}
  - {path: b.mp4, codec: h265}
  - {path: '-', format: rawvideo}
device: cpu
precision: int8
offload: group
text_encoder: fp8
vae: {output: tae, control: light}
loras: [a.safetensors, {path: b.pt, scale: 0.5}]
vace: {commit_hints: false, precision: whole, references: sink, memory: 6, neutral: off}
reanchor: {every: 2s, from: source}
"""

ASKING = {
    "pipeline": "pipeline: framepack",
    "timeline.0.blend": "timeline: {at: 2s, seed: 3, blend: 1s}",
    "references.0.image": "references: camera:0",
}


def asked(text: str) -> dict[str, str]:
    return {".".join(map(str, key)): what for key, what in unbuilt(load_recipe(text + "\n"))}


def test_what_is_built_is_not_in_the_table() -> None:
    assert asked(BUILT) == {}


@pytest.mark.parametrize(("key", "text"), ASKING.items(), ids=ASKING)
def test_what_is_not_built_is_named_with_what_works_instead(key: str, text: str) -> None:
    assert "is understood but not built yet; " in asked(text)[key]


def test_every_row_of_the_table_is_asked_for_by_some_recipe() -> None:
    said = {what.partition(" is understood")[0] for text in ASKING.values() for what in asked(text).values()}
    assert said == {row.what for row in UNBUILT}


def test_a_pipeline_is_there_or_planned_but_not_both() -> None:
    assert not set(PIPELINES) & set(PLANNED)
    assert all(name == row.name for name, row in PLANNED.items())
