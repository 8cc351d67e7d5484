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


def written_mb(folder: Path) -> float:
    """MB that the block device of `folder` has written since the start of the machine, by all processes."""
    device = os.stat(folder).st_dev
    path = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")
    try:
        return int(path.read_text().split()[6]) * 512 / 1e6
    except OSError:  # tmpfs and overlays have none
        return 0.0


def busy_cores(over_s: float = 0.3) -> float:
    """How many cores all processes of the machine use, at present."""
    before, started = _busy_s(), time.monotonic()
    time.sleep(over_s)
    return max(0.0, (_busy_s() - before) / (time.monotonic() - started))


def _busy_s() -> float:
    """Seconds of CPU since the start of the machine, but for idle and waiting ones."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
