"""What a device holds and computes while a stream runs, counted by stage: bytes of live tensors, operations.

On torch's `meta` device tensors have sizes and no numbers, so models of any size run in seconds.
"""

import weakref
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

NEXT = {"condition": "encode", "encode": "denoise", "denoise": "decode", "decode": "condition"}
"""The stage that works once an item has come out of another."""

_ATEN = torch.ops.aten


class Ledger(TorchDispatchMode):
    """Bytes of the tensors that live on one kind of device, and floating point operations."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = device
        self.stage = "weights"
        self.live = 0
        self.peaks: dict[str, int] = {}
        """Bytes that lived at most, by stage."""
        self.flops: dict[str, int] = {}
        self.settled = False
        """Whether numbers that are not there are equal."""
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        count = flop_registry.get(func._overloadpacket)
        if count is None:
            with self:  # what is made of other operations is seen as those
                out = func.decompose(*args, **kwargs)
            if out is not NotImplemented:
                return out
        out = self._guessed(func, args, kwargs)
        out = func(*args, **kwargs) if out is None else out
        if count is not None:
            self.add(count(*args, **kwargs, out_val=out))
        self.note(out)
        return out

    def watch(self, stage: str, items: Iterable[Any]) -> Iterator[Any]:
        """The items of a stage; what is made behind each is the next stage's."""
        for item in items:
            self.enter(NEXT[stage])
            yield item

    def enter(self, stage: str) -> None:
        """From here on another stage works."""
        self.stage = stage
        self.peaks[stage] = max(self.peaks.get(stage, 0), self.live)

    def note(self, found: Any) -> None:
        """Count tensors; those that were there before, too."""
        for tensor in tree_iter(found):
            if isinstance(tensor, Tensor) and tensor.device.type == self.device.type:
                self._note(tensor.untyped_storage())

    def leave_out(self, found: Any) -> None:
        """Tensors that are somebody else's, wherever they lie."""
        for tensor in tree_iter(found):
            self._note(tensor.untyped_storage(), counts=False)

    def add(self, flops: int) -> None:
        """Count operations."""
        self.flops[self.stage] = self.flops.get(self.stage, 0) + flops

    def _guessed(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What is asked of numbers that are not there; None where nothing is."""
        if not (args and isinstance(args[0], Tensor) and args[0].is_meta):
            return None
        if func is _ATEN.equal.default:
            return self.settled
        if func is _ATEN._local_scalar_dense.default:
            return 1
        if func is _ATEN._to_copy.default and torch.device(kwargs.get("device") or "meta").type != "meta":
            like = torch.empty(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
            return like.random_(0, 2)
        return None

    def _note(self, storage: torch.UntypedStorage, *, counts: bool = True) -> None:
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = storage.nbytes() if counts else 0
        self.live += self._sizes[key]
        self.peaks[self.stage] = max(self.peaks.get(self.stage, 0), self.live)
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.live -= self._sizes.pop(key)


class _Attention(TorchFunctionMode):
    """Attention without numbers, as its fast kernels do it: no table of scores."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is not F.scaled_dot_product_attention or not args[0].is_meta:
            return func(*args, **(kwargs or {}))
        rows, heads, queries, width = args[0].shape
        self.ledger.add(4 * rows * heads * queries * args[1].shape[2] * width)
        return torch.empty_like(args[0])


@contextmanager
def counted(device: torch.device) -> Iterator[Ledger]:
    """A ledger of what is done inside."""
    ledger = Ledger(device)
    with ExitStack() as stack:
        stack.enter_context(ledger)
        stack.enter_context(_Attention(ledger))
        yield ledger
