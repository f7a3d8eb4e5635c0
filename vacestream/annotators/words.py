"""What words name: Grounding DINO (arXiv 2303.05499) finds boxes, SAM 2 follows what is in them."""

from typing import Any, Literal

import numpy as np
import torch

from vacestream.annotators.nets import load_pretrained
from vacestream.annotators.sam2 import Start, Tracked, first_frame
from vacestream.annotators.view import View
from vacestream.errors import ModelError
from vacestream.recipe.values import Time
from vacestream.weights import file_of

SURE, NAMED = 0.25, 0.2
"""Of a box, and of a word in it; as VACE has them."""
SPECIAL = {"unk": "[UNK]", "sep": "[SEP]", "pad": "[PAD]", "cls": "[CLS]", "mask": "[MASK]"}


class Finder:
    """A picture -> the boxes of what some words name."""

    def __init__(self, words: str, device: str, *, boxes: Literal["first", "all"] = "first") -> None:
        from transformers import GroundingDinoForObjectDetection

        self._net = load_pretrained("grounding-dino", GroundingDinoForObjectDetection, device)
        self._processor, self._boxes = _processor(), boxes
        self._text = f"{words.strip().lower().rstrip('.')}."

    @torch.inference_mode()
    def __call__(self, picture: np.ndarray) -> Start:
        """[H W 3] -> its boxes, the surest first, or that alone."""
        given = self._processor(images=np.ascontiguousarray(picture), text=self._text, return_tensors="pt")
        out = self._net(**given.to(self._net.device))
        (found,) = self._processor.post_process_grounded_object_detection(
            out, given["input_ids"], threshold=SURE, text_threshold=NAMED, target_sizes=[picture.shape[:2]]
        )
        order = found["scores"].argsort(descending=True)
        places = [tuple(float(side) for side in found["boxes"][i]) for i in order]
        return Start(boxes=tuple(places[:1] if self._boxes == "first" else _apart(places)))  # type: ignore[arg-type]


def named(
    *,
    device: str,
    view: View,
    label: str | None = None,
    caption: str | None = None,
    boxes: Literal["first", "all"] = "first",
    every: int | None = None,
    at: Time | None = None,
) -> Tracked:
    """Follow what a word or a phrase names."""
    finder = Finder(label or caption or "", device, boxes=boxes)
    return Tracked(finder, device=device, at=first_frame(view, at), every=every)


def _processor() -> Any:
    from transformers import GroundingDinoImageProcessor, GroundingDinoProcessor, PreTrainedTokenizerFast

    path = file_of("grounding-dino", "words").path
    try:
        tokenizer = PreTrainedTokenizerFast(
            tokenizer_file=str(path), **{f"{name}_token": word for name, word in SPECIAL.items()}
        )
    except Exception as error:
        raise ModelError(f"{path}: not a readable tokenizer ({error}); fetch it again") from error
    return GroundingDinoProcessor(GroundingDinoImageProcessor(), tokenizer)


def _apart(places: list[Any], shared: float = 0.5) -> list[Any]:
    """Boxes without those that share more than half with a surer one."""
    kept: list[Any] = []
    for box in places:
        if all(_overlap(box, other) <= shared for other in kept):
            kept.append(box)
    return kept


def _overlap(a: Any, b: Any) -> float:
    """What two boxes share, of what they cover together."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0.0) * max(height, 0.0)
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return float(both / max(areas - both, 1e-9))
