"""When this process began, its imports included."""

from __future__ import annotations

import os
import time
from pathlib import Path


def process_started() -> float:
    """When this process began (seconds since 1970), its imports included; from Linux's /proc (proc(5))."""
    ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    running = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - running
