"""A row of the table -> its tokenizer and text encoder, and what is kept of its embeddings."""

from dataclasses import dataclass
from functools import partial

import torch
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from vacestream.errors import ModelError
from vacestream.models.fill import Config, fill, read_as_ours
from vacestream.models.kept_text import KeptText, fingerprint
from vacestream.models.key_maps import UMT5_KEYS
from vacestream.models.offload import CPU
from vacestream.models.quantize import quantize
from vacestream.models.text import TextEncoder
from vacestream.pipelines import PipelineSpec
from vacestream.weights import MODELS, TEXT, Found, find, look_up, model


@dataclass(frozen=True)
class TextPlace:
    """Where a text encoder works, and in which numbers."""

    device: torch.device
    dtype: torch.dtype
    quantized: str | None = None
    """int8 or fp8: what the weights of its layers become."""


def load_text(spec: PipelineSpec, place: TextPlace) -> TextEncoder:
    """A row's tokenizer and text encoder."""
    rest = [part for part in model(spec.name).parts if part not in TEXT] if spec.name in MODELS else []
    found, config = find(spec.name, without=rest)
    home = CPU if place.quantized else place.device
    encoder = load_text_encoder(config["text_encoder"], found["text"], home, place.dtype)
    if place.quantized:
        quantize(encoder, place.quantized, inside=("encoder.block.",))
    return TextEncoder(
        load_tokenizer(config["tokenizer"], found["tokenizer"]),
        encoder.to(place.device),
        spec.transformer.text_len,
    )


def keep_text(spec: PipelineSpec, place: TextPlace, device: torch.device) -> KeptText:
    """A row's text encoder, loaded for prompts that are new and not for those that it has seen."""
    rows = [model(spec.name).parts[part] for part in TEXT]
    paths = [path for row in rows if (path := look_up(row))]
    published = [(row.files[0].repo, row.files[0].path, row.files[0].sha256) for row in rows]
    return KeptText(
        partial(load_text, spec, place),
        facts={"encoder": published, "dtype": str(place.dtype), "device": place.device.type}
        | ({"quantized": place.quantized} if place.quantized else {}),
        made_from=fingerprint(paths) if len(paths) == len(rows) else None,
        length=spec.transformer.text_len,
        device=device,
        dtype=place.dtype,
    )


def load_text_encoder(
    config: Config, file: Found, device: torch.device, dtype: torch.dtype
) -> UMT5EncoderModel:
    """UMT5; its embedding has two names in transformers, of which files may have one."""
    weights, names = read_as_ours(file, UMT5_KEYS)
    if "shared.weight" in weights:
        twin = weights.setdefault("encoder.embed_tokens.weight", weights["shared.weight"])
        if twin.shape == weights["shared.weight"].shape:
            weights["encoder.embed_tokens.weight"] = weights["shared.weight"]
    return fill(lambda: UMT5EncoderModel(UMT5Config(**config)), weights, file, names, device, dtype)


def load_tokenizer(config: Config, file: Found) -> PreTrainedTokenizerFast:
    """The text encoder's tokenizer, as its own file describes it."""
    try:
        return PreTrainedTokenizerFast(tokenizer_file=str(file.path), **config)
    except Exception as error:
        raise ModelError(f"{file.path}: not a readable tokenizer ({error}); fetch it again") from error
