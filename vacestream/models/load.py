"""A row of the table -> its weights on a device; no stream state.

Find the files, read them, rename their keys, fill modules strictly, on the device and in its numbers.
"""

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch import nn

from vacestream.models import checkpoint
from vacestream.models.device import slow_in_3d
from vacestream.models.fill import Config, empty, fill, frozen, read_as_ours
from vacestream.models.flat import flatten
from vacestream.models.kept_text import KeptText
from vacestream.models.key_maps import VAE_KEYS, WAN_KEYS
from vacestream.models.load_text import TextPlace, keep_text, load_text
from vacestream.models.lora import Lora, merge, read_lora, read_users_lora
from vacestream.models.offload import CPU, HOSTS, Host, Stay
from vacestream.models.quantize import quantize, refuse_missing
from vacestream.models.text import TextEncoder
from vacestream.models.tiny_vae import TinyVAE
from vacestream.models.transformer import CausalWan, make_causal
from vacestream.models.vace import ContextAdapter
from vacestream.models.vae import VAE, Decoder, Encoder
from vacestream.pipelines import PipelineSpec, Transformer
from vacestream.weights import (
    CONTEXT,
    EMBEDDED,
    LIGHT_VAE,
    SMALL_VAES,
    TEXT,
    Found,
    find,
)

ONE_VAE = {"control": "wan", "source": "wan", "output": "wan"}
"""What a VAE does -> which does it."""

NOTHING: Mapping[str, str] = {}

LoraFiles = tuple[tuple[str, float], ...]
"""Users' LoRA files and their scales, in order."""

OWN, NONE = "own", "none"
"""Instead of a file of context blocks: those of the pipeline, or none at all."""


@dataclass(frozen=True)
class Origin:
    """Where transformer and context blocks come from, to be read again with other LoRAs merged in."""

    size: Transformer
    transformer_file: Found
    own_lora: Found | None
    context_file: Found | None
    device: torch.device
    dtype: torch.dtype
    quantized: Mapping[str, str]
    host: Host
    """Sees to when they are on the device."""

    def transformer(self, loras: LoraFiles = ()) -> CausalWan:
        """The weights are what they would be had they been loaded with these LoRAs at once."""
        module = load_transformer(
            self.size,
            self.transformer_file,
            self._home("base"),
            self.dtype,
            lora=self.own_lora,
            changes=self._changes(loras),
        )
        return self._placed("base", make_causal(module))

    def adapter(self, context: str = OWN, loras: LoraFiles = ()) -> ContextAdapter | None:
        """The context blocks of a file, own for those of the pipeline; None for the word none."""
        file = self.context_file if context == OWN else Found(Path(context))
        if context == NONE or file is None:
            return None
        home = self._home("context")
        return self._placed("context", load_adapter(self.size, file, home, self.dtype, self._changes(loras)))

    def _home(self, role: str) -> torch.device:
        """Where weights are loaded: in main memory if they wait there, or are made smaller first."""
        return self.device if isinstance(self.host, Stay) and role not in self.quantized else CPU

    def _placed(self, role: str, module: Any) -> Any:
        if kind := self.quantized.get(role):
            quantize(module, kind)
        self.host.take("denoise", module)
        return module

    def refuse_unfit(self, context: str, loras: LoraFiles) -> None:
        """ModelError where these files are not of this model, a warning where a part is not."""
        read_loras(loras, self.size)
        if context not in (OWN, NONE):
            file = Found(Path(context))
            weights, names = read_as_ours(file, WAN_KEYS)
            _, blocks = checkpoint.split_vace(weights)
            checkpoint.check(empty(lambda: build_adapter(self.size)), blocks, context, table=names)

    def _changes(self, loras: LoraFiles) -> list[Lora]:
        """What the files change; `refuse_unfit` has warned of the rest."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_loras(loras, self.size)


@dataclass
class Pipeline:
    """The frozen weights of one row, shared by any number of streams."""

    spec: PipelineSpec
    transformer: CausalWan
    adapter: ContextAdapter | None
    """What new streams start with; None for the bare base."""
    vae: VAE
    """Encodes what the adapter is given."""
    text: TextEncoder | KeptText
    device: torch.device
    dtype: torch.dtype
    source_vae: VAE | None = None
    """Encodes the footage that a video starts from; None: `vae`."""
    output_vae: VAE | None = None
    """Decodes; None: `vae`."""
    loras: LoraFiles = ()
    """What users' files are merged in."""
    context: str = OWN
    """What the adapter was read from: own, none, or a file."""
    origin: Origin | None = None
    """For chunks that ask for other LoRAs or context blocks."""

    def new_encoder(self) -> Encoder:
        """A stream of what the adapter is given."""
        return Encoder(self.vae, self.device)

    def new_source_encoder(self) -> Encoder:
        """A stream of the footage that a video starts from."""
        return Encoder(self.source_vae or self.vae, self.device)

    def new_decoder(self) -> Decoder:
        """A stream of what is made."""
        return Decoder(self.output_vae or self.vae, self.device)


def load_pipeline(
    spec: PipelineSpec,
    device: torch.device,
    dtype: torch.dtype,
    left_out: Collection[str] = (),
    loras: LoraFiles = (),
    prompts: Sequence[str] | None = None,
    vaes: Mapping[str, str] = ONE_VAE,
    quantized: Mapping[str, str] = NOTHING,
    context: str = OWN,
    offload: str = "none",
) -> Pipeline:
    """Load the parts of a row that are not left out, with users' LoRA files and their scales merged in.

    Where all `prompts` are known, they are embedded first, and the text encoder is gone before the rest
    comes; its files may be absent if it has seen them before. `quantized` says which weights of `base`,
    `context` and `text` become int8 or fp8, `offload` what waits in main memory. `context` names other
    context blocks than the row's. ModelError names what is missing or wrong.
    """
    for kind in quantized.values():
        refuse_missing(kind)
    text = TextPlace(CPU if offload != "none" else device, dtype, quantized.get("text"))
    kept = None if prompts is None or spec.name in EMBEDDED else keep_text(spec, text, device)
    unneeded = TEXT if kept is not None and kept.has(prompts or ()) else ()
    found, config = find(spec.name, without=[*left_out, *unneeded])
    small = {kind: find(SMALL_VAES[kind])[0]["net"] for kind in {*vaes.values()} - {"wan"}}
    weights = found["base"] if spec.whole and "base" in found else found["transformer"]
    own = found.get("lora"), found.get(CONTEXT)
    host = HOSTS[offload](device)
    origin = Origin(spec.transformer, weights, *own, device, dtype, quantized, host)
    origin.refuse_unfit(context, loras)
    if kept is not None:
        kept.prepare(prompts or ())
    vae = {
        kind: load_any_vae(kind, config["vae"], small.get(kind) or found["vae"], device, dtype)
        for kind in {*vaes.values()}
    }
    for one in vae.values():
        host.take("vae", one)
    return Pipeline(
        spec=spec,
        transformer=origin.transformer(loras),
        adapter=origin.adapter(context, loras),
        vae=vae[vaes["control"]],
        source_vae=vae[vaes["source"]],
        output_vae=vae[vaes["output"]],
        text=kept or load_text(spec, text),
        device=device,
        dtype=dtype,
        loras=loras,
        context=context,
        origin=origin,
    )


def read_loras(files: LoraFiles, size: Transformer) -> list[Lora]:
    """What users' LoRA files, with their scales, change of the transformer and of context blocks."""
    if not files:
        return []
    modules = (empty(lambda: build_transformer(size)), empty(lambda: build_adapter(size)))
    shapes = {key: value.shape for module in modules for key, value in module.state_dict().items()}
    return [read_users_lora(Path(path), scale, shapes) for path, scale in files]


def load_transformer(
    size: Transformer,
    file: Found,
    device: torch.device,
    dtype: torch.dtype,
    *,
    lora: Found | None = None,
    changes: Sequence[Lora] = (),
) -> WanTransformer3DModel:
    """Wan's transformer from its own file or a full VACE's, with LoRAs merged in before the cast."""
    read, names = read_as_ours(file, WAN_KEYS)
    weights, context = checkpoint.split_vace(read)
    if context:
        checkpoint.check(empty(lambda: build_adapter(size)), context, str(file.path), table=names)
    model = empty(lambda: build_transformer(size))
    own = [read_lora(lora.path, model, lora.alpha, lora.entry)] if lora else []
    change = partial(merge, [*own, *changes])
    checkpoint.load(model, weights, str(file.path), table=names, device=device, dtype=dtype, change=change)
    return frozen(model)


def load_adapter(
    size: Transformer, file: Found, device: torch.device, dtype: torch.dtype, changes: Sequence[Lora] = ()
) -> ContextAdapter:
    """VACE's blocks from a file of their own or a full VACE's; LoRAs that name them are merged in."""
    read, names = read_as_ours(file, WAN_KEYS)
    base, weights = checkpoint.split_vace(read)
    if base:
        checkpoint.check(empty(lambda: build_transformer(size)), base, str(file.path), table=names)
    return fill(lambda: build_adapter(size), weights, file, names, device, dtype, changes)


def load_vae(config: Config, file: Found, device: torch.device, dtype: torch.dtype) -> AutoencoderKLWan:
    """Wan's VAE."""
    weights, names = read_as_ours(file, VAE_KEYS)
    vae = fill(lambda: AutoencoderKLWan(**config), weights, file, names, device, dtype)
    if slow_in_3d(device):
        flatten(vae)
    return cast(AutoencoderKLWan, vae)


def load_any_vae(kind: str, config: Config, file: Found, device: torch.device, dtype: torch.dtype) -> VAE:
    """wan: Wan's own; light: the same with fewer channels; tae: TAEHV."""
    if kind == "tae":
        return fill(TinyVAE, checkpoint.read(file.path), file, (), device, dtype)
    return load_vae({**config, **LIGHT_VAE} if kind == "light" else config, file, device, dtype)


def build_transformer(size: Transformer) -> WanTransformer3DModel:
    """Wan's transformer of the given size, without diffusers' RoPE tables: ours are made per chunk."""
    model = WanTransformer3DModel(
        patch_size=size.patch,
        num_attention_heads=size.heads,
        attention_head_dim=size.head_dim,
        in_channels=size.channels,
        out_channels=size.channels,
        text_dim=size.text_dim,
        freq_dim=size.freq_dim,
        ffn_dim=size.ffn_dim,
        num_layers=size.layers,
    )
    model.rope = nn.Identity()
    return model


def build_adapter(size: Transformer) -> ContextAdapter:
    """VACE's context blocks of the given size."""
    return ContextAdapter.build(
        dim=size.dim,
        ffn_dim=size.ffn_dim,
        heads=size.heads,
        channels=size.context_channels,
        patch=size.patch,
        layers=size.context_layers,
    )
