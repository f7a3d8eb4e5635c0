"""Render every recipe of a folder in one process, a contact sheet each: `scripts/gallery.py recipes OUT`.

Prints a line a recipe: its task, its seconds, its warnings. One whose weights are not here is skipped, with
the reason; exits with 1 if one of them fails.
"""

import argparse
import sys
import time
from pathlib import Path

from vacestream import run
from vacestream.errors import ModelError, VacestreamError
from vacestream.events import Event
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recipes", type=Path, nargs="+", help="recipe files, or folders of them")
    parser.add_argument("out", type=Path, help="a folder for NAME.mkv and NAME.sheet.png")
    parser.add_argument("--set", action="append", default=[], help="a.b=c, of every recipe")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    found = [sorted(path.glob("*.yaml")) if path.is_dir() else [path] for path in asked.recipes]
    went_well = [rendered(file, asked.out, asked.set) for files in found for file in files]
    return 0 if all(went_well) else 1


def rendered(file: Path, out: Path, settings: list[str]) -> bool:
    """Render one recipe; whether it did not fail."""
    warnings: list[str] = []

    def report(event: Event) -> None:
        warnings.extend([event.data["message"]] if event.kind == "warn" else [])

    began = time.perf_counter()
    given = [tuple(one.split("=", 1)) for one in settings]
    try:
        output = {"path": str(out / f"{file.stem}.mkv"), "save": ["sheet"]}
        plan = make_plan(load_recipe(file, overrides=[("output", output), *given]))
        run.render(plan, report=report)
    except ModelError as error:
        print(f"{file.stem:<20} skipped: {error}")
        return True
    except VacestreamError as error:
        print(f"{file.stem:<20} FAILED {error}")
        return False
    seconds = time.perf_counter() - began
    print(f"{file.stem:<20} {plan.task:<40} {seconds:5.1f} s  {'; '.join(warnings)}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
