"""A workflow that declares nothing, run twice on a real Mesos with memory cgroups: how much more goes side by side.

    python3 bench/packing.py            (make bench-packing)
"""
from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "endtoend")]

from clusters import RealMesos, cgroup_flags  # noqa: E402  needs the path above
from test_endtoend_estimates import run  # noqa: E402


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        cluster = RealMesos(agents=2, resources="cpus:4;mem:2144;disk:20000", flags=cgroup_flags())
        try:
            runs = [run(Path(folder), cluster, name, Path(folder) / "history.sqlite") for name in ("first", "second")]
        finally:
            cluster.stop()
    for name, (most, seconds, flow) in zip(("first", "second"), runs):
        again = sum(entry["attempts"] - 1 for entry in flow.report())
        print(f"{name:7} {most:3} tasks side by side before the first ended, {seconds:5.1f} s, {again} exhausted")
    print(f"ratio   {runs[1][0] / runs[0][0]:.1f} side by side, {runs[1][1] / runs[0][1]:.2f} of the time")
    return 0


if __name__ == "__main__":
    sys.exit(main())
