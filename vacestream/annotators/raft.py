"""Motion found by RAFT (arXiv 2003.12039), in torchvision's module with the weights that VACE takes."""

from typing import Any

import numpy as np
import torch

from vacestream.annotators.flow import Flow
from vacestream.annotators.nets import as_tensor, load_net, quiet, resized, side_of
from vacestream.models.key_maps import KeyMap

STEP, SMALLEST = 8, 128
"""Sides are times 8; of less than 128 too little is left at the coarsest scale."""
ITERATIONS = 20
"""As in VACE."""

_ENCODER = (
    ("conv1.", "convnormrelu.0."),
    ("norm1.", "convnormrelu.1."),
    ("conv2.", "conv."),
    *(
        (f"layer*.{block}.{a}{i}.", f"layer*.{block}.convnormrelu{i}.{b}.")
        for block in (0, 1)
        for i in (1, 2)
        for a, b in (("conv", 0), ("norm", 1))
    ),
)
_MOTION = (
    *((f"conv{a}{i}.", f"conv{b}{i}.0.") for a, b in (("c", "corr"), ("f", "flow")) for i in (1, 2)),
    ("conv.", "conv.0."),
)
RAFT_KEYS: KeyMap = (
    *((f"fnet.{a}", f"feature_encoder.{b}") for a, b in _ENCODER),
    *((f"cnet.{a}", f"context_encoder.{b}") for a, b in _ENCODER),
    ("fnet.", "feature_encoder."),
    ("cnet.", "context_encoder."),
    *((f"update_block.encoder.{a}", f"update_block.motion_encoder.{b}") for a, b in _MOTION),
    *(
        (f"update_block.gru.conv{gate}{i}.", f"update_block.recurrent_block.convgru{i}.conv{gate}.")
        for gate in "zrq"
        for i in (1, 2)
    ),
    ("update_block.mask.0.", "mask_predictor.convrelu.0."),
    ("update_block.mask.2.", "mask_predictor.conv."),
)
"""Names of the original release; torchvision's."""
TWICE = ".norm3."
"""The original has each downsampling norm under two names."""


def raft(*, net: str, device: str, **choices: Any) -> Flow:
    """The large model."""
    with quiet():
        from torchvision.models.optical_flow import raft_large  # type: ignore[import-untyped]

    seer = load_net(net, lambda: raft_large(weights=None), device, table=RAFT_KEYS, left_out=(TWICE,))

    @torch.inference_mode()
    def find(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        height, width = before.shape[:2]
        size = side_of((height, width), max(SMALLEST, min(height, width)), STEP)
        pair = (as_tensor(resized(one, size) / np.float32(127.5) - 1, seer) for one in (before, after))
        flow = seer(*pair, num_flow_updates=ITERATIONS)[-1][0].permute(1, 2, 0).cpu().numpy()
        scale = np.array([width / size[1], height / size[0]], np.float32)
        return resized(flow, (height, width)) * scale

    return Flow(find, **choices)
