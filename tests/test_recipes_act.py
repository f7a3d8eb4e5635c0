"""Every shipped recipe does what it says, judged by its pixels against what its clips are known to show."""

import functools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from vacestream import cli, loading, run
from vacestream.annotators import TASKS
from vacestream.events import Event
from vacestream.media.sources import open_source
from vacestream.plan import Plan, make_plan
from vacestream.recipe import load_recipe
from vacestream.sprites.scenes import COLOURS
from vacestream.sprites.source import reference

RECIPES = Path(__file__).parents[1] / "recipes"
SAME = {"frameref": "firstframe", "clipref": "firstclip"}
"""Tasks whose recipe has another name."""
LUMA = np.array([0.114, 0.587, 0.299])
STRONG = 70
"""Sprites are of strong colours, grounds are not: the widest gap between two channels of theirs."""


@dataclass
class Made:
    """A recipe, rendered."""

    plan: Plan
    frames: np.ndarray  # [T H W 3]
    warnings: list[str]

    def clip(self, seed: int, signal: str | None = None) -> np.ndarray:
        """What is known of a clip [T H W 3], in the size of what was made, or of the input in it."""
        size = self.plan.framing.size if self.plan.framing else self.plan.size
        return open_source(f"sprites:{seed}", size=size, fps=self.plan.fps, signal=signal).read(
            len(self.frames)
        )

    def covered(self, seed: int) -> np.ndarray:
        """[T H W] bool: where the sprites of a clip are."""
        return self.clip(seed, "mask")[..., 0] > 127

    def things(self) -> np.ndarray:
        """[T H W] bool: strong colours."""
        return np.ptp(self.frames.astype(int), axis=-1) > STRONG

    def share_of(self, colour: str) -> float:
        """How much of what is strongly coloured comes nearest to this colour, frame 0 left out."""
        seen = self.frames[1:][self.things()[1:]].astype(float)
        palette = np.array(list(COLOURS.values())) * 255
        nearest = np.abs(seen[:, None] - palette).sum(axis=-1).argmin(axis=-1)
        return float((nearest == list(COLOURS).index(colour)).mean())


@functools.cache
def rendered(name: str, *, context_scale: float | None = None) -> Made:
    """The recipe of this name, as it is shipped, or with another strength."""
    file = Path(os.environ["PYTEST_GALLERY"]) / f"{name}{'' if context_scale is None else '.bare'}.mkv"
    changes: list[tuple[str, object]] = [("output", {"path": str(file), "save": ["sheet"]})]
    changes += [] if context_scale is None else [("context_scale", context_scale)]
    plan = make_plan(load_recipe(RECIPES / f"{name}.yaml", overrides=changes))
    warnings: list[str] = []

    def report(event: Event) -> None:
        warnings.extend([event.data["message"]] if event.kind == "warn" else [])

    run.render(plan, report=report)
    return Made(plan, open_source(str(file)).read(1000), warnings)


@pytest.fixture(autouse=True, scope="module")
def _weights_are_loaded_once(finders: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """And what stands out in a picture is what is red."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VACESTREAM_MODELS", str(finders))
        load = functools.cache(loading.load_pipeline)
        patch.setattr(loading, "load_pipeline", lambda spec, device, dtype, **_: load(spec, device, dtype))
        patch.setenv(
            "PYTEST_GALLERY", os.environ.get("PYTEST_GALLERY") or str(tmp_path_factory.mktemp("made"))
        )
        yield
    rendered.cache_clear()


Effect = Callable[[Made], float]


def overlap(one: np.ndarray, two: np.ndarray) -> float:
    """Intersection over union, the mean over frames."""
    return float(np.mean((one & two).sum((1, 2)) / np.maximum(1, (one | two).sum((1, 2)))))


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-3, np.mean((one.astype(float) - two) ** 2))))


def follows(seed: int) -> Effect:
    """Where things are, against where the sprite of the clip is."""
    return lambda made: overlap(made.things(), made.covered(seed))


def keeps(seed: int, *frames: int) -> Effect:
    """1 where these frames are those of a clip, to the bit."""
    return lambda made: float(all((made.frames[i] == made.clip(seed)[i]).all() for i in frames))


def goes_on(seed: int, *frames: int) -> Effect:
    """PSNR of frames beside the anchors, against those of the clip."""
    return lambda made: psnr(made.frames[list(frames)], made.clip(seed)[list(frames)])


def acts(made: Made) -> float:
    """Gray levels between this video and the one without VACE: for signals that were not trained."""
    bare = rendered(made.plan.recipe.name, context_scale=0.0)
    return float(np.abs(made.frames.astype(int) - bare.frames).mean())


def gains(effect: Effect) -> Effect:
    """How much more of it there is than without VACE."""

    def measured(made: Made) -> float:
        return effect(made) - effect(rendered(made.plan.recipe.name, context_scale=0.0))

    return measured


def as_light(seed: int) -> Effect:
    """Minus the gray levels between its luma, as VACE weighs it, and that of the clip."""
    return lambda made: -float(np.abs((made.frames.astype(float) - made.clip(seed)) @ LUMA).mean())


def lasts(made: Made) -> float:
    """The least share of the picture that is strongly coloured in a quarter of the frames."""
    return float(min(part.mean() for part in np.array_split(made.things(), 4)))


def unpainted(*seeds: int) -> Effect:
    """1 where the first frame is nearer to the middle one than to any of these pictures."""

    def measured(made: Made) -> float:
        first, *others = made.frames[[0, len(made.frames) // 2]].astype(float)
        pictures = [reference(seed, made.frames.shape[1:3]) for seed in seeds]
        near, *far = (((first - one) ** 2).mean() for one in (*others, *pictures))
        return float(all(near < one for one in far))

    return measured


def coloured(colour: str) -> Effect:
    return lambda made: made.share_of(colour)


def travels(share: float) -> Effect:
    """1 where the middle of things goes this share of the width from first to last; else less."""

    def measured(made: Made) -> float:
        columns = made.things().sum(axis=1)
        middle = columns @ np.arange(columns.shape[1]) / np.maximum(1, columns.sum(axis=1))
        ends = middle[-8:].mean() - middle[:8].mean()
        asked = share * columns.shape[1] * (len(middle) - 8) / (len(middle) - 1)
        return 1 - abs(1 - float(ends / asked))

    return measured


def keeps_the_rest(seed: int) -> Effect:
    """The share of pixels outside the sprites, by a margin, that are the clip's own to the bit."""

    def measured(made: Made) -> float:
        reach = made.frames.shape[1] * 14 // 64
        far = ~np.stack([_wider(frame, reach) for frame in made.covered(seed)])
        return float((made.frames == made.clip(seed)).all(axis=-1)[far].mean())

    return measured


def keeps_around(seed: int, share: float, feather: int) -> Effect:
    """1 where a frame of the picture, outside a box and its seam, is the clip's own to the bit."""

    def measured(made: Made) -> float:
        side = made.frames.shape[1]
        edge = int(side * share) - feather
        inner = np.s_[:, edge : side - edge, edge : side - edge]
        same = (made.frames == made.clip(seed)).all(axis=-1)
        same[inner] = True
        return float(same.all())

    return measured


def keeps_inside(seed: int) -> Effect:
    """The share of pixels of what `outpaint` keeps that are the clip's own to the bit."""

    def measured(made: Made) -> float:
        assert made.plan.framing is not None
        top, left, bottom, right = made.plan.framing.inside
        shown = made.frames[:, top:bottom, left:right]
        own = made.clip(seed)
        own = own[:, top:bottom, left:right] if made.plan.framing.inner else own
        return float((shown == own).all(axis=-1).mean())

    return measured


def grows(seed: int) -> Effect:
    """PSNR of a seam's outer 4 pixels against its inner 4, both sides, minus that of gray: what goes on."""

    def measured(made: Made) -> float:
        assert made.plan.framing is not None
        top, left, bottom, _ = made.plan.framing.inside
        out = made.frames.astype(float)
        cut = np.s_[1:, top:bottom] if not made.plan.framing.inner else np.s_[1:]
        if made.plan.framing.inner:
            outer, inner = out[1:, top - 4 : top], out[1:, top : top + 4]
        else:
            outer, inner = out[cut][:, :, left - 4 : left], out[cut][:, :, left : left + 4]
        return psnr(outer, inner) - psnr(np.full_like(outer, 128), inner)

    return measured


def _wider(region: np.ndarray, reach: int) -> np.ndarray:
    import cv2

    return np.asarray(cv2.dilate(region.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0)


EFFECTS: tuple[tuple[str, Effect, float], ...] = (
    ("depth", follows(22), 0.4), ("depth", gains(follows(22)), 0.2), ("depth", coloured("red"), 0.5),
    ("scribble", follows(28), 0.4), ("scribble", coloured("purple"), 0.5),
    ("pose", follows(30), 0.4), ("pose", gains(follows(30)), 0.2), ("pose", coloured("green"), 0.5),
    ("flow", follows(217), 0.3), ("flow", coloured("red"), 0.5),
    ("canny", acts, 1), ("gray", acts, 1), ("plain", acts, 1),
    ("layout_track", follows(217), 0.3),
    ("layout_bbox", travels(0.4), 0.5), ("layout_bbox", coloured("purple"), 0.5),
    ("firstframe", keeps(217, 0), 1), ("firstframe", goes_on(217, 1, 2), 14),
    ("lastframe", keeps(217, 32), 1), ("lastframe", goes_on(217, 31, 30), 10),
    ("firstlastframe", keeps(217, 0, 32), 1),
    ("firstclip", keeps(217, *range(21)), 1), ("firstclip", goes_on(217, 21, 22), 14),
    ("lastclip", keeps(217, *range(17, 33)), 1), ("lastclip", goes_on(217, 16, 15), 10),
    ("firstlastclip", keeps(217, *range(9), *range(25, 33)), 1),
    ("firstlastclip", goes_on(217, 9, 10, 24), 12),
    ("framerefext", keeps(217, 0, 16, 28), 1), ("framerefext", goes_on(217, 1, 17, 29), 12),
    ("mask", keeps_the_rest(27), 1), ("mask", coloured("red"), 0.5),
    ("depthv2", follows(22), 0.4), ("depthv2", coloured("blue"), 0.3),
    ("pose_body", follows(30), 0.3), ("pose_body", coloured("green"), 0.5),
    ("salient", coloured("blue"), 0.5),
    ("image_reference", coloured("red"), 0.5), ("image_salient", coloured("red"), 0.5),
    ("bbox", coloured("red"), 0.3), ("bbox", keeps_around(217, 0.1, 4), 1),
    ("bboxtrack", keeps_the_rest(56), 0.99), ("bboxtrack", coloured("green"), 0.5),
    ("masktrack", keeps_the_rest(56), 0.99), ("masktrack", coloured("yellow"), 0.5),
    ("maskbboxtrack", coloured("green"), 0.3),
    ("outpainting", keeps_inside(217), 1), ("outpainting", grows(217), 3),
    ("outpainting_inner", keeps_inside(27), 1), ("outpainting_inner", grows(27), 2),
    ("reference", coloured("cyan"), 0.5), ("reference", unpainted(12), 1),
    ("reference_anything", coloured("cyan"), 0.5), ("reference_anything", unpainted(11, 12), 1),
    ("whole", coloured("red"), 0.5), ("whole", follows(26), 0.4), ("whole", unpainted(11), 1),
    ("animate_anything", follows(30), 0.3), ("animate_anything", lasts, 0.01),
    ("animate_anything", coloured("red"), 0.5),
    ("swap_anything", coloured("red"), 0.3), ("swap_anything", keeps_the_rest(217), 0.95),
    ("move_anything", keeps(26, 0), 1), ("move_anything", travels(-0.48), 0.5),
    ("move_anything", coloured("cyan"), 0.5),
    ("expand_anything", coloured("blue"), 0.5),
    ("composition", keeps(26, 0), 1), ("composition", follows(26), 0.3),
)  # fmt: skip


@pytest.mark.parametrize(("name", "effect", "least"), EFFECTS)
def test_a_recipe_does_what_it_says(name: str, effect: Effect, least: float) -> None:
    made = rendered(name)
    assert not made.warnings
    assert effect(made) >= least


def test_every_task_has_a_recipe_and_what_needs_no_weights_is_judged() -> None:
    assert all((RECIPES / f"{SAME.get(name, name)}.yaml").is_file() for name in TASKS)
    free = {SAME.get(row.name, row.name) for row in TASKS.values() if not row.weights}
    assert free <= {name for name, _, _ in EFFECTS}


@pytest.mark.parametrize(
    "name",
    ["salient", "salientmasktrack", "salientbboxtrack", "pointtrack", "maskpointtrack", "label", "caption",
     "image_face", "image_salient"],
)  # fmt: skip
def test_a_recipe_whose_nets_are_not_here_plans_and_names_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ("HF_HUB_CACHE", "HF_ASSETS_CACHE"):
        monkeypatch.setattr(f"huggingface_hub.constants.{place}", str(tmp_path))
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path))
    recipe, parts = str(RECIPES / f"{name}.yaml"), [part.files[0] for part in TASKS[name].parts]
    assert cli.run(["plan", recipe, "--json"]) == 0
    downloads = json.loads(capsys.readouterr().out)["estimates"]["downloads"]
    assert [(need["repo"], need["file"]) for need in downloads] == [(one.repo, one.path) for one in parts]
    assert cli.run(["render", recipe, "-q", "-o", str(tmp_path / "out.mp4")]) == 4
    said = capsys.readouterr().err
    assert all(f"{one.path} of {one.repo}" in said for one in parts)
    assert not list(tmp_path.iterdir())
