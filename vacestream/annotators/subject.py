"""A picture -> what is meant of it, cut out on white and cropped, as VACE prepares references."""

import warnings
from typing import Any, Literal

import numpy as np

from vacestream.annotators import MASKS, make
from vacestream.annotators.augment import Augmented
from vacestream.annotators.faces import face_in
from vacestream.annotators.masks import HALF
from vacestream.errors import InputError
from vacestream.events import Sighting
from vacestream.recipe.masks import Augment, ReferenceMode

WHITE = 255


def cut_out(
    picture: np.ndarray,
    *,
    mode: ReferenceMode = "plain",
    augment: Augment | None = None,
    net: Literal["sam2", "grabcut"] = "sam2",
    seed: int = 0,
    device: str = "auto",
    **said: Any,
) -> np.ndarray:
    """[H W 3] -> [h w 3]: the part, white around it; a face keeps what is behind it.

    `said` are the other parameters of image_reference. InputError where nothing is found.
    """
    if mode == "plain":
        return picture
    if mode == "face":
        box = face_in(picture)
        region = np.zeros(picture.shape[:2], bool)
        if box is not None:
            region[box[1] : box[3], box[0] : box[2]] = True
    else:
        region = _region(picture, mode, {**said, "net": "none" if net == "grabcut" else net}, device)
    if augment is not None:
        white = np.where(region[None, ..., None], WHITE, 0).astype(np.uint8).repeat(3, axis=-1)
        region = Augmented(augment.mode, augment.ratio, seed=seed)(white)[0, ..., 0] > HALF
    if not region.any():
        raise InputError(f"{_named(mode, said)} is nowhere in the picture; say otherwise what is meant")
    return _cropped(np.where(region[..., None], picture, np.uint8(WHITE)), region)


def _region(picture: np.ndarray, mode: str, said: dict[str, Any], device: str) -> np.ndarray:
    """[H W] bool: what a mask of this mode finds in a video of this picture alone."""
    row = MASKS[mode]
    own = {name: said[name] for name in row.parameters.model_fields if said.get(name) is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Sighting)
        found = make(row, row.parameters.model_validate(own), device=device)(picture[None])
    region: np.ndarray = found[0, ..., 0] > HALF
    return region


def _cropped(picture: np.ndarray, region: np.ndarray) -> np.ndarray:
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _named(mode: str, said: dict[str, Any]) -> str:
    words = said.get("label") or said.get("caption")
    return repr(words) if words else {"face": "a face", "salient": "what stands out"}.get(mode, f"the {mode}")
