"""Settings against each other: what a study asks for, what its measures see, what its table says."""

import pytest
import torch
from torch import Tensor

from vacestream.evaluate import ablation, asks, measures, sampling
from vacestream.evaluate.ablation import STUDIES, Setting, Study
from vacestream.evaluate.asks import Ask
from vacestream.evaluate.truth import make_truth
from vacestream.method import PLAIN, Method
from vacestream.pipelines import PIPELINES
from vacestream.timeline import chunks

SIZE = 64, 64


def told(ask: Ask, truth):
    return [vcu for _, vcu in ask.vcus(truth, chunks(PIPELINES["sprites"], ask.num_frames))]


@pytest.mark.parametrize("source", ["first", "source", "reference"])
def test_an_ask_renews_the_sink_at_its_chunks(source: str) -> None:
    truth = make_truth(0, SIZE)
    ask = Ask("x", control="depth", references="own", reanchor=(2, source))  # type: ignore[arg-type]
    first, second, third = (vcu.anchor for vcu in told(ask, truth))
    assert first is second is None
    wanted = {"first": "first", "source": truth.video[21] * 2 - 1, "reference": truth.references("own")[0]}
    if source == "first":
        assert third == "first"
    else:
        torch.testing.assert_close(third, wanted[source], atol=0.01, rtol=0)


def test_an_ask_rests_where_nothing_is_given() -> None:
    truth = make_truth(0, SIZE)
    off = Ask("x", kept="ends", neutral=False)
    assert [torch.as_tensor(vcu.layers[0].scale).tolist() for vcu in told(off, truth)] == [
        1.0,
        0.0,
        1.0,
    ]
    assert [vcu.layers[0].scale for vcu in told(asks.ENDS, truth)] == [1.0] * 3


def test_drift_is_how_far_the_ground_has_gone() -> None:
    ramp = torch.linspace(0.2, 0.5, 1437)[:, None, None, None].expand(-1, 3, 8, 8)
    still = torch.full_like(ramp, 0.3)
    at = {chunk: one.of for chunk, one in measures.DRIFT_AT.items()}
    assert at[50](ramp, None, asks.DEPTH) == pytest.approx(0.114, abs=0.005)  # type: ignore[arg-type]
    assert at[120](ramp, None, asks.DEPTH) == pytest.approx(0.288, abs=0.005)  # type: ignore[arg-type]
    assert at[120](still, None, asks.DEPTH) == 0  # type: ignore[arg-type]


def test_a_study_makes_every_setting_of_every_ask_on_the_same_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[Method, float, int]] = []

    def fake(_pipeline: object, method: Method):
        def sample(ask: Ask, truth) -> Tensor:
            made.append((method, ask.scale, truth.seed))
            return truth.video

        return sample

    monkeypatch.setattr(sampling, "load", lambda: None)
    monkeypatch.setattr(sampling, "streaming", fake)
    settings = Setting("a"), Setting("b", Method(memory=3)), Setting("c", changes={"scale": 0.5})
    study = Study(settings, (asks.DEPTH,), (measures.IOU, measures.COLOUR))
    values = ablation.measure(study, clips=2, size=SIZE)
    first, second = make_truth(0, SIZE).seed, make_truth(1, SIZE).seed
    each = [(PLAIN, 1.0), (Method(memory=3), 1.0), (PLAIN, 0.5)]
    assert made == [(*one, seed) for seed in (first, second) for one in each]
    assert len(values) == 6
    assert all(len(found) == 2 for found in values.values())


def test_a_table_marks_what_differs_from_the_first_beyond_its_interval() -> None:
    settings = tuple(Setting(name) for name in ("first", "same", "more", "less"))
    study = Study(settings, (asks.DEPTH,), (measures.IOU, measures.FLICKER))
    clips = {
        "first": [0.5, 0.6, 0.4],
        "same": [0.6, 0.5, 0.4],
        "more": [0.8, 0.9, 0.71],
        "less": [0.2, 0.3, 0.1],
    }
    values = {(asks.DEPTH, one, s): clips[s.name] for one in study.measures for s in settings}
    head, _, iou, flicker = ablation.table(study, values).splitlines()
    assert head == "|  | first | same | more | less |"
    cells = [cell.strip().split(" ")[0] for cell in iou.split("|")[2:6]]
    assert cells == ["0.5", "0.5", "**+**", "**-**"]
    assert [cell.strip().split(" ")[0] for cell in flicker.split("|")[4:6]] == ["**-**", "**+**"]


def test_every_choice_of_the_method_has_a_study_whose_first_setting_is_the_default() -> None:
    tried = {
        name
        for study in STUDIES.values()
        for one in study.settings
        for name, value in vars(one.method).items()
        if value != getattr(PLAIN, name)
    }
    assert tried == set(vars(PLAIN))
    assert all(study.settings[0].method == PLAIN for study in STUDIES.values())
