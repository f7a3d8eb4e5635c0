"""`vacestream pipelines`: the base models."""

import json as json_text
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vacestream.cli.options import JsonOption, told_bytes

if TYPE_CHECKING:
    from vacestream.estimates import Need
    from vacestream.pipelines import PipelineSpec


def pipelines(json: JsonOption = False) -> None:
    """List the base pipelines: state, weights, licence."""
    from vacestream.estimates import needs
    from vacestream.pipelines import PIPELINES
    from vacestream.unbuilt import PLANNED

    rows = [(row, needs(row.name)) for row in (*PIPELINES.values(), *PLANNED.values())]
    if json:
        print(json_text.dumps([_data(row, files) for row, files in rows], indent=2))
        return
    for row, files in rows:
        print(f"{row.name:<24} {_count(row) / 1e6:8.1f}M  {row.status:<12} {_state(row, files)}")
        print(f"{'':<24} {', '.join(part for part in (row.summary, ' and '.join(_licences(row))) if part)}")


def _data(row: "PipelineSpec", files: "list[Need]") -> dict[str, Any]:
    weights = [need.to_dict() for need in files]
    licences = list(_licences(row))
    return {**asdict(row), "licences": licences, "num_weights": _count(row), "weights": weights}


def _count(row: "PipelineSpec") -> int:
    """Numbers in the transformer and the context blocks."""
    from vacestream.counts import num_context_weights, num_weights

    return num_weights(row.transformer) + num_context_weights(row.transformer)


def _state(row: "PipelineSpec", files: "list[Need]") -> str:
    """Whether its weights are here."""
    if not files:
        return "not built" if row.status == "planned" else "comes with the package"
    missing = [need for need in files if not need.here]
    if not missing:
        return "weights are here"
    more = " and more" if any(need.num_bytes is None for need in missing) else ""
    total = told_bytes(sum(need.num_bytes or 0 for need in missing))
    return f"{len(missing)} of {len(files)} files missing, {total}{more}"


def _licences(row: "PipelineSpec") -> tuple[str, ...]:
    """As the table of weights says them; none of what has no weights here."""
    from vacestream.weights import EMBEDDED, MODELS, PACKAGE_LICENCE

    if row.name in EMBEDDED:
        return (PACKAGE_LICENCE,)
    return MODELS[row.name].licences if row.name in MODELS else ()
