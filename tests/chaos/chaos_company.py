"""A run beside another framework on a small cluster, under fire: its REVIVE and SUPPRESS calls are lost, their answers
are, or a master takes over while one is on its way.

    python tests/chaos/chaos_company.py SEED [--cluster real|embedded] [--tasks 45] [--keep DIR]

The workflow goes through narrow gates: while one task runs, nothing waits, so the run gives its claims up and
suppresses its offers; then WIDTH tasks come, and it revives them. A REVIVE that is lost for good ends in a run without
an end. The other framework is greedy, hoards offers, or is another run of mfmesos, by the seed.
"""
from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any

from chaos import Chaos, Cluster, Schedule, main, run_seed
from flows import Flow
from zookeeper import Address

sys.path.append(str(Path(__file__).resolve().parent.parent / "contract"))

from rawclient import END, Framework, amount, task

WIDTH = 8
"""Tasks between two gates: as many as the cluster has cores."""
GATE_S = 0.8
IDLE_S = 0.2
"""After this a claim is given up."""
KEEPS_S = 1.0
"""The hoarding framework keeps an offer for this long."""
CALLS = {"lose_revive": "REVIVE", "lose_suppress": "SUPPRESS", "lose_answer": "REVIVE", "cross_revive": "REVIVE",
         "cross_suppress": "SUPPRESS"}
"""Blows that fall on the next call of that kind."""
COMPANY = ("greedy", "hoarding", "run")


class Gates(Schedule):
    """Blows between the scheduler and its master."""

    def kinds(self) -> tuple[str, ...]:
        return ("kill_scheduler", "stop_scheduler", "restart_cluster", "cut_scheduler", *CALLS)


class Wire(Address):
    """Passes on what comes, but for the calls that blows fall on."""

    def __init__(self, target: str) -> None:
        self.blows: list[str] = []
        """Those that have yet to fall."""
        self.take_over = lambda: None
        """Puts another master in place of the present one."""
        super().__init__(target)

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                blow = next((b for b in self.blows if f'"type":"{CALLS[b]}"'.encode() in data), None)
                if blow is not None:
                    self.blows.remove(blow)
                    if blow.startswith("cross"):
                        self.take_over()
                    if not blow.startswith("lose") or blow == "lose_answer":
                        target.sendall(data)
                    break
                target.sendall(data)
            else:
                target.shutdown(socket.SHUT_WR)
                return
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Company(Chaos):
    """One run of it."""

    program = "tests/chaos/chaos_company.py"
    relay = Wire

    def __init__(self, schedule: Schedule, cluster: Cluster, folder: Path, event_log: bool = False) -> None:
        super().__init__(schedule, cluster, folder, event_log)
        self._master.take_over = self.restart_cluster
        self.company = COMPANY[schedule.seed % len(COMPANY)]
        self._beside = Flow(folder / "beside", cluster)
        self._raw: set[str] = set()
        """Ids that the other framework had."""
        self._ours_ended = threading.Event()

    # --- the workflow ---------------------------------------------------------------------------
    def line(self, number: int, prelude: str) -> dict[str, Any]:
        """Each (WIDTH + 1)st task is a gate: it reads what the tasks before it made, and those behind it read that."""
        place = number % (WIDTH + 1)
        before = range(number - WIDTH, number) if not place else [number - place] if number > place else []
        command = f"sleep {GATE_S if not place else 0.1}; (cat in.txt && echo {number}) > o{number}"
        return {"command": prelude + command, "inputs": ["in.txt", *(f"o{n}" for n in before)],
                "outputs": [f"o{number}"], "cores": 1, "memory": 64, "disk": 16}

    def write(self) -> list[str]:
        for flow, preludes in ((self.flow, True), (self._beside, False)):
            flow.write("in.txt", "in\n")
            flow.write("tasks.jsonl", "".join(
                json.dumps(self.line(i, self.prelude(i) if preludes else "")) + "\n" for i in self.names()))
        return ["run", *self._where, "--claim-idle", str(IDLE_S), "--plain", "tasks.jsonl"]

    def run(self, timeout: float = 100.0) -> None:
        """To the end, beside the other framework; another run of mfmesos ends as well."""
        with self._other(timeout):
            super().run(timeout)

    @contextlib.contextmanager
    def _other(self, timeout: float) -> Iterator[None]:
        if self.company == "run":
            self.write()
            process = self._beside.start("run", "--master", self.cluster.master, "--claim-idle", str(IDLE_S), "--plain",
                                         "tasks.jsonl")
            yield
            ended = self._beside.end(process, timeout)
            assert ended.code == 0, f"the other run: exit code {ended.code}: {ended.out[-3000:]}"
            made = [name for name in self._beside.files() if name.startswith("o")]
            assert len(made) == self.schedule.tasks
            return
        thread = threading.Thread(target=self._disturb, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ours_ended.set()
            thread.join(30)

    def _disturb(self) -> None:
        """A framework that never suppresses; it comes again when the master is another one."""
        while not self._ours_ended.is_set():
            with contextlib.suppress(OSError, AssertionError, KeyError, ValueError), Framework(
                    self.cluster.master, name=self.company, auto_acknowledge=False) as framework:
                self._raw.add(str(framework.id))
                self._take_offers(framework)
            self._ours_ended.wait(0.2)

    def _take_offers(self, framework: Framework) -> None:
        while not self._ours_ended.is_set():
            with contextlib.suppress(AssertionError):  # nothing came for a while
                event = framework.wait("OFFERS", "UPDATE", END, timeout=0.5)
                if event["type"] == END:
                    return
                if event["type"] == "UPDATE":
                    framework.acknowledge(event["update"]["status"])
                    continue
                if self.company == "hoarding":
                    self._ours_ended.wait(KEEPS_S)
                for offer in event["offers"]["offers"]:
                    if self.company == "greedy" and amount(offer, "cpus") >= 1 and amount(offer, "mem") >= 128:
                        framework.launch([offer], [task(offer, "shell sleep 0.3; kill -9 $PPID", cpus=0.5)])
                    else:
                        framework.decline(offer, 0.1)

    # --- the blows ------------------------------------------------------------------------------
    def _on_next_call(self, blow: str) -> None:
        self._master.blows.append(blow)

    lose_revive = partialmethod(_on_next_call, "lose_revive")
    lose_suppress = partialmethod(_on_next_call, "lose_suppress")
    lose_answer = partialmethod(_on_next_call, "lose_answer")
    cross_revive = partialmethod(_on_next_call, "cross_revive")
    cross_suppress = partialmethod(_on_next_call, "cross_suppress")

    # --- what must be true ----------------------------------------------------------------------
    def check(self) -> None:
        self.struck = [kind for kind in self.struck if kind not in self._master.blows]  # no such call came any more
        if any(kind.startswith("cross") for kind in self.struck):
            self.struck.append("restart_cluster")
        super().check()

    def left(self, before: set[Path]) -> list[str]:
        """Of the run alone: the other framework's executors are killed as they end."""
        return [name for name in super().left(before) if not any(f"/{i}/" in name for i in self._raw)]


__all__ = ["COMPANY", "Company", "Gates", "run_seed"]

if __name__ == "__main__":
    sys.exit(main(__doc__, ("run",), 45, Gates, Company))
