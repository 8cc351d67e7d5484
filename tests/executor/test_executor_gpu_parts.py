"""What nvidia-smi prints, what a look means for a GPU, locks, and whether an agent isolates: each alone."""
from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Sequence

import pytest
from mfmesos_executor import isolation
from mfmesos_executor.device_locks import Locks
from mfmesos_executor.gpu_view import Known, judge, known_from, owners
from mfmesos_executor.isolation import keeps_gpus_apart
from mfmesos_executor.nvidia_smi import Gpu, NvidiaSmi, User, gpus_of, users_of

from mfmesos.shared.devices import BUSY, FAULTY, FREE, QUARANTINED

A100 = "0, GPU-aaaa, NVIDIA A100-SXM4-40GB, 40960, 4, 0\n"
T4 = "1, GPU-bbbb, Tesla T4, 15360, 0, [N/A]\n"


# --- nvidia-smi ---
def test_gpus_as_the_tool_lists_them():
    """In the order of their numbers; a model without ECC has no errors."""
    assert gpus_of(T4 + A100) == [
        Gpu("0", "GPU-aaaa", "NVIDIA A100-SXM4-40GB", 40960.0, 4.0), Gpu("1", "GPU-bbbb", "Tesla T4", 15360.0, 0.0)]


@pytest.mark.parametrize("line", [
    "", "No devices were found", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make "
    "sure that the latest NVIDIA driver is installed and running.",
    "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.  Reboot the system to recover this GPU"])
def test_other_lines_are_no_gpus(line):
    """Such as errors, which the tool prints to stdout."""
    assert gpus_of(line + "\n" + A100)[0].id == "GPU-aaaa"
    assert gpus_of(line) == []


@pytest.mark.parametrize(("values", "error"), [
    ("40960, 4, 3", "3 uncorrected memory errors (ECC)"),
    ("[GPU is lost], [GPU is lost], [GPU is lost]", "GPU is lost"),
    ("40960, [Unknown Error], 0", "Unknown Error"), ("40960, 4, [Not Supported]", ""), ("40960, 4, N/A", ""),
    ("40960, [N/A], [Insufficient Permissions]", "")])
def test_errors_of_a_gpu(values, error):
    """Counted ones, and what stands in brackets in place of a value, unless the value does not exist."""
    assert gpus_of(f"0, GPU-a, X, {values}\n")[0].error == error


def test_processes_as_the_tool_lists_them():
    """Windows and some containers do not show the memory."""
    assert users_of("GPU-aaaa, 4242, 1024\nGPU-bbbb, 17, [N/A]\n\n") == [
        User("GPU-aaaa", 4242, 1024.0), User("GPU-bbbb", 17, 0.0)]


def test_a_tool_that_hangs_or_is_gone():
    """Is as none."""
    def hang(argv: list[str], timeout_s: float) -> str:
        raise subprocess.TimeoutExpired(argv, timeout_s)

    def gone(argv: list[str], timeout_s: float) -> str:
        raise FileNotFoundError(argv[0])
    assert NvidiaSmi("nvidia-smi", hang).look() is None
    assert NvidiaSmi("nvidia-smi", gone).look() is None
    assert NvidiaSmi("nvidia-smi", lambda argv, timeout_s: "").look() is None


# --- what a look means ---
def gpu(used_mb: float = 4.0, error: str = "") -> Gpu:
    return Gpu("0", "GPU-aaaa", "A100", 40960.0, used_mb, error)


def judged(known: Known, found: Gpu | None, strangers: Sequence[int] = (), others: Sequence[int] = (),
           free: bool = True) -> str:
    """The state after a look with these processes of nobody here, and those not of its user."""
    def users(pids: Sequence[int]) -> list[User]:
        return [User("GPU-aaaa", pid, 100.0) for pid in pids]
    judge(known, found, users(strangers), users(others or strangers), lambda pid: f" (p{pid})", lambda _: free)
    return known.state


@pytest.mark.parametrize(("known", "look", "state"), [
    ({}, {}, FREE),
    # Somebody without a lock is on it: not one of mfmesos.
    ({}, {"strangers": [7]}, BUSY),
    # With the lock of another claim the processes are its tasks'.
    ({}, {"strangers": [7], "free": False}, FREE),
    ({"locked_out": True}, {"strangers": [7], "free": False}, BUSY),
    ({"locked_out": True}, {}, FREE),
    # An attempt here has it: others may not be on it, it may.
    ({"user": "1.1"}, {"strangers": [7]}, BUSY),
    ({"user": "1.1"}, {"found": gpu(30_000.0)}, FREE),
    # An attempt here had it.
    ({"left_at": 1.0}, {"free": False}, FREE),
    ({"left_at": 1.0}, {"free": False, "others": [7]}, QUARANTINED),
    ({"left_at": 1.0}, {"free": False, "found": gpu(600.0)}, QUARANTINED),
    # Memory that a claim before has left.
    ({}, {"found": gpu(600.0)}, QUARANTINED),
    ({}, {"found": gpu(600.0), "free": False}, FREE),
    # Errors come first.
    ({"user": "1.1"}, {"found": gpu(error="GPU is lost")}, FAULTY),
    ({"left_at": 1.0}, {"found": None}, FAULTY)])
def test_the_state_of_a_gpu(known, look, state):
    """Each case with its reason above; a state that is not free has a reason that names the GPU."""
    before = Known("GPU-aaaa", "0", **known)
    assert judged(before, **{"found": gpu(), **look}) == state
    assert ("GPU-aaaa" in before.reason) == (state != FREE)


def test_what_a_desktop_takes_is_no_leftover():
    """What was in use when the claim began, without a process that computes, does not count, unless it is much."""
    assert judged(known_from(gpu(900.0), False), gpu(1000.0)) == FREE
    assert judged(known_from(gpu(900.0), True), gpu(1000.0)) == QUARANTINED
    assert judged(known_from(gpu(30_000.0), False), gpu(30_000.0)) == QUARANTINED


def test_owners_of_processes():
    """Attempts are asked only until all processes are known."""
    asked = []

    def attempt(name: str, *pids: int):
        return name, lambda: asked.append(name) or set(pids)
    assert owners(dict([attempt("1.1", 1, 2), attempt("2.1", 3)]), {2, 3, 9}) == {2: "1.1", 3: "2.1"}
    assert owners(dict([attempt("3.1", 1)]), set()) == {}
    assert asked == ["1.1", "2.1"]


# --- locks ---
def test_a_lock_has_one_holder():
    """Also within one process; and no file of it exists."""
    name = f"GPU-{uuid.uuid4()}"
    one, other = Locks("agent-1"), Locks("agent-2")
    assert (one.take(name), one.take(name), other.take(name), other.is_free(name)) == (True, False, False, False)
    one.release(name)
    assert other.is_free(name)
    assert other.take(name)
    other.release(name)


def test_numbers_are_those_of_an_agent():
    """GPU 0 of one agent is not GPU 0 of another one on the same machine, as in test clusters."""
    agents = [f"{uuid.uuid4()}-S{n}" for n in range(2)]
    locks = [Locks(agent) for agent in (*agents, agents[0])]
    assert [lock.take("0") for lock in locks] == [True, True, False]
    for lock in locks:
        lock.release("0")


def test_a_killed_process_holds_no_lock():
    """The kernel frees it."""
    name = f"GPU-{uuid.uuid4()}"
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys; from mfmesos_executor.device_locks import Locks; locks = Locks(); "
         "print(locks.take(sys.argv[1]), flush=True); sys.stdin.read()", name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
    try:
        assert holder.stdout.readline() == "True\n"
        assert not Locks().is_free(name)
    finally:
        holder.kill()
        holder.communicate()
    assert Locks().is_free(name)


# --- isolation ---
@pytest.mark.parametrize(("listed", "apart"), [
    ("a *:* rwm\n", False), ("c *:* m\nb *:* m\nc 195:255 rw\nc 195:1 rwm\n", True), ("c 195:* rwm\n", False)])
def test_a_devices_cgroup_that_keeps_gpus_apart(tmp_path, listed, apart):
    """As the gpu/nvidia isolator sets it: single devices of NVIDIA."""
    (tmp_path / "cgroup").write_text("9:name=systemd:/\n5:devices:/mesos/7\n0::/\n")
    folder = tmp_path / "devices/mesos/7"
    folder.mkdir(parents=True)
    (folder / "devices.list").write_text(listed)
    assert keeps_gpus_apart(str(tmp_path / "cgroup"), str(tmp_path), f"{tmp_path}/no*") == apart


def test_without_a_devices_cgroup_devices_are_tried(tmp_path):
    """One that can be opened is not kept apart; a mode that forbids it says nothing."""
    (tmp_path / "nvidia0").touch()
    assert not keeps_gpus_apart(str(tmp_path / "none"), str(tmp_path), f"{tmp_path}/nvidia[0-9]*")


def test_the_own_devices_where_they_are_kept_apart(tmp_path, monkeypatch):
    """By their numbers; where nothing is kept apart, none is its own."""
    for number in (10, 2):
        (tmp_path / f"nvidia{number}").touch()
    monkeypatch.setattr(isolation, "keeps_gpus_apart", lambda **_: True)
    assert isolation.own_gpus(f"{tmp_path}/nvidia[0-9]*") == ["2", "10"]
    monkeypatch.setattr(isolation, "keeps_gpus_apart", lambda **_: False)
    assert isolation.own_gpus(f"{tmp_path}/nvidia[0-9]*") == []
