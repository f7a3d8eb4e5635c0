"""Files of weights: which each model is loaded from, where they lie here, how they come here."""

from vacestream.weights.places import (
    CONTEXT,
    FOLDER,
    TEXT,
    Found,
    file_of,
    find,
    look_up,
    model,
    refuse_missing,
)
from vacestream.weights.rows import File, Model, Part
from vacestream.weights.table import (
    ANNOTATORS,
    EMBEDDED,
    LIGHT_VAE,
    MODELS,
    PACKAGE_LICENCE,
    PIPELINES,
    SMALL_VAES,
    VAES,
    WAN_CONFIG,
)

__all__ = [
    "ANNOTATORS", "CONTEXT", "EMBEDDED", "FOLDER", "LIGHT_VAE", "MODELS", "PACKAGE_LICENCE", "PIPELINES",
    "SMALL_VAES", "TEXT", "VAES", "WAN_CONFIG", "File", "Found", "Model", "Part", "file_of", "find",
    "look_up", "model", "refuse_missing",
]  # fmt: skip
