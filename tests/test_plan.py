"""What a plan says: sizes, rates, lengths, chunks, switches; and what it refuses once files are open."""

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vacestream.errors import InputError, RecipeError, VacestreamError
from vacestream.plan import Plan, make_plan
from vacestream.recipe import load_recipe


@dataclass
class Clip:
    """What a file is pretended to hold."""

    where: str
    size: tuple[int, int] = (720, 1280)
    fps: Fraction = Fraction(25)
    num_frames: int | None = 100
    timed: bool = True
    variable: bool = False

    def frames_at(self, fps: Fraction | None = None, *, start: Any = 0, end: Any = None) -> int | None:
        duration = Fraction(self.num_frames or 0) / self.fps
        stop = duration if end is None else end
        return 1 if self.num_frames == 1 else round((stop - start) * (fps or self.fps))


CLIPS = {
    "dance.mp4": Clip("dance.mp4"),
    "tall.mp4": Clip("tall.mp4", size=(1280, 720), fps=Fraction(30000, 1001)),
    "short.mp4": Clip("short.mp4", num_frames=40),
    "photo.png": Clip("photo.png", size=(600, 800), num_frames=1, timed=False),
}


@pytest.fixture(autouse=True)
def clips(monkeypatch: pytest.MonkeyPatch) -> None:
    def probe(where: str) -> Clip:
        if where not in CLIPS:
            raise InputError(f"{where}: no such file")
        return CLIPS[where]

    monkeypatch.setattr("vacestream.media.probe.probe", probe)


def plan(text: str, **options: bool) -> Plan:
    return make_plan(load_recipe(text + "\n", name="r.yaml"), **options)


DEPTH = "input: dance.mp4\nprompt: x\ncontrols: {signal: depth, video: dance.mp4}\nmask: photo.png\n"


@pytest.mark.parametrize("num_frames", [1, 8, 9, 10, 20, 21, 22, 33, 57, 81, 500])
def test_the_chunks_hold_every_frame_once_and_the_last_is_cropped(num_frames: int) -> None:
    made = plan(f"prompt: x\nlength: {num_frames}f")
    rows = made.to_dict()["chunks"]
    assert len(rows) == made.num_chunks
    frames = [frame for row in rows for frame in range(row["start"], row["stop"])]
    assert frames == list(range(num_frames))
    assert [row["num_latents"] for row in rows] == [3] * len(rows)
    assert [row["first_latent"] for row in rows] == list(range(0, 3 * len(rows), 3))


@pytest.mark.parametrize(
    ("length", "num_frames"),
    [("8s", 128), ("0:02.5", 40), ("81f", 81), ("1 chunk", 9), ("3 chunks", 33), ("50ms", 1), ("1m", 960)],
)
def test_a_length_in_any_unit_becomes_frames(length: str, num_frames: int) -> None:
    assert plan(f"prompt: x\nlength: {length}").num_frames == num_frames


def test_a_length_below_half_a_frame_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"r\.yaml:2: length: 0\.01s is less than half a frame"):
        plan("prompt: x\nlength: 10ms")


def test_without_a_size_the_input_gives_the_aspect_and_the_pipeline_the_area() -> None:
    made = plan(DEPTH + "pipeline: longlive-1.3b", built=False)
    assert made.size == (480, 832)
    assert (made.fps, made.num_frames) == (25, 100)
    tall = plan(DEPTH.replace("input: dance", "input: tall") + "pipeline: longlive-1.3b", built=False)
    assert tall.size == (832, 480)
    assert tall.fps == Fraction(30000, 1001)


def test_a_named_size_is_an_area_in_the_aspect_of_the_input() -> None:
    assert plan(DEPTH + "size: 720p").size == (720, 1280)
    assert plan(DEPTH + "size: 96x64").size == (64, 96)


def test_outpainting_makes_room_for_what_it_adds() -> None:
    made = plan("input: dance.mp4\nprompt: x\noutpaint: {up: 0.75, down: 0.75}\nsize: 480p", built=False)
    assert made.size
    height, width = made.size
    assert height / width == pytest.approx(2.5 * 720 / 1280, rel=0.05)


def test_a_rate_resamples_at_equal_duration_and_source_keeps_every_frame() -> None:
    text = "input: dance.mp4\nprompt: x\nmask: photo.png\n"
    assert plan(text + "fps: 16").num_frames == 64
    assert plan(text + "fps: source").num_frames == 100
    assert plan(text + "fps: 24000/1001").fps == Fraction(24000, 1001)


def test_start_and_end_cut_the_input() -> None:
    made = plan("input: {path: dance.mp4, start: 1s, end: 75f}\nprompt: x\nmask: photo.png")
    assert made.num_frames == 50
    assert made.seconds(made.recipe.input.end if made.recipe.input else None) == 3


def test_the_longest_ready_made_control_gives_the_length() -> None:
    assert plan("prompt: x\ncontrols: {signal: depth, video: short.mp4}\nfps: 25").num_frames == 40


def test_a_still_that_is_held_runs_as_long_as_asked() -> None:
    text = "input: {path: photo.png, at_end: hold}\nprompt: x\nmask: photo.png\nlength: 30f"
    assert plan(text).num_frames == 30
    assert plan(text.replace("length: 30f", "")).num_frames == 1


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (DEPTH + "length: 5s", RecipeError, r"yaml:5: length: 125 frames pass dance\.mp4, which gives 100"),
        ("input: no.mp4\nmask: photo.png", InputError, r"yaml:1: input\.path: no\.mp4: no such file"),
        ("input: dance.mp4\nmask: no.png", InputError, r"yaml:2: mask\.mask: no\.png: no such file"),
        ("length: 2s\nreferences: dance.mp4", InputError, r"yaml:2: references\.0\.image: .* is a video"),
        ("input: dance.mp4\nmask: short.mp4", InputError, r"yaml:2: mask\.mask: gives 40 frames of 100"),
        (DEPTH.replace("video: dance", "video: short"), InputError, r"0\.video: gives 40 frames of 100"),
        ("length: 4s\ncontrols: {signal: pose, video: short.mp4}", RecipeError, "pass the long"),
        (DEPTH + "timeline: {at: 4s, prompt: y}", RecipeError, r"at: 4s is frame 100, past the end at 100"),
        (DEPTH + "timeline: {at: 98f, prompt: y}", RecipeError, "98f is in the last .*; write 93f"),
        ("input: {path: dance.mp4, start: 2 chunks}\nmask: photo.png", RecipeError, "means nothing in a"),
        ("input: sprites:3\ncontrols: depth", RecipeError, r"path: has no end; add `length:`"),
        ("controls: {signal: depth, from: sprites:3}", RecipeError, "nothing gives the length"),
        ("input: camera:0\ncontrols: depth", RecipeError, "a device or stream is for `vacestream live`"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused_where_it_stands(
    text: str, error: type[VacestreamError], said: str
) -> None:
    with pytest.raises(error, match=said):
        plan(text)


def test_a_control_that_acts_in_no_step_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"controls\.0\.steps: 5\.\.6 acts in no step: sprites takes 4"):
        plan(DEPTH.replace("depth,", "depth, steps: 5..6,"), built=False)


def test_a_change_takes_effect_at_the_next_chunk_border() -> None:
    made = plan(
        "prompt: x\nlength: 81f\n"
        "timeline: [{at: 1s, prompt: y}, {at: 33f, prompt: z}, {at: 5 chunks, prompt: w}]"
    )
    assert [(switch.at, switch.frame, switch.chunk) for switch in made.switches] == [
        (16, 21, 2),
        (33, 33, 3),
        (57, 57, 5),
    ]
    assert made.switches[0].keys == ("prompt",)


def test_two_changes_that_meet_at_one_border_are_refused() -> None:
    with pytest.raises(RecipeError, match="meet at frame 21"):
        plan("prompt: x\nlength: 81f\ntimeline: [{at: 10f, prompt: y}, {at: 20f, prompt: z}]")


def test_judging_the_text_alone_opens_nothing_and_leaves_unknown_what_files_decide() -> None:
    made = plan("input: no.mp4\nmask: no.png\nprompt: x", media=False)
    assert (made.size, made.fps, made.num_frames, made.memory) == (None, None, None, None)
    assert plan("input: no.mp4\nmask: no.png\nlength: 81f\nsize: 64x64", media=False).num_chunks == 7


def test_what_is_not_built_is_refused_in_one_sentence_and_noted_when_only_the_text_is_judged() -> None:
    text = "prompt: x\nlength: 4s\npipeline: framepack"
    with pytest.raises(RecipeError, match=r"r\.yaml:3: pipeline: .* understood but not built yet; .* write"):
        plan(text)
    assert len(plan(text, media=False).notes) == 1


def test_a_plan_as_data_is_plain_and_complete() -> None:
    data = json.loads(
        json.dumps(plan("prompt: x\nlength: 4s\nreferences: sprites:3\noutput: {save: sheet}").to_dict())
    )
    assert data["task"] == "R2V"
    assert data["outputs"] == [{"path": "r.mp4", "saves": {"sheet": "r.sheet.png"}}]
    assert data["memory"]["total"] == sum(count for key, count in data["memory"].items() if key != "total")
    assert data["memory"]["reference_kv"] > 0


def test_a_plan_imports_no_torch(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from vacestream.plan import make_plan; from vacestream.recipe import load_recipe;"
        "make_plan(load_recipe('prompt: x\\nlength: 4s\\nreferences: sprites:3\\n'));"
        "sys.exit(bool({'torch', 'diffusers', 'cv2'} & set(sys.modules)))"
    )
    root = Path(__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
