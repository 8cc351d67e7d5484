"""An agent with GPUs, as far as `nvidia-smi` shows them: a program of that name that reads a folder, and prints what
the real one prints. A task takes memory of a GPU by a line in a file, as long as the process lives that the line names.
"""
from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path

TOOL = '''#!{python} -SE
import sys
FOLDER = "{folder}"
def lives(pid):
    try:
        with open("/proc/" + pid + "/stat") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
def lines(name):
    with open(FOLDER + "/" + name) as f:
        return [[field.strip() for field in line.split(",")] for line in f if line.strip()]
users = [user for user in lines("users") if lives(user[1])]
with open(FOLDER + "/calls", "a") as f:
    print(sys.argv[1], file=f)
if sys.argv[1].startswith("--query-gpu="):
    for index, uuid, name, total, used, errors in lines("gpus"):
        if used.isdigit():
            used = str(int(used) + sum(int(user[2]) for user in users if user[0] == uuid))
        print(index, uuid, name, total, used, errors, sep=", ")
elif sys.argv[1].startswith("--query-compute-apps="):
    for user in users:
        print(*user, sep=", ")
else:
    sys.exit("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.")
'''
USE = "echo {gpu}, $$, {mb} >> {users}; "


class FakeGpus:
    """`count` GPUs of 40,960 MB each; `uuids` by their numbers."""

    def __init__(self, folder: Path, count: int = 2) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self.uuids = [f"GPU-{uuid.uuid4()}" for _ in range(count)]  # locks are of the machine, so of all tests
        self._rows = [[str(n), uuid, "NVIDIA A100-SXM4-40GB", "40960", "4", "0"] for n, uuid in enumerate(self.uuids)]
        (folder / "users").touch()
        self._write()
        tool = self.bin / "nvidia-smi"
        tool.write_text(TOOL.format(python=sys.executable, folder=folder))
        tool.chmod(0o755)

    @property
    def environ(self) -> dict[str, str]:
        """Of an agent that has them."""
        return {"PATH": f"{self.bin}:{os.environ['PATH']}"}

    def _write(self) -> None:
        fresh = self.folder / "gpus.new"
        fresh.write_text("".join(", ".join(row) + "\n" for row in self._rows))
        fresh.rename(self.folder / "gpus")

    def leave_memory(self, number: int, mb: int) -> None:
        """In use without a process."""
        self._rows[number][4] = str(mb)
        self._write()

    def break_one(self, number: int, errors: str) -> None:
        """What the tool prints for its uncorrected errors: a number or "[GPU is lost]"."""
        self._rows[number][5] = errors
        self._write()

    def use(self, number: int, mb: int = 300) -> str:
        """The beginning of a command that uses the GPU."""
        return USE.format(gpu=self.uuids[number], mb=mb, users=self.folder / "users")

    def used_by(self, number: int, pid: int, mb: int = 300) -> None:
        with open(self.folder / "users", "a") as f:
            f.write(f"{self.uuids[number]}, {pid}, {mb}\n")

    def calls(self) -> int:
        return len((self.folder / "calls").read_text().splitlines())
