"""Nets of the table of model files, with their weights; annotators alone use them."""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from transformers.initialization import no_init_weights
from transformers.utils import logging

from vacestream.errors import ModelError
from vacestream.models import checkpoint
from vacestream.models.device import pick_device
from vacestream.models.key_maps import KeyMap
from vacestream.weights import file_of, model

Net = TypeVar("Net", bound=nn.Module)

IMAGENET = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)
"""Mean and spread of red, green and blue."""


def load_net(
    name: str,
    build: Callable[[], Net],
    device: str,
    *,
    table: KeyMap = (),
    left_out: tuple[str, ...] = (),
) -> Net:
    """A net, frozen, with all its weights; `left_out` are pieces of keys that it has no use for."""
    found = file_of(name)
    weights = {
        key: weight
        for key, weight in checkpoint.read(found.path, found.entry).items()
        if not any(piece in key for piece in left_out)
    }
    with no_init_weights():
        net = build()
    renamed = checkpoint.to_diffusers(weights, table, str(found.path))
    checkpoint.load(net, renamed, str(found.path), table=table)
    return net.float().to(pick_device(device)).eval().requires_grad_(False)


def load_pretrained(name: str, kind: Any, device: str, part: str = "net") -> Any:
    """A transformers model from its file, and the config.json beside it, else the config of the table."""
    path = file_of(name, part).path
    config = kind.config_class.from_dict(read_config(name, path, part))
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    net, told = kind.from_pretrained(
        None,
        config=config,
        state_dict=checkpoint.read_file(path),
        output_loading_info=True,
        dtype=torch.float32,
    )
    if bars:
        logging.enable_progress_bar()
    if lost := sorted(told["missing_keys"]):
        raise ModelError(
            f"{path}: {len(lost)} missing ({', '.join(lost[: checkpoint.SHOWN])}); fetch it again"
        )
    return net.to(pick_device(device)).eval().requires_grad_(False)


def read_config(name: str, path: Path, part: str = "net") -> dict[str, Any]:
    """What a net is built from."""
    beside = path.with_name("config.json")
    if beside.is_file():
        config: dict[str, Any] = json.loads(beside.read_text())
        return config
    return dict((model(name).config or {})[part])


@contextmanager
def quiet() -> Iterator[None]:
    """controlnet-aux, when it is loaded, warns of packages that are not needed here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def as_tensor(frame: np.ndarray, net: nn.Module) -> Tensor:
    """[H W 3] of any numbers -> [1 3 H W] where the net is."""
    device = next(net.parameters()).device
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))[None]).float().to(device)


def resized(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[h w ...] -> [H W ...], averaged where it gets smaller."""
    if frame.shape[:2] == size:
        return frame
    smaller = size[0] * size[1] < frame.shape[0] * frame.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(frame), size[::-1], interpolation=way))


def side_of(size: tuple[int, int], side: int, step: int) -> tuple[int, int]:
    """A (height, width) with this shorter side in the same aspect, both of them times `step`."""
    scale = side / min(size)
    height, width = (max(step, round(length * scale / step) * step) for length in size)
    return height, width
