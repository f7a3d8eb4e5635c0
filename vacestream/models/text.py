"""Prompts -> embeddings, through UMT5 (arXiv:2304.09151) as Wan uses it: padded, zero behind the prompt."""

import html
import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import UMT5EncoderModel


@dataclass(frozen=True)
class TextEncoder:
    """A tokenizer and its encoder."""

    tokenizer: Any
    model: UMT5EncoderModel
    length: int

    @torch.inference_mode()
    def __call__(self, prompt: str) -> Tensor:
        """[L text_dim]; rows behind the prompt are zero, and are attended all the same."""
        tokens = self.tokenizer(
            [clean(prompt)],
            max_length=self.length,
            padding="max_length",
            truncation=True,
            return_tensors="pt",
        )
        ids, mask = tokens.input_ids.to(self.model.device), tokens.attention_mask.to(self.model.device)
        hidden: Tensor = self.model(ids, mask).last_hidden_state
        return (hidden * mask[..., None])[0]


def clean(prompt: str) -> str:
    """Entities resolved (twice: they are often doubled), white space folded."""
    return re.sub(r"\s+", " ", html.unescape(html.unescape(prompt))).strip()
