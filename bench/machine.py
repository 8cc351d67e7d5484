"""Describes the machine of a measurement."""
from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path


def describe(mesos_version: str) -> dict[str, str]:
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        "cpu": _proc("/proc/cpuinfo", "model name"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": _proc("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "system": _os_release(),
        "python": platform.python_version(),
        "mfmesos": metadata.version("mfmesos"),
        "commit": _output("git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"),
        "makeflow": _output("makeflow", "--version"),
        "mesos": mesos_version,
        "load before": " ".join(f"{n:.2f}" for n in os.getloadavg()),
    }


def _proc(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _os_release() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, AttributeError, KeyError):
        return platform.system()


def _output(*argv: str) -> str:
    """The first non-empty line; "unknown" if the program is missing."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return "unknown"
    return next((line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()), "unknown")
