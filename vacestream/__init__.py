"""vacestream: one YAML recipe, rendered chunk by chunk by a causal video diffusion model with VACE control.

import vacestream
for frames in vacestream.load("sprites").generate(prompt="a red circle on a gray plain background"):
    ...  # uint8 [T H W 3], 9 frames first, then 12 at a time
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vacestream.api import Model


def load(name: str = "sprites", *, device: str = "auto", precision: str = "auto") -> "Model":
    """Load a pipeline's weights; device is auto, cpu, cuda, cuda:N or mps, precision auto, fp32 or bf16."""
    from vacestream.api import load

    return load(name, device=device, precision=precision)


__all__ = ["load"]
