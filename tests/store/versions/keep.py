"""keep.py: keeps the journal, history and finished tasks that this version writes, as SQL, for the tests of later ones.

Runs the sweep on the embedded cluster, kills mfmesos in the middle of it, and dumps its files. Start it once for each
release, before the release is tagged: .venv/bin/python tests/store/versions/keep.py
"""
from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mfmesos

HERE = Path(__file__).resolve().parent
SWEEP = HERE.parents[2] / "examples" / "workflows" / "sweep"
ENOUGH = 8
"""Tasks that have ended when mfmesos is killed."""


def dump(path: Path) -> str:
    """SQL that makes the same file again; a write-ahead log that a kill left is included."""
    with sqlite3.connect(path) as db:
        marks = [(name, db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("application_id", "user_version")]
        return "".join(f"PRAGMA {name} = {value};\n" for name, value in marks) + "\n".join(db.iterdump()) + "\n"


def rows(path: Path, table: str) -> int:
    """How many; 0 while the file or the table does not exist."""
    try:
        with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as db:
            return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def main() -> None:
    target = HERE / mfmesos.__version__
    with tempfile.TemporaryDirectory() as scratch:
        folder, data = Path(scratch) / "sweep", Path(scratch) / "data"
        shutil.copytree(SWEEP, folder)
        state = folder / ".mfmesos"
        files = {"journal": state / "journal.sqlite", "run": state / "run.sqlite",
                 "history": data / "mfmesos" / "history.sqlite"}
        process = subprocess.Popen(
            [sys.executable, "-m", "mfmesos", "run", "--master", "local", "--plain", "tasks.jsonl"], cwd=folder,
            env={**os.environ, "XDG_DATA_HOME": str(data)}, start_new_session=True)
        while not (rows(files["history"], "attempts") >= ENOUGH and rows(files["run"], "finished") >= ENOUGH
                   and rows(files["journal"], "tasks") and rows(files["journal"], "claims")):
            if process.poll() is not None:
                sys.exit("the sweep ended before it could be killed; start again")
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        target.mkdir(exist_ok=True)
        for name, path in files.items():
            (target / f"{name}.sql").write_text(dump(path))
            print(target / f"{name}.sql")


if __name__ == "__main__":
    main()
