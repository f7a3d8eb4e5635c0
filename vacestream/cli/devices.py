"""`vacestream devices`: cameras, screens and ports of this machine, as recipes and options name them."""

import json as json_text

from vacestream.cli.options import DebugOption, JsonOption


def devices(json: JsonOption = False, debug: DebugOption = False) -> None:
    """List cameras, screens, virtual cameras and MIDI ports, each as it is named."""
    from vacestream.devices import ROWS

    found = {row.name: row.find() for row in ROWS}
    if json:
        print(json_text.dumps({"schema": "vacestream.devices/1", **found}, indent=2))
        return
    for row in ROWS:
        print(f"{row.name} ({row.use})")
        for name, where in found[row.name].items():
            print(f"  {name:<30} {where}")
        if not found[row.name]:
            print(f"  none{f'; {row.instead}' if row.instead else ''}")
