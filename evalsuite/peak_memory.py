"""The most memory this process has held."""

import sys
from pathlib import Path

__all__ = ["peak_memory_mib"]


def peak_memory_mib() -> float | None:
    """Largest resident size so far, in MiB; None where the system does not tell.

    Linux's own counter begins anew when a program starts; the one of ``getrusage`` would begin
    with what the parent process held.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024
