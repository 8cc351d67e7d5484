"""GPUs of a claim: who sees which, who is kept off, who is found on one nevertheless. nvidia-smi is a stub."""
from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from executor_fakes import FakeStaging, contents, run
from fake_gpus import FakeGpus
from support import wait_until

from mfmesos.shared import wire
from mfmesos.shared.devices import BUSY, FAULTY, FREE, QUARANTINED, Device

SEES = f"{sys.executable} {Path(__file__).with_name('gpu_libraries.py')} "


@pytest.fixture
def gpus(tmp_path):
    return FakeGpus(tmp_path / "gpus")


@pytest.fixture
def agent(start, gpus):
    """agent() starts the executor of a claim with both GPUs."""
    def begin(**kw):
        return start(**{"environ": gpus.environ, "gpus": 2.0, **kw})
    return begin


def gpu_run(attempt: str, command: str, ids: list[str] | None = None, **kw) -> wire.Run:
    kw.setdefault("gpus", float(len(ids or ()) or 1))
    return run(attempt, command, given={"gpus": ids} if ids else {}, **kw)


def states(staging) -> dict[str, str]:
    """Of the devices in the newest sync."""
    with staging.changed:
        return {d.id: d.state for d in staging.syncs[-1].devices} if staging.syncs else {}


def reasons(staging) -> str:
    with staging.changed:
        return " ".join(d.reason for d in staging.syncs[-1].devices)


def one(staging, given: wire.Run) -> wire.Result:
    staging.run(given)
    return staging.wait(given.attempt)[0]


@contextlib.contextmanager
def stranger() -> Iterator[subprocess.Popen]:
    """A process that is of no executor."""
    process = subprocess.Popen(["sleep", "600"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def seen(result: wire.Result) -> dict[str, list[str]]:
    return json.loads(contents(result)["o"])


def test_a_task_sees_the_gpus_that_it_was_given(agent, staging, gpus):
    """And no others, with the libraries of NVIDIA and AMD, in the given order; a task without GPUs sees none."""
    agent()
    sees = SEES + " ".join(gpus.uuids) + " > o"
    second, both = [gpus.uuids[1]], gpus.uuids[::-1]
    found = seen(one(staging, gpu_run("1.1", sees, second, outputs=["o"])))
    assert found == {"cuda": second, "containers": second, "rocr": second, "hip": second, "ze": []}
    found = seen(one(staging, gpu_run("2.1", sees, both, outputs=["o"])))
    assert (found["cuda"], found["rocr"], found["hip"]) == (both, both, both)
    assert not any(seen(one(staging, run("3.1", sees, [], ["o"]))).values())


def test_numbers_where_no_tool_knows_uuids(start, staging):
    """Every library reads them, Level Zero too; they count in the order of PCI addresses."""
    start(gpus=2.0, environ={"PATH": "/usr/bin:/bin"})
    result = one(staging, gpu_run("1.1", SEES + "a b c > o; echo $MFMESOS_GPUS", ["2", "1"], outputs=["o"]))
    assert result.stdout == "2,1\n"
    assert all(found == (["b", "c"] if name == "containers" else ["c", "b"]) for name, found in seen(result).items())


def test_a_task_of_a_claim_without_gpus_sees_none(executor, staging, gpus):
    """Not even on an agent that has some; its own variables don't help it."""
    sees = SEES + " ".join(gpus.uuids) + " > o"
    given = run("1.1", sees, [], ["o"], env={"CUDA_VISIBLE_DEVICES": "0"})
    assert not any(seen(one(staging, given)).values())


def test_the_executor_reports_what_the_agent_has(agent, staging, gpus):
    """With its first sync, so that ids are UUIDs from the beginning."""
    agent()
    wait_until(lambda: staging.syncs)
    assert staging.syncs[0].devices == [
        Device(uuid, FREE, "", str(n), "NVIDIA A100-SXM4-40GB", False) for n, uuid in enumerate(gpus.uuids)]


def test_a_number_becomes_the_uuid(agent, staging, gpus):
    """Where the scheduler gave numbers: CUDA, ROCm and nvidia-smi may count in different orders."""
    agent()
    command = "echo $CUDA_VISIBLE_DEVICES > o"
    found = contents(one(staging, gpu_run("1.1", command, ["1"], outputs=["o"])))["o"]
    assert found.decode().strip() == gpus.uuids[1]


def test_who_was_given_no_ids_gets_free_ones(agent, staging, gpus, tmp_path):
    """By a scheduler that does not know them: two tasks at once get different ones."""
    agent()
    files = [tmp_path / name for name in ("1.1", "2.1")]
    staging.run(*(gpu_run(f.name, f"echo $CUDA_VISIBLE_DEVICES > {f}; sleep 600") for f in files))
    wait_until(lambda: sorted(f.read_text().strip() if f.exists() else "" for f in files) == sorted(gpus.uuids))


def test_a_gpu_that_another_run_has_is_busy(agent, staging, start, tmp_path, gpus):
    """That is no failure of the task: the result names the GPU, and the sync says when it is free again."""
    agent()
    held = tmp_path / "held"
    first = gpu_run("1.1", f"touch {held}; while [ -e {held} ]; do sleep 0.05; done", [gpus.uuids[0]])
    staging.run(first)
    wait_until(held.exists)
    other = FakeStaging()
    try:
        agent(server=other)
        result = one(other, gpu_run("7.1", "true", [gpus.uuids[0]]))
        assert (result.outcome, result.busy) == (wire.BROKEN, [gpus.uuids[0]])
        assert "another run" in result.reason
        wait_until(lambda: states(other).get(gpus.uuids[0]) == BUSY)
        assert one(other, gpu_run("8.1", "true", [gpus.uuids[1]])).outcome == wire.FINISHED
        held.unlink()
        wait_until(lambda: states(other).get(gpus.uuids[0]) == FREE)
        assert one(other, gpu_run("9.1", "true", [gpus.uuids[0]])).outcome == wire.FINISHED
    finally:
        other.stop()


def test_an_executor_that_is_killed_holds_nothing(agent, staging, gpus, tmp_path):
    """The kernel frees the lock with the process."""
    started = tmp_path / "started"
    victim = agent()
    staging.run(gpu_run("1.1", f"touch {started}; exec sleep 600", [gpus.uuids[0]]))
    wait_until(started.exists)
    pid = int(subprocess.run(["pgrep", "-P", str(victim.process.pid), "-f", "sleep 600"], capture_output=True,
                             text=True).stdout.split()[0])
    victim.process.kill()
    victim.process.wait()
    os.kill(pid, 9)
    other = FakeStaging()
    try:
        agent(server=other)
        assert one(other, gpu_run("2.1", "true", [gpus.uuids[0]])).outcome == wire.FINISHED
    finally:
        other.stop()


def test_who_uses_a_gpu_that_it_was_not_given_fails(agent, staging, gpus):
    """It is ended and named with its process; the task that has the GPU goes on."""
    agent()
    staging.run(gpu_run("1.1", gpus.use(0) + "sleep 600", [gpus.uuids[0]]))
    result = one(staging, gpu_run("2.1", "export CUDA_VISIBLE_DEVICES=0; " + gpus.use(0) + "sleep 600",
                                  [gpus.uuids[1]]))
    assert result.outcome == wire.FAILED
    assert gpus.uuids[0] in result.reason
    assert "process" in result.reason
    result = one(staging, run("3.1", gpus.use(1) + "sleep 600"))
    assert result.outcome == wire.FAILED
    assert gpus.uuids[1] in result.reason
    assert staging.running() == ["1.1"]


def test_a_stranger_is_named_and_lives(agent, staging, gpus):
    """A process of nobody in this executor is not ended; the GPU is given to nobody while it is there."""
    agent()
    staging.run(gpu_run("1.1", "sleep 600", [gpus.uuids[0]]))
    wait_until(lambda: staging.running() == ["1.1"])
    with stranger() as process:
        gpus.used_by(0, process.pid)
        wait_until(lambda: states(staging)[gpus.uuids[0]] == BUSY)
        assert f"process {process.pid} (sleep)" in reasons(staging)
        assert process.poll() is None
        gpus.used_by(1, process.pid)
        wait_until(lambda: states(staging)[gpus.uuids[1]] == BUSY)
        assert one(staging, gpu_run("2.1", "true", [gpus.uuids[1]])).busy == [gpus.uuids[1]]
        assert process.poll() is None
    wait_until(lambda: set(states(staging).values()) == {FREE})
    assert one(staging, gpu_run("3.1", "true", [gpus.uuids[1]])).outcome == wire.FINISHED


def test_no_gpu_is_given_out_with_memory_of_the_last_task(agent, staging, gpus):
    """It is in quarantine until its memory is free."""
    agent()
    staging.run(gpu_run("1.1", "sleep 600", [gpus.uuids[0]]))
    wait_until(lambda: staging.running() == ["1.1"])
    gpus.leave_memory(0, 30_000)
    staging.kill("1.1")
    wait_until(lambda: states(staging)[gpus.uuids[0]] == QUARANTINED)
    assert "30000 MB" in reasons(staging)
    assert one(staging, gpu_run("2.1", "true", [gpus.uuids[0]])).busy == [gpus.uuids[0]]
    gpus.leave_memory(0, 4)
    wait_until(lambda: states(staging)[gpus.uuids[0]] == FREE)
    assert one(staging, gpu_run("3.1", "true", [gpus.uuids[0]])).outcome == wire.FINISHED


@pytest.mark.parametrize("errors", ["2", "[GPU is lost]"])
def test_a_gpu_with_errors_is_taken_out(agent, staging, gpus, errors):
    """Until the errors are gone."""
    gpus.break_one(1, errors)
    agent()
    wait_until(lambda: states(staging) == {gpus.uuids[0]: FREE, gpus.uuids[1]: FAULTY})
    assert errors.strip("[]") in reasons(staging)
    assert one(staging, gpu_run("1.1", "true", [gpus.uuids[1]])).busy == [gpus.uuids[1]]
    gpus.break_one(1, "0")
    wait_until(lambda: states(staging)[gpus.uuids[1]] == FREE)


def test_tasks_in_a_row_use_a_gpu_at_once(agent, staging, gpus):
    """Each waits until the GPU is found empty, instead of being sent away."""
    agent(cores=1.0, gpus=1.0)
    staging.run(*(gpu_run(f"{n}.1", gpus.use(0) + "true", [gpus.uuids[0]]) for n in range(5)))
    assert {r.outcome for r in staging.wait(*(f"{n}.1" for n in range(5)))} == {wire.FINISHED}


def test_the_peak_of_gpu_memory_is_measured(agent, staging, gpus, tmp_path):
    """Of all its processes and GPUs together."""
    agent()
    wait_until(lambda: staging.syncs)
    before = gpus.calls()
    done = tmp_path / "done"
    staging.run(gpu_run("1.1", f"{gpus.use(0, 700)} {gpus.use(1, 500)} while [ ! -e {done} ]; do sleep 0.1; done",
                        gpus.uuids))
    wait_until(lambda: gpus.calls() >= before + 6)
    done.touch()
    assert staging.wait("1.1")[0].usage.gpu_memory_mb == 1200.0


def test_claims_without_gpus_never_ask_the_tool(start, staging, gpus):
    """Short tasks must not pay for it."""
    start(environ=gpus.environ)
    assert one(staging, run("1.1", "true")).outcome == wire.FINISHED
    assert not (gpus.folder / "calls").exists()


def test_a_tool_that_does_not_work_is_as_none(agent, staging, gpus):
    """As with a driver that does not run: locks and variables remain."""
    (gpus.folder / "gpus").write_text("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n")
    agent()
    assert one(staging, gpu_run("1.1", "true", [f"GPU-{uuid.uuid4()}"])).outcome == wire.FINISHED
    assert states(staging) == {}


def test_two_runs_never_share_a_gpu(agent, staging, start, gpus, tmp_path):
    """Tasks of two executors that know nothing of each other, with ids by their schedulers or without: each holds a
    file of its GPU's name while it runs, which may not exist."""
    other = FakeStaging()
    task = f"f={tmp_path}/$CUDA_VISIBLE_DEVICES; mkdir $f || exit 9; sleep 0.01; rmdir $f"
    try:
        servers = [staging, other]
        for server in servers:
            agent(server=server, cores=4.0)
        ended: list[wire.Result] = []
        for turn in range(8):
            names = [f"{turn}{n}.1" for n in range(3)]
            for server in servers:
                server.run(*(gpu_run(name, task, [gpus.uuids[n]] if n < 2 else None) for n, name in enumerate(names)))
            for server in servers:
                ended += server.wait(*names)
        assert all(r.outcome == wire.FINISHED or r.busy for r in ended), ended
        assert sum(r.outcome == wire.FINISHED for r in ended) >= 16
    finally:
        other.stop()


def test_executors_of_the_version_before(staging):
    """Their syncs name no devices, and their results none that are busy."""
    sync = json.loads(wire.dumps(wire.SyncRequest(1, results=[wire.Result("1.1", wire.FINISHED)])))
    del sync["devices"], sync["results"][0]["busy"], sync["results"][0]["usage"]["gpu_memory_mb"]
    read = wire.load_sync_request(json.dumps(sync).encode())
    assert (read.devices, read.results[0].busy, read.results[0].usage.gpu_memory_mb) == ([], [], 0.0)

