"""The words of the world: tokenizer, a small UMT5 encoder, and captions with words left out."""

import random
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import UMT5Config, UMT5EncoderModel

from vacestream.pipelines import SPRITES
from vacestream.sprites.scenes import COLOURS, GROUNDS, PATTERNS, Scenes, ground_words, sprite_words
from vacestream.sprites.shapes import SHAPES

SPECIAL = ("<pad>", "</s>", "<unk>")
_OLDER_SHAPES = [shape for shape in SHAPES if shape != "figure"]
WORDS = (
    *(*SPECIAL, "a", "and", "on", "background", "sprite"),
    *(*COLOURS, *_OLDER_SHAPES, *GROUNDS, *PATTERNS),
    "figure",
)
"""Their places are the rows of trained embeddings: new words go to the end."""
CONFIG: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "d_model": SPRITES.text_dim,
    "d_kv": 24,
    "d_ff": 192,
    "num_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 16,
    "relative_attention_max_distance": 32,
    "dropout_rate": 0.0,
    "pad_token_id": 0,
    "eos_token_id": 1,
}


def new_tokenizer() -> Tokenizer:
    """One token a word, then an end."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def new_encoder() -> UMT5EncoderModel:
    torch.manual_seed(2)
    return UMT5EncoderModel(UMT5Config(**CONFIG))


def encode(encoder: UMT5EncoderModel, tokenizer: Tokenizer, lines: list[str]) -> Tensor:
    """[B text_len d]: rows past the true length are zero, and attended like any other."""
    ids = torch.zeros(len(lines), SPRITES.text_len, dtype=torch.long)
    for row, line in zip(ids, lines, strict=True):
        tokens = tokenizer.encode(line).ids[: SPRITES.text_len]
        row[: len(tokens)] = torch.tensor(tokens)
    mask = (ids != 0).long()
    width = int(mask.sum(1).max())
    states = encoder(input_ids=ids[:, :width], attention_mask=mask[:, :width]).last_hidden_state
    states = states * mask[:, :width, None]
    return torch.nn.functional.pad(states, (0, 0, 0, SPRITES.text_len - width))


def caption(scenes: Scenes, clip: int, named: list[int], *, pick: random.Random | None = None) -> str:
    """Names the sprites `named` and the ground; `pick` may leave out a colour or a shape."""
    words = []
    for sprite in named:
        article, colour, shape = sprite_words(scenes, clip, sprite).split()
        draw = pick.random() if pick else 1.0
        words.append(
            f"a {shape}"
            if draw < 0.07
            else f"a {colour} sprite"
            if draw < 0.12
            else f"{article} {colour} {shape}"
        )
    ground = ground_words(scenes, clip)
    return f"{' and '.join(words)} on {ground}" if words else ground
