"""keep_mixed.py: keeps a journal of today's schema with tasks in every state, as SQL, for the tests of later schemas.

Runs on the embedded cluster: tasks that run, tasks that run alone since they may have killed their executor, tasks that
wait for their second attempt, a finished task whose temporary output is still needed. Start it once for each schema of
the journal: .venv/bin/python tests/store/versions/keep_mixed.py
"""
from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from keep import HERE, dump, rows

from mfmesos.store.journal import SCHEMA_VERSION, Journal

LAUNCH = "batch tasks.jsonl"
OPTIONS = ("--retries", "2", "--local-agents", "2")
WITHIN_S = 60.0


def tasks(scratch: Path) -> list[dict[str, object]]:
    """Half a core each: four run side by side in one claim until one of them kills its executor."""
    once = f"[ -e {scratch}/killed ]" + " || { touch " + f"{scratch}/killed; sleep 4; kill -9 $PPID; sleep 60; }}"
    bad = f"[ -e {scratch}/failed ]" + " || { touch " + f"{scratch}/failed; exit 3; }}"
    wait = f"until [ -e {scratch}/go ]; do sleep 0.05; done"
    small = {"cores": 0.5, "memory": 50, "disk": 10}
    return [
        {"id": 1, "command": "cat in > made", "inputs": ["in"],
         "outputs": [{"name": "made", "temporary": True}], **small},
        {"id": 2, "command": f"cat made > two; {wait}", "inputs": ["made"], "outputs": ["two"], **small},
        {"id": 3, "command": f"{once}; cat in > 'three é'; {wait}", "inputs": ["in"], "outputs": ["three é"],
         "category": "deadly", "env": {"A": "b"}, **small},
        {"id": 4, "command": f"{bad}; cat in > four; {wait}", "inputs": ["in"], "outputs": ["four"], **small},
        {"id": 5, "command": f"cat in > five; {wait}", "inputs": ["in"], "outputs": ["five"], **small},
    ]


def mixed(journal: Path) -> bool:
    """Whether it holds all of them by now."""
    if not rows(journal, "tasks"):
        return False
    copy = journal.with_name("copy.sqlite")
    copy.unlink(missing_ok=True)
    with sqlite3.connect(copy) as db:
        db.executescript(dump(journal))
    db.close()
    seen = Journal(copy, LAUNCH)
    saved, _ = seen.load()
    seen.close()
    return (any(t.finished and t.made for t in saved)
            and any(t.solo and t.claim_id for t in saved)
            and any(t.claim_id and not t.solo and not t.finished for t in saved)
            and any(t.attempts and not t.claim_id for t in saved))


def main() -> None:
    with tempfile.TemporaryDirectory() as where:
        scratch = Path(where)
        folder = scratch / "flow"
        folder.mkdir()
        (folder / "in").write_text("x\n")
        (folder / "tasks.jsonl").write_text("".join(json.dumps(t) + "\n" for t in tasks(scratch)))
        journal = folder / ".mfmesos" / "journal.sqlite"
        process = subprocess.Popen(
            [sys.executable, "-m", "mfmesos", "run", "--master", "local", "--plain", *OPTIONS, "tasks.jsonl"],
            cwd=folder, env={**os.environ, "XDG_DATA_HOME": str(scratch)}, start_new_session=True)
        try:
            deadline = time.monotonic() + WITHIN_S
            while not mixed(journal):
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit("the run never was in every state at once; start again")
                time.sleep(0.05)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        target = HERE / f"journal-{SCHEMA_VERSION}"
        target.mkdir(exist_ok=True)
        (target / "mixed.sql").write_text(dump(journal).replace(where, "/scratch"))
        print(target / "mixed.sql")


if __name__ == "__main__":
    main()
