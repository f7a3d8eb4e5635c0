"""ONNX files run by onnxruntime."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from vacestream.errors import ModelError
from vacestream.models.device import pick_device

Run = Callable[[np.ndarray], list[np.ndarray]]
"""The only input of a net -> its outputs."""


def open_onnx(path: Path, device: str) -> Run:
    """A net on the device, where onnxruntime was built for it, else on the CPU."""
    try:
        import onnxruntime  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise ModelError(
            f"{path.name}: needs onnxruntime; run `pip install onnxruntime`, or onnxruntime-gpu"
        ) from error
    offered = onnxruntime.get_available_providers()
    wanted = f"{pick_device(device).type.upper()}ExecutionProvider"
    providers = [name for name in (wanted, "CPUExecutionProvider") if name in offered]
    try:
        session = onnxruntime.InferenceSession(str(path), providers=list(dict.fromkeys(providers)))
    except Exception as error:
        raise ModelError(f"{path}: not a readable net ({error}); fetch it again") from error
    name = session.get_inputs()[0].name
    return lambda given: [np.asarray(out) for out in session.run(None, {name: given})]
