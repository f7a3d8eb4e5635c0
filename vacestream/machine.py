"""What this machine has free, told by the system (no torch)."""

import os
import re
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
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
