"""`mfmesos ARGS` in this process, with TLS on loopback as well, and how long its loop stalls: for bench/executors.py.

    python bench/watched_scheduler.py STATS_FILE PROFILE_FILE|- ARGS...
"""
from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mfmesos.scheduler import scheduler as module  # noqa: E402

BEAT_S = 0.02


class Watched(module.Scheduler):
    async def run(self, stop_on: Any = ()) -> str | None:
        beat = asyncio.ensure_future(beats(Path(sys.argv[1])))
        try:
            return await super().run(stop_on)
        finally:
            beat.cancel()


async def beats(stats: Path) -> None:
    """Every second: the longest delay of a timer in it, in seconds."""
    stalls: list[float] = []
    worst, noted_at = 0.0, time.monotonic()
    while True:
        asked = time.monotonic()
        await asyncio.sleep(BEAT_S)
        now = time.monotonic()
        worst = max(worst, now - asked - BEAT_S)
        if now - noted_at >= 1.0:
            stalls.append(worst)
            worst, noted_at = 0.0, now
            fresh = stats.with_suffix(".new")
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            fresh.write_text(json.dumps({"stalls": stalls, "peak_mb": peak_mb}))
            os.replace(fresh, stats)


def main() -> None:
    plain = module.StagingServer
    module.Scheduler = Watched  # type: ignore[misc]
    module.StagingServer = lambda *args, **how: plain(*args, **{**how, "tls": True})  # type: ignore[misc, assignment]
    profile = sys.argv[2]
    from mfmesos.cli.command_line import main as command

    sys_argv, sys.argv = sys.argv, [sys.argv[0], sys.argv[1]]
    if profile == "-":
        command(sys_argv[3:], standalone_mode=False)
        return
    import cProfile

    with cProfile.Profile() as found:
        try:
            command(sys_argv[3:], standalone_mode=False)
        finally:
            found.dump_stats(profile)


if __name__ == "__main__":
    main()
