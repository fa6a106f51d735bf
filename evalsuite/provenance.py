"""Where a number comes from: package versions, hardware, load and command of the run."""

import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import evalsuite

__all__ = ["cpu_name", "load_average", "package_versions", "provenance"]

_PACKAGES = (
    "numpy", "scipy", "pandas", "soundfile", "soxr", "librosa", "pyloudnorm", "matplotlib",
    "torch", "streamlit", "sqlalchemy", "pyworld-prebuilt", "pesq", "espeakng-loader",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Versions of the installed packages that can change a number."""
    found = {"python": platform.python_version(), "evalsuite": evalsuite.__version__}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def cpu_name() -> str:
    """The processor's model name, as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def load_average() -> float | None:
    """One-minute load average; None where the system has none."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def provenance() -> dict[str, Any]:
    """Everything above and the command, for a manifest or a result file."""
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": package_versions(),
        "hardware": {
            "cpu": cpu_name(),
            "logical_cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "load_average": load_average(),
        },
    }
