"""Measure the method's choices against each other on sprites; prints a table a study."""

import argparse
import sys

from vacestream.evaluate.ablation import STUDIES, measure, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "studies", nargs="*", metavar="STUDY", help=f"of {', '.join(STUDIES)}; all by default"
    )
    parser.add_argument("--clips", type=int, default=8, help="evaluation clips, from the first on (8)")
    parser.add_argument("--long-clips", type=int, default=2, help="of the study of 120 chunks (2)")
    parser.add_argument("--size", default="64x64", help="of the clips (64x64)")
    asked = parser.parse_args()
    if unknown := set(asked.studies) - set(STUDIES):
        parser.error(f"{', '.join(sorted(unknown))}: not a study; one of {', '.join(STUDIES)}")
    width, height = map(int, asked.size.split("x"))
    for name in asked.studies or STUDIES:
        study = STUDIES[name]
        clips = asked.long_clips if name == "reanchor" else asked.clips
        values = measure(
            study, clips=clips, size=(height, width), tell=lambda text: print(text, file=sys.stderr)
        )
        print(f"\n{name}, {asked.size}, {clips} clips\n\n{table(study, values)}", flush=True)


def tell(text: str) -> None:
    print(text, file=sys.stderr)


main()
