"""`vacestream doctor`: what this machine has and lacks."""

import json as json_text
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vacestream.cli.options import DebugOption, JsonOption

if TYPE_CHECKING:
    from vacestream.doctor import Finding


def doctor(
    topic: Annotated[
        Literal["camera"] | None,
        typer.Argument(help="camera: what a virtual camera needs, with the exact modprobe line."),
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what this machine has, what is missing, and the command that brings it."""
    from vacestream.doctor import examine, exit_code
    from vacestream.examine_camera import examine_camera

    findings, what = [], "a virtual camera" if topic else "render"
    for found in examine_camera() if topic else examine():
        findings.append(found)
        if not json:
            print(_line(found), flush=True)
    code = exit_code(findings)
    if json:
        rows = [found.to_dict() for found in findings]
        print(json_text.dumps({"schema": "vacestream.doctor/1", "ok": code == 0, "checks": rows}, indent=2))
    else:
        print(f"{what} works here" if code == 0 else f"{what} does not work here; see what is missing above")
    if code:
        raise typer.Exit(code)


def _line(found: "Finding") -> str:
    state = "ok" if found.ok else "missing" if found.exit_code else "-"
    instead = f"; {found.instead}" if found.instead else ""
    return f"{state:<8} {found.name:<30} {found.what}{instead}"
