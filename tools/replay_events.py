"""Replays event logs of runs (--event-log) against the core of this checkout; see docs/extending.md.

    .venv/bin/python tools/replay_events.py [FOLDER|FILE]...    (default: .mfmesos)

Exits 0 if every call of the core gives the logged actions again, 1 if one does not, 2 if a file cannot be replayed.
"""
from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mfmesos.eventlog.replaying import ReplayError, replay
from mfmesos.eventlog.segments import segments


def main(names: list[str]) -> int:
    given = [Path(name) for name in names or [".mfmesos"]]
    code = 0
    for path in (one for name in given for one in (segments(name) if name.is_dir() else [name])):
        try:
            found = replay(path)
        except (ReplayError, OSError) as e:
            print(f"{path}: {e}", file=sys.stderr)
            code = 2
            continue
        if found.difference is not None:
            print(f"{path}: other actions in {found.difference}")
            code = max(code, 1)
        else:
            print(f"{path}: {found.calls} calls, {found.actions} actions, all the same")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
