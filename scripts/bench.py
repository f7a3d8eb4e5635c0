"""Measure speed and memory; the same as `vacestream bench`."""

import sys

from vacestream.cli import run

sys.exit(run(["bench", *sys.argv[1:]]))
