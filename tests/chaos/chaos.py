"""A workflow under fire: a seeded schedule of kills, stops and cuts while 300 tasks run, under policies that the seed
draws too; and what must be true after.

    python tests/chaos/chaos.py SEED [--cluster real|embedded] [--engine makeflow|run] [--tasks 300] [--keep DIR]
                                     [--event-log]

repeats what a failing seed did (the schedule is the same; when exactly each blow falls depends on the machine). With
--event-log each scheduler keeps one, and its replay has to give the same actions under two hash seeds.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "endtoend"), str(TESTS.parent)]

from clusters import KINDS, Cluster, ClusterError  # noqa: E402
from flows import Flow, left_on_agents  # noqa: E402
from support import free_port, wait_until  # noqa: E402
from zookeeper import Address  # noqa: E402

BLOWS = {
    "makeflow": ("kill_scheduler", "stop_scheduler", "kill_executor", "stop_executor", "kill_launcher",
                 "restart_cluster", "cut_scheduler", "cut_executors", "lose_agent", "remove_folder", "fill_disk",
                 "poison"),
    "run": ("kill_scheduler", "stop_scheduler", "kill_executor", "stop_executor", "restart_cluster", "cut_scheduler",
            "cut_executors", "lose_agent", "remove_folder", "fill_disk", "poison"),
}
"""Of the batch runner the launcher is the scheduler."""
COSTLY = {"kill_executor", "kill_launcher", "restart_cluster", "lose_agent", "remove_folder", "fill_disk", "poison"}
"""After these, attempts that had ended but were not collected may be run again."""
POISONED, KILLS = 3, 2
"""How many tasks become poisonous at once, and how many executors each of them kills before it behaves."""
FULL_S = 1.5
POLICIES = {
    "--order": ("fifo", "fifo", "priority", "shortest", "fair"),
    "--placement": ("first", "first", "pack", "spread", "best", "balanced", "attribute=rack", "network", "data"),
    "--reserve": ("easy", "easy", "sjbf", "conservative", "none"),
    "--offers": ("polite", "polite", "hold=1", "refuse=1"),
}
"""What each schedule draws from; defaults more often, since they matter most."""
AGAIN = 6
"""How often the same command is run again, at most, after the launcher was killed."""


@dataclass
class Schedule:
    """What happens when, from a seed alone: (progress at which it falls, what)."""

    seed: int
    engine: str
    tasks: int = 300
    blows: list[tuple[float, str]] = field(default_factory=list)
    policies: list[str] = field(default_factory=list)
    """Options of the run."""

    def __post_init__(self) -> None:
        chance = random.Random(f"chaos {self.seed} {self.engine}")
        kinds = [chance.choice(self.kinds()) for _ in range(chance.randint(2, 4))]
        self.blows = sorted((chance.uniform(0.02, 0.9), kind) for kind in kinds)
        chance = random.Random(f"policies {self.seed} {self.engine}")
        self.policies = [f"{option}={chance.choice(names)}" for option, names in POLICIES.items()]

    def kinds(self) -> tuple[str, ...]:
        return BLOWS[self.engine]

    def __str__(self) -> str:
        return ", ".join(f"{kind} at {at:.0%}" for at, kind in self.blows) + f"; {' '.join(self.policies)}"


class Chaos:
    """One run of one schedule in `folder`, on a cluster of its own or one that is shared."""

    program = "tests/chaos/chaos.py"
    relay: type[Address] = Address
    """The scheduler's way to the master."""

    def __init__(self, schedule: Schedule, cluster: Cluster, folder: Path, event_log: bool = False) -> None:
        self.schedule, self.cluster, self.event_log = schedule, cluster, event_log
        self.flow = Flow(folder / "flow", cluster)
        self.tallies = folder / "tallies"
        self.tallies.mkdir()
        self._poison = folder / "poison"
        self._poison.mkdir()
        self._disk: Path | None = None
        if any(kind == "fill_disk" for _, kind in schedule.blows):
            self._mount_disk()
        port = free_port()
        self._master, self._staging = self.relay(cluster.master), Address(f"127.0.0.1:{port}")
        self._where = ["--master", self._master.address, "--listen", f"127.0.0.1:{port}",
                       "--advertise", self._staging.address, *schedule.policies,
                       *(["--event-log"] if event_log else [])]
        self.struck: list[str] = []
        self.said: list[str] = []
        self.replayed: list[str] = []
        self._process = None
        self._lost: list[int] = []
        self.orphaned: list[str] = []
        """Sandboxes whose executor was killed: what is in them is left to the agent's garbage collection."""

    # --- the workflow ---------------------------------------------------------------------------
    def names(self) -> range:
        return range(1, self.schedule.tasks + 1)

    def command(self, number: int) -> str:
        return f"{self.prelude(number)}sleep 0.0{number % 5}; (cat in.txt && echo {number}) > o{number}"

    def prelude(self, number: int) -> str:
        """Each run of it adds a byte to its tally, whatever becomes of it; then it may have to kill its executor."""
        executor = "\\$PPID" if self.schedule.engine == "makeflow" else "$PPID"
        kills = "".join(
            f"if [ -e {poison} ]; then rm {poison}; pwd -P >> {self._poison}/where; kill -9 {executor}; exit 9; fi; "
            for poison in (f"{self._poison}/{number}.{n}" for n in range(KILLS)))
        return f"printf x >> {self.tallies}/{number}; {kills}"

    def write(self) -> list[str]:
        """The task file; gives the command line that runs it."""
        self.flow.write("in.txt", "in\n")
        if self.schedule.engine == "makeflow":
            self.flow.write("Makeflow", "".join(f"o{i}: in.txt\n\t{self.command(i)}\n\n" for i in self.names()))
            return ["makeflow", *self._where, "--", "-J", "1000", "Makeflow"]
        self.flow.write("tasks.jsonl", "".join(json.dumps({
            "command": self.command(i), "inputs": ["in.txt"], "outputs": [f"o{i}"], "cores": 0.25}) + "\n"
            for i in self.names()))
        return ["run", *self._where, "--plain", "tasks.jsonl"]

    def run(self, timeout: float = 100.0) -> None:
        """To the end, whatever happens; AssertionError when it does not get there."""
        argv = self.write()
        striker = threading.Thread(target=self._strike, daemon=True)
        self._over = threading.Event()
        self._process = self.flow.start(*argv)
        striker.start()
        try:
            for _ in range(AGAIN):
                ended = self.flow.end(self._process, timeout)
                self.said.append(ended.out)
                if ended.code == 0:
                    return
                assert ended.code < 0 or ended.code >= 128 or "kill_launcher" in self.struck, (
                    f"exit code {ended.code}: {ended.out[-3000:]}\n--- log:\n{self.flow.log()}")
                self._process = self.flow.start(*argv)
            raise AssertionError(f"not finished after {AGAIN} launches; it said last:\n{self.said[-1][-3000:]}")
        finally:
            self._over.set()
            striker.join(30)
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)

    # --- the blows ------------------------------------------------------------------------------
    def close(self) -> None:
        self._master.close()
        self._staging.close()
        if self._disk is not None:
            subprocess.run(["umount", "-l", str(self._disk)], check=False)

    def _mount_disk(self) -> None:
        """A disk of its own for what runs on one of the agents; without the right to mount there is no such blow."""
        agent = (self.schedule.seed + 1) % len(self.cluster.agents)
        work = self.cluster.work_dir / "agents" / str(agent) / "work"
        latest = work / "meta" / "slaves" / "latest"
        own = latest.resolve().name if latest.exists() else next(
            i for i in self.cluster.agent_ids() if i.endswith(f"-S{agent}"))
        disk = work / "slaves" / own / "frameworks"
        disk.mkdir(parents=True, exist_ok=True)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "chaos", str(disk)], check=False).returncode == 0:
            self._disk = disk

    def progress(self) -> float:
        return len(list(self.tallies.iterdir())) / self.schedule.tasks

    def _strike(self) -> None:
        for at, kind in self.schedule.blows:
            while self.progress() < at:
                if self._over.wait(0.02):
                    return
            try:
                getattr(self, kind)()
                self.struck.append(kind)
            except (psutil.Error, ClusterError, OSError, ValueError, IndexError):
                continue  # there was nothing to hit just then

    def _scheduler(self) -> psutil.Process:
        if self.schedule.engine == "run":
            return psutil.Process(self._process.pid)
        for child in psutil.Process(self._process.pid).children():
            if "mfmesos.scheduler" in child.cmdline():
                return child
        raise ValueError("between two schedulers")

    def _executor(self) -> psutil.Process:
        for pid in self.cluster.executors():
            with contextlib.suppress(psutil.Error):  # it has just ended
                return psutil.Process(pid)
        raise ValueError("no executor just then")

    def kill_scheduler(self) -> None:
        self._scheduler().kill()

    def stop_scheduler(self) -> None:
        self._pause(self._scheduler)

    def kill_executor(self) -> None:
        executor = self._executor()
        self.orphaned.append(executor.cwd())
        executor.kill()

    def stop_executor(self) -> None:
        self._pause(self._executor)

    def remove_folder(self) -> None:
        """As a cleaner of old files on the agent would."""
        (folder, *_) = Path(self._executor().cwd(), ".mfmesos").iterdir()
        shutil.rmtree(folder, ignore_errors=True)

    def fill_disk(self) -> None:
        """The disk of what runs on one agent, for a moment."""
        if self._disk is None:
            raise ValueError("no disk could be mounted")
        junk = self._disk / "junk"
        try:
            with contextlib.suppress(OSError), junk.open("wb", buffering=0) as f:
                while True:
                    f.write(bytes(1 << 20))
            self._over.wait(FULL_S)
        finally:
            junk.unlink(missing_ok=True)

    def poison(self) -> None:
        """Some tasks that have not run yet will kill their executors, as the kernel might for want of memory."""
        coming = [i for i in self.names() if not (self.tallies / str(i)).exists()]
        for number in coming[-POISONED:]:
            for n in reversed(range(KILLS)):
                (self._poison / f"{number}.{n}").touch()

    def _pause(self, whom) -> None:
        process = whom()
        process.suspend()
        try:
            self._over.wait(1.0)
        finally:
            process.resume()

    def kill_launcher(self) -> None:
        self._process.kill()

    def restart_cluster(self) -> None:
        """The whole of real Mesos; of the embedded cluster the master fails over."""
        if self.cluster.kind == "real":
            self.cluster.restart()
        else:
            self.cluster.fault("fail_over_master")

    def cut_scheduler(self) -> None:
        """The connections between master and scheduler, on the embedded cluster those of agents and executors, too."""
        self._master.cut()
        if self.cluster.kind == "embedded":
            self.cluster.fault("drop_executor")

    def cut_executors(self) -> None:
        """The connections between executors and scheduler."""
        if not self._staging.cut():
            raise ValueError("no executor was connected")

    def lose_agent(self) -> None:
        """For good, one of the agents; the embedded one comes back under a new name in the end."""
        if self._lost:
            raise ValueError("one has to stay")
        agent = self.schedule.seed % len(self.cluster.agents)
        if self.cluster.kind == "real":
            self.cluster.mark_agent_gone(self.cluster.agent_ids()[agent])
        else:
            self.cluster.fault("mark_gone", agent=agent)
        self._lost.append(agent)
        self.orphaned.append(str(self.cluster.work_dir / "agents" / str(agent)))  # the agent itself ends them, at once

    def left(self, before: set[Path]) -> list[str]:
        """What lies on agents and has somebody who should have removed it: not the archive of an executor that never
        ran, since its agent died while it fetched that."""
        where = self._poison / "where"
        killed = [line.partition("/.mfmesos/")[0] for line in where.read_text().split()] if where.exists() else []
        found = [n for n in left_on_agents(self.cluster, before) if not n.startswith((*self.orphaned, *killed))]
        if "restart_cluster" not in self.struck:
            return found
        ran = {Path(n).parent for n in found if not Path(n).name.startswith("mfmesos-executor")}
        return [n for n in found if any(box in Path(n).parents for box in ran)]

    # --- what must be true ----------------------------------------------------------------------
    def check(self) -> None:
        """Every output right, each task reported finished once, none run again that had been reported, nothing left."""
        for i in self.names():
            assert (self.flow.folder / f"o{i}").read_text() == f"in\n{i}\n", f"output {i}"
        entries = self.flow.report()
        # A scheduler that died between report.jsonl and the state file has written the same line twice.
        ended = {(e["outputs"][0], e["attempts"]) for e in entries if e["finished"]}
        finished = Counter(output for output, _ in ended)
        assert set(finished) == {f"o{i}" for i in self.names()}
        # makeflow itself runs again what ended in the moment before it died: its log does not tell of that.
        launches = 1 + self.struck.count("kill_launcher")
        assert max(finished.values()) <= launches, [o for o, n in finished.items() if n > launches]
        attempts = Counter()
        for entry in entries:
            attempts[entry["outputs"][0]] += entry["attempts"]
        for i in self.names():
            ran = (self.tallies / str(i)).stat().st_size
            most = attempts[f"o{i}"] if COSTLY & set(self.struck) else 1
            assert 1 <= ran <= max(most, launches), (
                f"task {i} ran {ran} times in {attempts[f'o{i}']} attempts")
        if self.schedule.engine == "run":
            state = (self.flow.folder / "mesos_task_state").read_text().splitlines()
            assert sorted(state) == sorted(f"{i},finished" for i in self.names())
        left = [path.name for path in (self.flow.folder / ".mfmesos").glob("journal*")]
        assert not left, f"{left} left although the run has ended; it said:\n{self.said[-1][-3000:]}"
        if self.event_log:
            self.check_replays()

    def check_replays(self) -> None:
        """The decisions of each scheduler follow from its events, in whatever order Python has its sets."""
        for seed in ("1", "2"):
            done = subprocess.run(
                [sys.executable, str(TESTS.parent / "tools" / "replay_events.py"), str(self.flow.folder / ".mfmesos")],
                env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, timeout=100, check=False)
            self.replayed.append(done.stdout)
            assert done.returncode == 0, f"hash seed {seed}: {done.stdout}{done.stderr}"
            assert "all the same" in done.stdout


def last_words(left: list[str]) -> str:
    """The ends of stdout and stderr of the first sandbox in which something is left."""
    for name in left:
        box = next((p for p in Path(name).parents if (p / "stderr").exists()), None)
        if box is not None:
            return "\n".join(f"--- {p.name}:\n{p.read_text(errors='replace')[-1500:]}"
                             for p in (box / "stdout", box / "stderr") if p.exists())
    return ""


def run_seed(schedule: Schedule, cluster: Cluster, folder: Path, event_log: bool = False,
             kind: type[Chaos] = Chaos) -> Chaos:
    """Run and check one; the AssertionError explains how to repeat it."""
    before = set(cluster.sandboxes())
    chaos = kind(schedule, cluster, folder, event_log)
    try:
        chaos.run()
        chaos.check()
        wait_until(lambda: not cluster.processes(), 20, "every process on the agents to be gone")
        try:
            wait_until(lambda: not chaos.left(before), 20, "the agents to be clean")
        except AssertionError:
            left = chaos.left(before)
            raise AssertionError(
                f"left on agents: {left[:6]} (orphaned: {chaos.orphaned})\n{last_words(left)}\n--- scheduler:\n"
                f"{chaos.flow.log()}") from None
        wait_until(lambda: not cluster.get("/state")["frameworks"], 20, "the framework to be gone")
    except AssertionError as e:
        raise AssertionError(
            f"{e}\n\nseed {schedule.seed} ({schedule}; struck: {', '.join(chaos.struck) or 'nothing'}); repeat it "
            f"with: python {chaos.program} {schedule.seed} --cluster {cluster.kind} --engine {schedule.engine} "
            f"--tasks {schedule.tasks}") from None
    finally:
        chaos.close()
    return chaos


def main(doc: str = __doc__, engines: Sequence[str] = tuple(sorted(BLOWS)), tasks: int = 300,
         make: type[Schedule] = Schedule, kind: type[Chaos] = Chaos) -> int:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int, nargs="+")
    parser.add_argument("--cluster", choices=sorted(KINDS), default="embedded")
    parser.add_argument("--engine", choices=engines, default=engines[0])
    parser.add_argument("--tasks", type=int, default=tasks)
    parser.add_argument("--keep", type=Path, help="run in this folder and leave it")
    parser.add_argument("--event-log", action="store_true", help="also replay what the schedulers decided")
    args = parser.parse_args()
    for seed in args.seed:
        schedule = make(seed, args.engine, args.tasks)
        cluster = KINDS[args.cluster]()
        started = time.monotonic()
        try:
            if args.keep:
                args.keep.mkdir(parents=True, exist_ok=True)
                chaos = run_seed(schedule, cluster, args.keep.resolve(), args.event_log, kind)
            else:
                with tempfile.TemporaryDirectory() as folder:
                    chaos = run_seed(schedule, cluster, Path(folder), args.event_log, kind)
        finally:
            cluster.stop()
        print(f"seed {seed}: {schedule}; struck: {', '.join(chaos.struck)}; {time.monotonic() - started:.1f} s",
              *(line.rpartition("/")[2] for line in "".join(chaos.replayed).splitlines()), sep="\n  ", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
