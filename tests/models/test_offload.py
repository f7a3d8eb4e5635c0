"""Weights that wait: the same frames to the bit, nothing used while it is away, blocks in their order."""

from typing import Any

import numpy as np
import pytest
from diffusers.hooks.group_offloading import ModuleGroup
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from tests.clips import SIZE, control_passes, pictures, scene
from tests.tiny import CPU, tiny_pipeline
from vacestream.models.load import Pipeline
from vacestream.models.offload import BlockByBlock, TakeTurns
from vacestream.stream import new_stream


def frames(pipe: Pipeline, *, references: int = 1) -> np.ndarray:
    """Three chunks, the last under a new prompt, so that the cache is written, read and made again."""
    prompts = {0: "a red dog", 2: "a blue cat"}
    given = pictures(references)
    vcus = scene(pipe.spec, control_passes(33), num_frames=33, references=given, prompts=prompts)
    return np.concatenate([made for _, made in new_stream(pipe, SIZE, 7)(vcus)])


@pytest.fixture(scope="module")
def plain() -> np.ndarray:
    return frames(tiny_pipeline(steps=(1000, 500)))


class Present(TorchDispatchMode):
    """Refuses operations on weights that are away; `away` holds the places of those."""

    def __init__(self, modules: list[nn.Module]) -> None:
        super().__init__()
        self.away: set[int] = set()
        for module in modules:
            self.sent(module)

    def came(self, module: nn.Module) -> None:
        self.away -= {one.data_ptr() for one in module.parameters()}

    def sent(self, module: nn.Module) -> None:
        self.away |= {one.data_ptr() for one in module.parameters()}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for one in tree_iter((args, kwargs)):
            if isinstance(one, Tensor):
                assert one.data_ptr() not in self.away, f"{func} takes a weight that is away"
        return func(*args, **(kwargs or {}))


def blocks(pipe: Pipeline) -> dict[int, str]:
    named = [("main", pipe.transformer.blocks), ("context", pipe.adapter.vace_blocks)]
    return {id(block): f"{name} {i}" for name, several in named for i, block in enumerate(several)}


def test_blocks_come_one_by_one_in_their_order_and_frames_stay_to_the_bit(
    plain: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tiny_pipeline(steps=(1000, 500))
    names, order = blocks(pipe), []
    host = BlockByBlock(CPU)
    for model in (pipe.transformer, pipe.adapter, pipe.vae):
        host.take("", model)
    present = Present([*pipe.transformer.blocks, *pipe.adapter.vace_blocks])

    def onload(group: ModuleGroup) -> None:
        (block,) = group.modules
        order.append(names[id(block)])
        present.came(block)

    monkeypatch.setattr(ModuleGroup, "onload_", onload)
    monkeypatch.setattr(ModuleGroup, "offload_", lambda group: present.sent(group.modules[0]))
    with present:
        assert (frames(pipe) == plain).all()
    assert order[:2] == ["context 0", "context 1"]  # keys and values of the reference
    assert order[2:8] == ["context 0", "main 0", "main 1", "context 1", "main 2", "main 3"]


def test_models_take_turns_and_frames_stay_to_the_bit(
    plain: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, turns = tiny_pipeline(steps=(1000, 500)), []
    present = Present([pipe.transformer, pipe.adapter, pipe.vae])

    def watched(host: TakeTurns, name: str) -> None:
        if name != host.here:
            turns.append(name)
            for module in host.modules.get(host.here, ()):
                present.sent(module)
            for module in host.modules[name]:
                present.came(module)
        host.here = name

    monkeypatch.setattr(TakeTurns, "bring", watched)
    host = TakeTurns(CPU)
    host.take("vae", pipe.vae)
    host.take("denoise", pipe.transformer)
    host.take("denoise", pipe.adapter)
    with present:
        assert (frames(pipe) == plain).all()
    assert turns == ["vae", "denoise", "vae", "denoise", "vae", "denoise", "vae"]
