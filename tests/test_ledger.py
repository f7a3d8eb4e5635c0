"""Estimates of memory against what a ledger counts while streams run, with numbers and without."""

from dataclasses import replace

import pytest
import torch

from vacestream.dry import META, Counted, Scene, count, make_pipeline
from vacestream.ledger import Ledger
from vacestream.memory import Demand, Memory, memory
from vacestream.models.load import load_pipeline
from vacestream.pipelines import PIPELINES, PipelineSpec, Transformer

MID = Transformer(512, 2048, layers=4, heads=4, context_layers=(0, 2))
CPU = torch.device("cpu")


def vaes(kind: str) -> dict[str, str]:
    return dict.fromkeys(("control", "source", "output"), kind)


def shallow(name: str) -> PipelineSpec:
    """A row at its width, with two blocks, a context block and two steps."""
    row = PIPELINES[name]
    transformer = replace(row.transformer, layers=2, context_layers=(0,))
    return replace(row, steps=(1000, 500), transformer=transformer)


def assert_near(found: Counted, estimate: Memory, *, text: int = 0) -> None:
    """Within a tenth, stage by stage; weights and cache within a hundredth."""
    assert estimate.weights == pytest.approx(found.weights, rel=0.04 if text else 0.01)
    assert estimate.kv_cache == pytest.approx(found.cache, rel=0.01)
    for stage, peak in found.peaks.items():
        assert estimate.stages[stage] == pytest.approx(peak, rel=0.1), stage


def test_a_ledger_counts_what_lives_and_forgets_what_is_gone() -> None:
    with Ledger(CPU) as ledger:
        a = torch.zeros(256)
        view = a[:5]
        b = a + 1
        assert ledger.live == 2048
        del a, b
        assert ledger.live == 1024  # of which view is a part
        del view
        ledger.enter("next")
        torch.zeros(8, 4) @ torch.zeros(4, 2)
    assert ledger.live == 0
    assert ledger.peaks["weights"] == 2048
    assert ledger.flops == {"next": 2 * 8 * 4 * 2}


@pytest.mark.parametrize(
    ("name", "size", "references", "control", "num_chunks", "kind"),
    [
        ("longlive-1.3b", (480, 832), 1, True, 2, "tae"),
        ("longlive-1.3b", (96, 160), 0, True, 2, "wan"),
        ("longlive-1.3b-infinity", (480, 832), 0, True, 5, "tae"),
        ("krea-realtime-14b", (720, 1280), 2, True, 2, "tae"),
    ],
)
def test_estimates_at_full_width_are_near_what_shapes_without_numbers_take(
    name: str, size: tuple[int, int], references: int, control: bool, num_chunks: int, kind: str
) -> None:
    spec, context = shallow(name), control or references > 0
    pipeline = make_pipeline(spec, META, torch.bfloat16, context=context, vaes=vaes(kind))
    found = count(pipeline, Scene(size, references, control), num_chunks)
    asked = Demand(size, "bf16", vaes=(kind,) * 3, context=context, num_references=references)
    assert_near(found, memory(spec, asked))


def test_estimates_of_a_run_with_numbers_are_near_as_well() -> None:
    size = (96, 160)
    spec = replace(PIPELINES["longlive-1.3b"], transformer=MID, steps=(1000, 500))
    pipeline = make_pipeline(spec, CPU, torch.float32, vaes=vaes("tae"))
    found = count(pipeline, Scene(size, 1, True), 2)
    asked = Demand(size, "fp32", vaes=("tae",) * 3, flat=True, num_references=1)
    assert_near(found, memory(spec, asked))


def test_estimates_of_the_embedded_model_are_near_as_well() -> None:
    pipeline = load_pipeline(PIPELINES["sprites"], CPU, torch.float32)
    found = count(pipeline, Scene((64, 64), 1, True), 3)
    asked = Demand((64, 64), "fp32", flat=True, num_references=1)
    assert_near(found, memory(pipeline.spec, asked), text=1)
