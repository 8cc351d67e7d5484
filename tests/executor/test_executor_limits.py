"""Limits of attempts and the guard of the claim: real memory, real files, real time."""
from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from types import SimpleNamespace

import pytest
from executor_fakes import gone, number_in, run
from mfmesos_executor import procs, shm
from mfmesos_executor.cores import Turns, usable
from mfmesos_executor.limits import Load, over_own_limit, victim_of_disk, victim_of_memory
from mfmesos_executor.monitor import Monitor, Watched
from mfmesos_executor.reap import Leader
from mfmesos_executor.verdict import MOST_REASON, failure, with_last_line
from support import wait_until

from mfmesos.shared import wire
from mfmesos.shared.procfs import Process, Table

EAT = "python3 -c \"x = bytearray({mb} << 20); import time; time.sleep(60)\""


def one(staging, attempt: str, command: str, *args, **kw):
    staging.run(run(attempt, command, *args, **kw))
    return staging.wait(attempt)[0]


def test_over_its_memory(executor, staging, tmp_path):
    """A tree over its memory is killed, grandchildren too, and the reason names what it used and was given."""
    pid = tmp_path / "pid"
    command = f"{EAT.format(mb=200)} & echo $! > {pid}; wait"
    result = one(staging, "1.1", command, limit_memory_mb=100.0, memory_mb=100.0)
    assert (result.outcome, result.resource) == ("exhausted", "memory")
    assert re.fullmatch(r"memory: used [12]\d\d MB, more than its limit of 100 MB", result.reason)
    assert result.usage.memory_mb > 100
    assert gone(number_in(pid))


def test_memory_in_pieces(executor, staging):
    """Many processes, each below the limit, are over it together."""
    parts = " & ".join([EAT.format(mb=40)] * 4)
    result = one(staging, "1.1", f"{parts} & wait", limit_memory_mb=120.0)
    assert (result.outcome, result.resource) == ("exhausted", "memory")


MAPPED = """import mmap, time
f = open("big", "wb+")
for _ in range(300):
    f.write(bytes(1 << 20))
f.flush()
m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
sum(m[::4096])
time.sleep(0.7)
"""


def test_what_is_mapped_of_files_is_not_counted(executor, staging):
    """The kernel drops it where memory is short: neither the limit nor the peak has it, also of a child."""
    for attempt, end in (("1.1", ""), ("2.1", "; true")):
        result = one(staging, attempt, f"python3 -c '{MAPPED}'{end}", limit_memory_mb=150.0)
        assert result.outcome == "finished", result.reason
        assert 3 < result.usage.memory_mb < 40


@pytest.fixture
def in_shm():
    """The path of a file there, removed in the end."""
    path = f"/dev/shm/mfmesos-test-{os.getpid()}"
    yield path
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


WRITES = {
    "written and closed": "head -c 200000000 /dev/zero > {0}; sleep 60",
    "open": "python3 -c 'f = open(\"{0}\", \"wb\"); f.write(bytes(200 << 20)); del f; import time; time.sleep(60)'",
    "mapped": "python3 -c 'import mmap, os, time; fd = os.open(\"{0}\", 66); os.ftruncate(fd, 200 << 20); "
              "m = mmap.mmap(fd, 0); m[:] = bytes(200 << 20); os.close(fd); time.sleep(60)'",
    "shared without a name": "python3 -c 'import mmap, time; m = mmap.mmap(-1, 200 << 20); m[::4096] = bytes(51200); "
                             "time.sleep(60)'",
}


@pytest.mark.parametrize("way", WRITES)
def test_shared_memory_is_counted(executor, staging, in_shm, way):
    """Files in /dev/shm are the memory of the task that made them, whether or not one of its processes maps them."""
    staging.run(run("2.1", "sleep 60", limit_memory_mb=100.0))
    result = one(staging, "1.1", WRITES[way].format(in_shm), limit_memory_mb=100.0)
    assert (result.outcome, result.resource) == ("exhausted", "memory"), result
    assert staging.running() == ["2.1"]


def test_what_is_mapped_of_shared_memory_is_counted_once(executor, staging, in_shm):
    """As a file, or as what a process has mapped."""
    command = WRITES["mapped"].format(in_shm).replace("200 <<", "60 <<").replace("sleep(60)", "sleep(1)")
    result = one(staging, "1.1", command, limit_memory_mb=150.0)
    assert result.outcome == "finished", result.reason
    assert 60 < result.usage.memory_mb < 145


def test_shared_memory_of_others_is_not_counted(executor, staging, in_shm):
    """Files from before the task, and files that somebody else writes meanwhile."""
    staging.run(run("1.1", "sleep 1.2", limit_memory_mb=60.0))
    wait_until(lambda: staging.running() == ["1.1"])
    with open(in_shm, "wb") as f:
        f.write(bytes(100 << 20))
        result = staging.wait("1.1")[0]
    assert result.outcome == "finished", result.reason
    assert result.usage.memory_mb < 20


def test_one_too_short_to_be_measured(executor, staging):
    """It is not recorded with the memory that our own process had before it became the task's."""
    for attempt, command, most in (("1.1", "cat /dev/null", 3.0), ("2.1", "true; cat /dev/null | cat", 3.0),
                                   ("3.1", f"{sys.executable} -S -c pass", 15.0)):
        assert 0.1 < one(staging, attempt, command).usage.memory_mb < most, command


def test_within_its_memory(executor, staging):
    """What stays below its limit is left alone."""
    result = one(staging, "1.1", "python3 -c \"x = bytearray(60 << 20); import time; time.sleep(0.7)\"; true",
                 limit_memory_mb=150.0, limit_disk_mb=10.0, limit_wall_s=30.0)
    assert result.outcome == "finished"


@pytest.mark.parametrize("command", [
    "head -c 60000000 /dev/zero > o; sleep 60",
    "for i in 1 2 3 4 5 6; do mkdir -p d/$i; head -c 10000000 /dev/zero > d/$i/x; done; sleep 60",
    "yes | head -c 60000000; sleep 60",
    "head -c 60000000 /dev/zero > $TMPDIR/x; sleep 60",
    "head -c 60000000 /dev/zero > o",
])
def test_over_its_disk(executor, staging, command):
    """Files in the sandbox, in TMPDIR and on stdout count; also when the command has ended before it was seen."""
    result = one(staging, "1.1", command, [], ["o"] if command.endswith("> o") else [], limit_disk_mb=30.0)
    assert (result.outcome, result.resource) == ("exhausted", "disk")
    assert result.reason.endswith(" MB, more than its limit of 30 MB")


def test_over_its_time(executor, staging):
    """Wall time is enforced, with SIGTERM first."""
    began = time.monotonic()
    result = one(staging, "1.1", "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done", limit_wall_s=0.5)
    assert (result.outcome, result.resource) == ("exhausted", "wall")
    assert re.fullmatch(r"wall time: ran for \d\.\d s, longer than its limit of 0\.5 s", result.reason)
    assert result.stdout == "bye\n"
    assert time.monotonic() - began >= 0.5


def test_the_claims_memory_is_guarded(start, staging):
    """When the claim's memory is used up, the attempt furthest above its share is killed; the others continue."""
    start(memory_mb=300.0)
    staging.run(run("1.1", "python3 -c \"x = bytearray(80 << 20); import time; time.sleep(1.5)\"", memory_mb=150.0),
                run("2.1", EAT.format(mb=260), memory_mb=150.0))
    polite, greedy = staging.wait("1.1", "2.1")
    assert (greedy.outcome, greedy.resource) == ("exhausted", "memory")
    assert ", more than its share of 150 MB, when the claim's 300 MB were used up" in greedy.reason
    assert polite.outcome == "finished"


def test_more_than_asked_for_is_allowed_while_there_is_room(start, staging):
    """Without a limit of its own, an attempt may use more than its share as long as the claim has it."""
    start(memory_mb=1000.0)
    eat = "python3 -c \"x = bytearray(200 << 20); import time; time.sleep(0.8)\""
    result = one(staging, "1.1", eat, memory_mb=50.0)
    assert result.outcome == "finished"


def test_an_estimate_may_be_exceeded_while_the_claim_has_room(start, staging):
    """Memory, and disk also at the end: it finishes, and its true peak is known."""
    start(memory_mb=1000.0, disk_mb=500.0)
    eat = "python3 -c \"x = bytearray(200 << 20); import time; time.sleep(0.8)\"; head -c 60000000 /dev/zero > o"
    result = one(staging, "1.1", eat, [], ["o"], memory_mb=50.0, limit_memory_mb=50.0, most_memory_mb=1000.0,
                 disk_mb=16.0, limit_disk_mb=16.0, most_disk_mb=500.0)
    assert result.outcome == "finished", result.reason
    assert result.usage.memory_mb > 200
    assert result.usage.disk_mb > 50


def test_an_estimate_ends_where_the_others_need_the_rest(start, staging):
    """The claim is nearly used up: the one over its estimate goes, before the claim is; the others stay."""
    start(memory_mb=400.0)
    given = {"memory_mb": 200.0, "limit_memory_mb": 200.0, "most_memory_mb": 400.0}
    staging.run(run("1.1", "python3 -c \"x = bytearray(130 << 20); import time; time.sleep(2)\"", **given),
                run("2.1", EAT.format(mb=240), **given))
    polite, greedy = staging.wait("1.1", "2.1")
    assert (greedy.outcome, greedy.resource) == ("exhausted", "memory")
    assert polite.outcome == "finished"


def test_an_override_ends_at_what_was_declared(executor, staging):
    """The estimate of 50 MB may be exceeded, the 100 MB that were declared may not."""
    result = one(staging, "1.1", EAT.format(mb=200), memory_mb=50.0, limit_memory_mb=50.0, most_memory_mb=100.0)
    assert (result.outcome, result.resource) == ("exhausted", "memory")
    assert result.reason.endswith(", more than its limit of 100 MB")


def test_the_claims_disk_is_guarded(start, staging):
    """As with memory."""
    start(disk_mb=100.0)
    result = one(staging, "1.1", "head -c 150000000 /dev/zero > o; sleep 60", disk_mb=50.0)
    assert (result.outcome, result.resource) == ("exhausted", "disk")


def test_no_more_gpus_are_used_than_the_claim_has(start, staging, tmp_path):
    """Attempts that were given ahead wait for a GPU, as they wait for cores and memory."""
    start(gpus=2.0)
    command = f"mkdir {tmp_path}/gpu.$$ && ls {tmp_path} | grep -c ^gpu; sleep 0.2; rmdir {tmp_path}/gpu.$$"
    names = [f"{n}.1" for n in range(1, 7)]
    staging.run(*(run(name, command, cores=0.1, memory_mb=1.0, disk_mb=1.0, gpus=1.0) for name in names))
    side_by_side = [int(result.stdout) for result in staging.wait(*names)]
    assert max(side_by_side) <= 2


def test_no_more_of_any_resource_is_used_than_the_claim_has(start, staging, tmp_path):
    """Attempts of one and of two licences of three, all given at once: never more than three are held side by side, and
    a resource that the claim does not have holds up nobody for ever."""
    start(others={"licences": 3.0})
    command = (f"for i in $(seq $N); do mkdir {tmp_path}/x.$$.$i; done; ls {tmp_path} | grep -c ^x; sleep 0.1; "
               f"rmdir {tmp_path}/x.$$.*")
    names = [f"{n}.1" for n in range(1, 9)]
    staging.run(*(run(name, command, cores=0.1, memory_mb=1.0, disk_mb=1.0, others={"licences": n}, env={"N": str(n)})
                  for name, n in zip(names, (1, 2, 2, 1, 1, 1, 2, 1))))
    side_by_side = [int(result.stdout) for result in staging.wait(*names)]
    assert max(side_by_side) <= 3
    staging.run(run("9.1", "true", others={"unknown": 1.0}))
    assert staging.wait("9.1")[0].outcome == "finished"


def test_a_slow_delivery_keeps_only_its_disk(start, staging):
    """Three attempts on one core, the first with an output that is sent without end: the second, which fits beside the
    output's disk, runs meanwhile; the third, which does not, waits until it is delivered."""
    start(cores=1.0, disk_mb=100.0)
    staging.put_delay.clear()
    staging.run(run("1.1", "head -c 1000000 /dev/zero > o", [], ["o"], disk_mb=60.0))
    wait_until(lambda: "1.1" in staging.put_sizes)
    staging.run(run("2.1", "true", disk_mb=30.0), run("3.1", "true", disk_mb=60.0))
    assert staging.wait("2.1")[0].outcome == "finished"
    assert set(staging.running()) == {"1.1", "3.1"}
    staging.put_delay.set()
    assert [result.outcome for result in staging.wait("1.1", "3.1")] == ["finished", "finished"]


def test_the_sync_tells_what_is_used(start, staging):
    """A heartbeat reports memory, disk and free disk of the claim as they are."""
    start(give_up_s=2.0)
    staging.run(run("1.1", EAT.format(mb=100) + " & head -c 5000000 /dev/zero > x; wait"))
    wait_until(lambda: any(s.memory_mb > 110 and s.disk_mb > 4 and s.free_disk_mb > 0 for s in staging.syncs))


BURN = "python3 -c 'import time\nwhile time.process_time() < {s}: pass'"


def test_neighbours_make_no_task_look_idle(executor, staging):
    """Three that compute on one CPU have a third of it each, and need all of it; also through a chain of processes."""
    cpu = min(os.sched_getaffinity(0))
    burn = BURN.format(s=0.7)
    for i, command in enumerate((burn, burn, f"{BURN.format(s=0.35)}; {BURN.format(s=0.35)}"), 1):
        staging.run(run(f"{i}.1", f"taskset -c {cpu} sh -c \"{command}\""))
    for result in staging.wait("1.1", "2.1", "3.1"):
        usage = result.usage
        assert 0.6 < usage.cores < 1.25, usage  # by processor time alone it would be a third
        assert usage.wait_s > 0.5, usage
        assert usage.cpu_s / usage.wall_s < 0.6, usage


def test_one_that_waits_by_itself_needs_less(executor, staging):
    """For a clock here."""
    usage = one(staging, "1.1", f"{BURN.format(s=0.3)}; sleep 1.5").usage
    assert usage.cores < 0.6, usage


# --- the decisions alone ---
@pytest.mark.parametrize(("cpu", "wait", "wall", "cores"), [
    (1.5, 0.0, 1.5, 1.0), (1.5, 4.5, 6.0, 1.0),   # one thread, alone and with a quarter of a CPU
    (1.5, 4.5, 12.0, 0.2),                        # half of the time it slept
    (4.0, 12.0, 4.0, 4.0),                        # four threads with a quarter of a CPU each
    (4.0, 4.0, 1.0, 4.0),                         # eight threads on a machine of four
    (0.0, 0.0, 1.0, 0.0), (1.0, 90.0, 1.0, 4.0),
])
def test_cores_that_would_have_been_kept_busy(cpu, wait, wall, cores):
    """By processor time, what was waited for a CPU, and wall time; on a machine of four."""
    assert usable(cpu, wait, wall, most=4) == pytest.approx(cores)


def test_what_was_not_seen_waited_as_the_rest(monkeypatch):
    """What ran after the last look, or in a process too short for one; of processes that have gone nothing is lost."""
    seen = {1: procs.Turn(1.0, 2.0), 2: procs.Turn(1.0, 4.0)}
    monkeypatch.setattr(procs, "turn", lambda process, most: seen.get(process.pid))
    one, two = (Process(pid, 1, 1, 1, "R", 0, 0.0) for pid in (1, 2))
    turns = Turns()
    assert turns.wait_s(5.0) == 0.0
    turns.look([one, two])
    turns.look([two])
    del seen[2]
    turns.look([two])
    assert turns.wait_s(2.0) == pytest.approx(6.0)
    assert turns.wait_s(3.0) == pytest.approx(9.0)
    assert turns.wait_s(60.0) == pytest.approx(12.0)


def _load(memory: float, disk: float = 0.0, **kw) -> Load:
    return Load(run("1.1", "true", **kw), memory, disk)


def test_limits_apply_only_when_given():
    """No limit, no end; exactly the limit is allowed."""
    assert over_own_limit(_load(9e9, 9e9), 9e9) is None
    assert over_own_limit(_load(100, 100, limit_memory_mb=100.0, limit_disk_mb=100.0, limit_wall_s=5.0), 5.0) is None


def test_the_victim_is_the_one_most_over_its_share():
    """Not the largest: the one that takes from the others. Nobody is a victim while the claim has room."""
    claim = wire.ClaimData("", "c", "t", memory_mb=1000, disk_mb=1000)
    loads = [_load(700, 700, memory_mb=700.0, disk_mb=700.0), _load(400, 400, memory_mb=100.0, disk_mb=100.0)]
    assert victim_of_memory(claim, loads) == 1
    assert victim_of_disk(claim, loads, 0.0) == 1
    assert victim_of_memory(claim, loads[:1]) is None
    assert victim_of_disk(claim, loads[:1], 350.0) is None
    assert victim_of_memory(wire.ClaimData("", "c", "t"), loads) is None


def test_estimates_give_way_before_the_claim_is_full():
    """A tenth, at most 100 MB, is kept free of what exceeds an estimate, and what it will have grown into by the next
    look; declared and default shares are judged when all is used up."""
    claim = wire.ClaimData("", "c", "t", memory_mb=1000, disk_mb=1000)
    guess = {"memory_mb": 100.0, "most_memory_mb": 1000.0, "disk_mb": 100.0, "most_disk_mb": 1000.0}
    share = _load(500, 500, memory_mb=400.0, disk_mb=400.0)
    assert victim_of_memory(claim, [share, _load(390, **guess)]) is None
    assert victim_of_memory(claim, [share, _load(410, **guess)]) == 1
    assert victim_of_memory(claim, [share, _load(300, **guess)._replace(growth_mb=150)]) == 1
    assert victim_of_memory(claim, [share, _load(90, **guess)._replace(growth_mb=900)]) is None
    assert victim_of_disk(claim, [share, _load(0, 310, **guess)], 50.0) is None
    assert victim_of_disk(claim, [share, _load(0, 360, **guess)], 50.0) == 1
    assert victim_of_memory(claim, [share, _load(480, memory_mb=400.0)]) is None


def test_words():
    """Codes of shells for signals are explained; lines are joined and bounded: of a long one the middle is cut."""
    assert failure(0, None) == ""
    assert failure(139, None) == "exit code 139 (killed by signal 11, SIGSEGV)"
    assert failure(None, 63) == "killed by signal 63 (unknown)"
    assert with_last_line("exit code 1", "a\n\n  b  \n\n") == "exit code 1: b"
    long = with_last_line("exit code 1", f"Error: {'x' * 1000}: permission denied")
    assert len(long) == MOST_REASON
    assert long.startswith("exit code 1: Error: x")
    assert long.endswith("x: permission denied")


def test_a_process_that_has_not_run_is_not_read_again(monkeypatch):
    """Neither its memory nor its waiting; one that has run, come or gone is a change."""
    read = []
    monkeypatch.setattr(procs, "charge", lambda p: read.append(p.pid) or procs.Charge(p.rss_bytes, 0, 0))
    monkeypatch.setattr(procs, "turn", lambda p, most: read.append(-p.pid) or procs.Turn(p.cpu_s, 1.0))
    still, busy = Process(1, 1, 1, 1, "S", 10, 0.0), Process(2, 1, 1, 1, "R", 20, 0.5)
    more = busy._replace(rss_bytes=50, cpu_s=1.0)
    charges, turns = procs.Charges(), Turns()

    def look(*processes: Process) -> tuple[list[int], int, bool]:
        read.clear()
        turns.look(processes)
        memory = procs.memory_bytes(charges.look(processes))
        return sorted(read), memory, charges.changed

    assert look(still, busy) == ([-2, -1, 1, 2], 30, True)
    assert look(still, busy) == ([], 30, False)
    assert look(still, more) == ([-2, 2], 60, True)
    assert look(still) == ([], 10, True)
    assert look(still) == ([], 10, False)
    assert turns.wait_s(1.0) == pytest.approx(2.0)


def test_looking_at_shared_memory_is_no_reason_to_look_again(tmp_path):
    """Neither for the executor that looks, nor for the others on the agent: that would never end."""
    (tmp_path / "folder").mkdir()
    watch = shm._watch(str(tmp_path))
    assert watch is not None
    try:
        assert shm._files(str(tmp_path)) == []
        assert not shm._about_files(os.read(watch, 4096))
        (tmp_path / "new").write_text("")
        shm._files(str(tmp_path))
        assert shm._about_files(os.read(watch, 4096))
    finally:
        os.close(watch)


def test_a_busy_machine_does_not_make_measurements_rare():
    """One that took 30 s, because others computed, is followed by the next within a second: limits hold there, too. One
    that computed for 3 s itself is not.
    """
    due_in = []
    for computed_s in (0.0, 3.0):
        now, computed = [1.0], [0.0]

        def table(now=now, computed=computed, computed_s=computed_s):
            now[0] += 30.0
            computed[0] += computed_s
            return Table(())
        reaper = SimpleNamespace(table=table, processes=lambda table, leader: set())
        monitor = Monitor(wire.ClaimData("", "c", "t"), reaper, SimpleNamespace(), SimpleNamespace(),  # type: ignore[arg-type]
                          clock=lambda now=now: now[0], computed=lambda computed=computed: computed[0])
        attempt = SimpleNamespace(run=run("1.1", "x"))
        monitor._sample([Watched(attempt, Leader(1, "1.1", lambda: None), 0.0, "")], now[0])  # type: ignore[arg-type]
        due_in.append(monitor._sample_due - now[0])
    assert due_in[0] <= 1.0
    assert due_in[1] >= 20.0
