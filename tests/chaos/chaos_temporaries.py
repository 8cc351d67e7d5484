"""Chains of tasks with temporary outputs under fire: the claims that hold them are killed, drained, cut off and lost.

    python tests/chaos/chaos_temporaries.py SEED [--cluster real|embedded] [--tasks 120] [--keep DIR]

Each chain has three tasks: `a` is temporary; `b` is temporary too, reads its own `a` and another chain's, and has an
ordinary output `p` beside it; `o` reads `b` and `a`. Some claims live only for a moment, so that they have to send what
only they have; a third of the seeds have --peer-transfers, another third --shared-fs.
"""
from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import Counter
from pathlib import Path

from chaos import BLOWS, COSTLY, KILLS, POISONED, Chaos, Cluster, Schedule, main, run_seed

ROLES = 3
SIZES = (2 << 20, 200_000, 10, 1000)
"""Bytes of a temporary output, by chain: large enough for peers and siblings, and not."""
STEP = 7
"""The other chain whose output is read."""
DRAINED_S = 1.5
DEATHS = {"poison": POISONED * KILLS}
"""Executors that die by one blow, if not one."""


class Relay(Schedule):
    """The blows of the batch runner, and planned maintenance."""

    def kinds(self) -> tuple[str, ...]:
        return (*BLOWS["run"], "plan_maintenance")


class Relays(Chaos):
    """One run of them."""

    program = "tests/chaos/chaos_temporaries.py"

    def __init__(self, schedule: Schedule, cluster: Cluster, folder: Path, event_log: bool = False) -> None:
        super().__init__(schedule, cluster, folder, event_log)
        self.chains = schedule.tasks // ROLES
        self.options = ([], ["--peer-transfers"], ["--shared-fs", str(folder)])[schedule.seed % 3]
        if schedule.seed % 2:
            self.options = [*self.options, "--claim-worklife", "1.5"]

    # --- the workflow ---------------------------------------------------------------------------
    def other(self, chain: int) -> int:
        return (chain + STEP) % self.chains

    def a(self, chain: int) -> bytes:
        """Its content; each fifth chain makes what the one before it makes."""
        return b"in\n%d\n" % (chain - (chain % 5 == 4)) + bytes(SIZES[chain % 4])

    def b(self, chain: int) -> bytes:
        return hashlib.sha256(self.a(chain) + self.a(self.other(chain))).hexdigest().encode() + bytes(SIZES[-chain % 4])

    def o(self, chain: int) -> bytes:
        return hashlib.sha256(self.b(chain) + self.a(chain)).hexdigest().encode()

    def line(self, number: int) -> dict[str, object]:
        chain, role = divmod(number - 1, ROLES)
        a, b, other = f"a{chain}", f"b{chain}", f"a{self.other(chain)}"
        zeros = f"head -c {SIZES[-chain % 4 if role else chain % 4]} /dev/zero"
        command, inputs, outputs = (
            (f"(cat in.txt; echo {chain - (chain % 5 == 4)}; {zeros}) > {a}", ["in.txt"], [temporary(a)]),
            (f"(cat {a} {other} | sha256sum | head -c 64; {zeros}) > {b}; echo {chain} > p{chain}", [a, other],
             [temporary(b), f"p{chain}"]),
            (f"cat {b} {a} | sha256sum | head -c 64 > o{chain}", [a, b, "in.txt"], [f"o{chain}"]),
        )[role]
        return {"command": f"{self.prelude(number)}sleep 0.{number % 3}; {command}", "inputs": inputs,
                "outputs": outputs, "cores": 0.5, "memory": 64, "disk": 64}

    def write(self) -> list[str]:
        self.flow.write("in.txt", "in\n")
        self.flow.write("tasks.jsonl", "".join(json.dumps(self.line(i)) + "\n" for i in self.names()))
        return ["run", *self._where, *self.options, "--plain", "tasks.jsonl"]

    # --- blows ----------------------------------------------------------------------------------
    def plan_maintenance(self) -> None:
        """All claims are drained: each sends first what only it has."""
        self.cluster.schedule_maintenance(time.time() + 3600)
        self._over.wait(DRAINED_S)
        self.cluster.clear_maintenance()

    # --- what must be true ----------------------------------------------------------------------
    def check(self) -> None:
        """The ordinary outputs are right, no temporary output is in the folder, each task has one line and one entry,
        and runs again only if something was lost, as often as that at most, and the user learns of it."""
        for chain in range(self.chains):
            assert (self.flow.folder / f"o{chain}").read_bytes() == self.o(chain), f"output o{chain}"
            assert (self.flow.folder / f"p{chain}").read_text() == f"{chain}\n", f"output p{chain}"
        brought = [name for name in self.flow.files() if name[0] in "ab"]
        assert not brought, f"temporary outputs in the folder: {brought}"
        state = (self.flow.folder / "mesos_task_state").read_text().splitlines()
        assert sorted(state) == sorted(f"{i},finished" for i in self.names())
        # A scheduler that died between report.jsonl and the state file has written the same line twice.
        ended = {(e["outputs"][0], e["attempts"]) for e in self.flow.report() if e["finished"]}
        finished = Counter(output for output, _ in ended)
        assert len(finished) == self.schedule.tasks
        assert set(finished.values()) == {1}, [o for o, n in finished.items() if n > 1]
        deaths = sum(DEATHS.get(kind, 1) for kind in self.struck if kind in COSTLY)
        attempts = dict(ended)
        told = "runs again: task" in "\n".join(self.said)
        for i in self.names():
            ran = (self.tallies / str(i)).stat().st_size
            assert 1 <= ran <= 1 + deaths, f"task {i} ran {ran} times; executors that died: {deaths}"
            assert ran <= attempts[names_of(self.line(i))[0]] or told, f"task {i} ran {ran} times, and nobody was told"
        left = [path.name for path in (self.flow.folder / ".mfmesos").glob("*")
                if path.name.startswith(("journal", "temporary", "incoming"))]
        assert not left, f"{left} left although the run has ended; it said:\n{self.said[-1][-3000:]}"


def temporary(name: str) -> dict[str, object]:
    return {"name": name, "temporary": True}


def names_of(line: dict[str, object]) -> list[str]:
    """Its outputs."""
    return [one["name"] if isinstance(one, dict) else one for one in line["outputs"]]


__all__ = ["Relay", "Relays", "run_seed"]

if __name__ == "__main__":
    sys.exit(main(__doc__, ("run",), 120, Relay, Relays))
