"""What this machine has free and what the process takes of it, told by the system (no torch)."""

import os
import re
import sys
from contextlib import suppress
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_LIMIT, _TAKEN = (Path(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))


def free_memory() -> int | None:
    """Bytes of main memory that can still be taken; where only all of it is told, all; None: not told."""
    if _MEMINFO.is_file():
        found = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(), re.M)
        told = [int(found[1]) * 1024] if found else []
        limit = _LIMIT.read_text().strip() if _LIMIT.is_file() else "max"
        if limit.isdecimal() and _TAKEN.is_file():  # of a container
            told.append(max(0, int(limit) - int(_TAKEN.read_text())))
        return min(told, default=None)
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" in names and "SC_PAGE_SIZE" in names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def take_peak_memory() -> int:
    """Bytes that this process held at most since this was last asked; where none is reset, since it began."""
    if _STATUS.is_file() and (found := re.search(r"^VmHWM:\s+(\d+) kB", _STATUS.read_text(), re.M)):
        with suppress(OSError):
            _FORGET.write_text("5")  # resets the peak, nothing else
        return int(found[1]) * 1024
    import resource  # not on every system

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
