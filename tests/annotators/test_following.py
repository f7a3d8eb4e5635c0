"""What is found and followed with nets: the true classes with random weights, and a hand-made ONNX file."""

import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vacestream.annotators import annotator, sam2
from vacestream.annotators.salient import U2Net
from vacestream.annotators.sam2 import MEMORY, Start, Tracked, box_of, middles_of
from vacestream.annotators.stream import Annotated
from vacestream.annotators.view import View, at_rate
from vacestream.annotators.words import Finder, _apart
from vacestream.errors import ModelError
from vacestream.media.images import write_image
from vacestream.media.playback import IndexedSource
from vacestream.media.sources import open_source
from vacestream.weights import ANNOTATORS

SIZE, LENGTH = (48, 64), 5
VIEW = View(at_rate(Fraction(16)), num_frames=LENGTH)


@pytest.fixture(scope="module", autouse=True)
def shelf(finders: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A folder with random weights of every net, and another with a mask."""
    folder = tmp_path_factory.mktemp("here")
    mask = np.zeros((*SIZE, 3), np.uint8)
    mask[10:14, 20:26] = mask[30:36, 40:44] = 255
    write_image(folder / "mask.png", mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VACESTREAM_MODELS", str(finders))
        patch.chdir(folder)
        yield


@pytest.fixture(scope="module")
def footage() -> np.ndarray:
    return open_source("sprites:7", size=SIZE).read(LENGTH)


def made(name: str, frames: np.ndarray, sizes: list[int], **parameters: Any) -> np.ndarray:
    """The mask of these frames, read in pieces of these sizes; a random net may lose a thing."""
    source = IndexedSource(lambda i: frames[i], size=SIZE, fps=Fraction(16), num_frames=len(frames))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="mask: from frame .* on, what is followed")
        mask = Annotated(source, annotator(name, view=VIEW, device="cpu", **parameters))
        return np.concatenate([mask.read(n) for n in sizes])


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("pointtrack", {"points": [[20, 20], ["50%", "50%"]]}),
        ("pointtrack", {"points": [20, 20], "at": "2f"}),
        ("bboxtrack", {"bbox": [10, 8, 40, 40], "net": "sam2"}),
        ("masktrack", {"mask": "sprites:7", "net": "sam2", "at": "1f"}),
        ("maskbboxtrack", {"mask": "mask.png", "net": "sam2"}),
        ("maskpointtrack", {"mask": "mask.png"}),
        ("salient", {}),
        ("salientmasktrack", {}),
        ("salientbboxtrack", {"at": "4f"}),
        ("label", {"label": "dog", "boxes": "all"}),
        ("caption", {"caption": "a red dog", "every": 2}),
    ],
    ids=str,
)
def test_a_mask_keeps_the_contract_of_annotators(
    footage: np.ndarray, name: str, parameters: dict[str, Any]
) -> None:
    before = footage.copy()
    whole = made(name, footage, [LENGTH], **parameters)
    assert (whole.shape, whole.dtype) == (footage.shape, np.uint8)
    assert (footage == before).all()
    assert set(np.unique(whole)) <= {0, 255}
    assert (whole[..., :1] == whole).all()
    assert whole.any()
    assert (made(name, footage, [1, 3, 1], **parameters) == whole).all()


def clip(length: int) -> np.ndarray:
    """A square that goes to the right on noise."""
    frames = np.random.default_rng(1).integers(60, 90, (length, 32, 48, 3), np.uint8)
    for i, frame in enumerate(frames):
        frame[10:20, i % 32 : i % 32 + 12] = (220, 40, 40)
    return frames


@pytest.mark.filterwarnings("ignore:mask. from frame .* on, what is followed")
def test_a_session_stays_small_over_200_frames_and_forgets_nothing_it_needs(monkeypatch: Any) -> None:
    frames = clip(200)

    def tracked() -> Tracked:
        return Tracked(lambda _: Start(boxes=((0, 10, 12, 20), (20, 5, 40, 30))), device="cpu")

    small = tracked()
    masks = np.concatenate([small(frames[:50]), small(frames[50:])])
    assert small._session is not None
    state = small._session._state
    assert len(state.processed_frames) == 1
    kept = [len(one["non_cond_frame_outputs"]) for one in state.output_dict_per_obj.values()]
    assert kept == [MEMORY] * 2
    assert max(len(seen) for seen in state.frames_tracked_per_obj.values()) <= MEMORY
    monkeypatch.setattr(sam2._Session, "_forget", lambda self: None)
    assert (tracked()(frames[:40]) == masks[:40]).all()


def test_a_thing_that_is_lost_is_told_and_its_last_region_stays(monkeypatch: Any) -> None:
    frames = clip(5)
    lost = Tracked(lambda _: Start(boxes=((0, 10, 12, 20),)), device="cpu")
    whole = lost._net.forward
    scores = iter((1.0, 1.0, 1.0, -1.0, -1.0, 1.0))  # the first frame is seen in both directions

    def forward(**given: Any) -> Any:
        out = whole(**given)
        out.object_score_logits = torch.full((1, 1), next(scores))
        return out

    monkeypatch.setattr(lost._net, "forward", forward)
    with pytest.warns(UserWarning, match="what is followed") as told:
        masks = lost(frames)
    assert [str(one.message) for one in told] == [
        "mask: from frame 2 on, what is followed is lost; its last region is held",
        "mask: from frame 4 on, what is followed is found again",
    ]
    assert (masks[2] == masks[1]).all()
    assert (masks[3] == masks[1]).all()


def test_nothing_to_follow_is_told_and_black() -> None:
    empty = Tracked(lambda _: box_of(np.zeros((32, 48), bool)), device="cpu", at=1)
    with pytest.warns(UserWarning, match="from frame 1 on, what is followed is nowhere to be found"):
        assert not empty(clip(3)).any()


def test_a_region_is_a_box_or_points() -> None:
    region = np.zeros((32, 48), bool)
    region[4:9, 10:21] = True
    region[20:23, 30:33] = True
    assert box_of(region).boxes == ((10, 4, 33, 23),)
    assert middles_of(region).points == ((15.0, 6.0), (31.0, 21.0))


def test_what_stands_out_is_found_where_it_is() -> None:
    picture = np.full((96, 160, 3), 90, np.uint8)
    picture[24:60, 40:100] = (230, 40, 40)
    seen = U2Net()(picture) > 0.5
    assert seen.shape == (96, 160)
    assert seen[26:58, 42:98].all()
    assert not seen[:20].any()
    assert not seen[:, 106:].any()
    mask = annotator("salient", invert=True)(np.stack([picture, picture * 0]))
    assert (mask[0] == mask[1]).all()
    assert (mask[0, :20] == 255).all()


def test_words_are_looked_for_as_the_net_was_taught(footage: np.ndarray) -> None:
    finder = Finder(" A red dog. ", "cpu", boxes="all")
    assert finder._text == "a red dog."
    every = finder(footage[0]).boxes
    first = Finder("a red dog", "cpu")(footage[0]).boxes
    assert len(first) == 1
    assert first[0] == every[0]
    assert all(-64 < x1 < x2 < 128 and -48 < y1 < y2 < 96 for x1, y1, x2, y2 in every)


def test_of_boxes_that_are_the_same_the_surest_stays() -> None:
    assert _apart([(0, 0, 10, 10), (1, 0, 10, 10), (8, 8, 20, 20)]) == [(0, 0, 10, 10), (8, 8, 20, 20)]


def test_published_configs_have_the_published_number_of_weights() -> None:
    from transformers import (
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        Sam2VideoConfig,
        Sam2VideoModel,
    )

    counts = []
    for name, config, kind in (
        ("sam2", Sam2VideoConfig, Sam2VideoModel),
        ("grounding-dino", GroundingDinoConfig, GroundingDinoForObjectDetection),
    ):
        published = ANNOTATORS[name].config
        assert published is not None
        with torch.device("meta"):
            net = kind(config(**published["net"]))
        counts.append(round(sum(weight.numel() for weight in net.parameters()) / 1e6))
    assert counts == [224, 172]


def test_a_file_that_is_no_net_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path))
    (tmp_path / "u2net.onnx").write_bytes(b"no net")
    with pytest.raises(ModelError, match=r"u2net.onnx: not a readable net"):
        annotator("salient")
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match=r"model.safetensors: \d+ missing"):
        annotator("pointtrack", points=[1, 1])
