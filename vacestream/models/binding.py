"""VACE's context blocks on transformers of other families, whose own forward stays (arXiv:2503.07598).

Wan's blocks, Helios' and AnyFlow's share their parts and are called alike, so all that a context block needs
is among the arguments of the first block of a call. Hooks read it there and add hints behind blocks; they are
gone when the call is, and with them every trace of the adapter. History before the chunk is left alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from diffusers.models.transformers import transformer_anyflow, transformer_anyflow_far
from diffusers.models.transformers.transformer_helios import HeliosTransformerBlock
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from einops import rearrange
from torch import Tensor, nn

from vacestream.models.transformer import Hints, Text


@dataclass(frozen=True)
class BlockCall:
    """The places, in the call of a block, of what context blocks need."""

    tokens: int = 0  # [B m d], those of the chunk last
    text: int = 1  # [B L d] behind the text MLP
    modulation: int = 2  # [B m 6 d], or [B 6 d] for all tokens
    num_chunk: int | None = None
    """How many of the tokens are the chunk's; None: all of them."""


FAMILIES: dict[type[nn.Module], BlockCall] = {
    WanTransformerBlock: BlockCall(),
    HeliosTransformerBlock: BlockCall(num_chunk=4),
    transformer_anyflow.AnyFlowTransformerBlock: BlockCall(),
    transformer_anyflow_far.AnyFlowTransformerBlock: BlockCall(),
}
"""Classes of blocks that hints can be added behind."""


@contextmanager
def hinted(blocks: nn.ModuleList, hints: Sequence[Hints], num_latents: int) -> Iterator[None]:
    """Inside the block, every call of the transformer gets these hints for its chunk of so many latents."""
    call = FAMILIES.get(type(blocks[0]))
    if call is None:
        known = ", ".join(sorted({family.__name__ for family in FAMILIES}))
        raise ValueError(f"hints are added behind {known}, not behind {type(blocks[0]).__name__}")
    running = _Running(call, hints, num_latents)
    with ExitStack() as stack:
        stack.callback(blocks[0].register_forward_pre_hook(running.begin).remove)
        for index in sorted({layer for source in hints for layer in source.layers}):
            stack.callback(blocks[index].register_forward_hook(running.behind(index)).remove)
        yield


class _Running:
    """The hints of one call, made one at a time as blocks ask for them."""

    def __init__(self, call: BlockCall, hints: Sequence[Hints], num_latents: int) -> None:
        self.call, self.hints, self.num_latents = call, hints, num_latents
        self.count, self.streams = 0, list[tuple[tuple[int, ...], Iterator[Tensor]]]()

    def begin(self, _block: nn.Module, given: tuple[Any, ...]) -> None:
        """Start every hint from what the first block is given."""
        call, tokens = self.call, given[self.call.tokens]
        self.count = tokens.shape[1] if call.num_chunk is None else given[call.num_chunk]
        x = self._by_latent(tokens[:, -self.count :])
        modulation = given[call.modulation]
        if modulation.ndim == 3:
            modulation = modulation[:, None].expand(-1, self.num_latents, -1, -1)
        else:
            modulation = modulation[:, -self.count :: self.count // self.num_latents]
        text = Text(given[call.text])
        self.streams = [(source.layers, source(x, modulation, text)) for source in self.hints]

    def behind(self, index: int) -> Callable[[nn.Module, tuple[Any, ...], Tensor], Tensor]:
        """The hook that adds the hints of one layer to the chunk's tokens [B m d]."""

        def hook(_block: nn.Module, _given: tuple[Any, ...], made: Tensor) -> Tensor:
            made = made.clone()
            for layers, stream in self.streams:
                if index in layers:
                    made[:, -self.count :] += next(stream).flatten(1, 2)
            return made

        return hook

    def _by_latent(self, tokens: Tensor) -> Tensor:
        return rearrange(tokens, "B (f n) d -> B f n d", f=self.num_latents)
