"""`vacestream pipelines`: the base models."""

import json as json_text
from dataclasses import asdict

from vacestream.cli.options import JsonOption


def pipelines(json: JsonOption = False) -> None:
    """List the base pipelines: what each is, its state, its licence."""
    from vacestream.memory import num_context_weights, num_weights
    from vacestream.pipelines import PIPELINES

    rows = list(PIPELINES.values())
    if json:
        print(json_text.dumps([asdict(row) for row in rows], indent=2))
        return
    for row in rows:
        weights = num_weights(row.transformer) + num_context_weights(row.transformer)
        print(f"{row.name:<16} {weights / 1e6:8.1f}M  {row.status:<12} {row.licence:<11} {row.summary}")
