"""`vacestream schema`: the recipe language for editors."""

import json as json_text


def schema() -> None:
    """Print the JSON Schema of recipes."""
    from vacestream.recipe import json_schema

    print(json_text.dumps(json_schema(), indent=2))
