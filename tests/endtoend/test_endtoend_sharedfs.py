"""Shared folders in real runs: files used in place, on agents that have them and on agents that do not."""
from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import PATH, EmbeddedMesos
from flows import Flow, need_makeflow, nothing_stays
from support import need, wait_until

BIG = random.Random(2).randbytes(300_000)


@pytest.fixture
def share() -> Iterator[Path]:
    """A folder that is shared, with a name that nothing else has."""
    folder = Path("/tmp") / f"mfmesos-share-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def need_mounts() -> None:
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    need(tried.returncode == 0, "no mount namespaces here", "run as root, with util-linux")


def lines(flow: Flow, *tasks: dict[str, object]) -> None:
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))


def markers(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(".mfmesos-shared-"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_workflow_below_a_shared_folder(embedded_mesos, tmp_path, share: Path):
    """Relative and absolute names, files and folders: inputs are links to the files themselves, outputs arrive all, and
    nothing of size passes the scheduler. A rerun does nothing; a changed input runs its task again."""
    flow = Flow(share / "wf", embedded_mesos)
    (flow.folder / "big").write_bytes(BIG)
    (share / "ref").mkdir()
    (share / "ref/a").write_text("ref\n")
    lines(flow, {"command": "readlink big > how; cp big out/copy; mkdir -p d/s; cp big d/x; cp big d/s/y; "
                            "chmod 700 d/s/y", "inputs": ["big"], "outputs": ["how", "out/copy", "d"]},
          {"command": f"cat {share}/ref/a how > {share}/ref/made; sha256sum < d/s/y > sum; ls -l d | head -c 1 > o; "
                      f"echo '{share}/wf/how' >> o", "inputs": [f"{share}/ref/a", "how", "d"],
           "outputs": [f"{share}/ref/made", "sum", "o"]})
    with nothing_stays(embedded_mesos):
        ended = flow.run("--shared-fs", str(share), "tasks.jsonl")
    assert ended.code == 0, ended.out
    assert flow.files()["how"].decode() == f"{share}/wf/big\n"
    assert {sha256(flow.folder / n) for n in ("out/copy", "d/x", "d/s/y")} == {hashlib.sha256(BIG).hexdigest()}
    assert (flow.folder / "d/s/y").stat().st_mode & 0o777 == 0o700
    assert (share / "ref/made").read_text() == f"ref\n{share}/wf/big\n"
    assert flow.files()["o"].decode().endswith(f"{share}/wf/how\n")
    assert markers(share) == []
    assert not (flow.folder / ".mfmesos/shared.json").exists()
    assert not list((flow.folder / ".mfmesos").glob("incoming*"))
    assert "2 of them in an earlier run" in flow.run("--shared-fs", str(share), "tasks.jsonl").out
    (share / "ref/a").write_text("new\n")
    dry = flow.run("--shared-fs", str(share), "--dry-run", "tasks.jsonl")
    assert f"{share}/ref/a changed" in dry.out
    assert dry.out.count("would run") + dry.out.count("changed") >= 1
    (flow.folder / "big").write_bytes(BIG[::-1])
    assert flow.run("--shared-fs", str(share), "tasks.jsonl").code == 0
    assert sha256(flow.folder / "d/x") == hashlib.sha256(BIG[::-1]).hexdigest()


def test_a_failed_task_publishes_nothing(embedded_mesos, share: Path):
    """All outputs or none, as ever."""
    flow = Flow(share / "wf", embedded_mesos)
    (flow.folder / "big").write_bytes(BIG)
    lines(flow, {"command": "cp big a; cp big b; false", "inputs": ["big"], "outputs": ["a", "b"]},
          {"command": "cp big c", "inputs": ["big"], "outputs": ["c", "e"]})
    ended = flow.run("--shared-fs", str(share), "--keep-going", "tasks.jsonl")
    assert ended.code == 1
    assert sorted(flow.files()) == ["big", "mesos_task_state", "tasks.jsonl"]
    assert "output e missing" in ended.out


def test_a_kill_in_the_middle(embedded_mesos, tmp_path, share: Path):
    """The scheduler dies while the task runs: the next one finds the same marker, and publishes what the executor has
    put into the shared folder; nothing runs twice."""
    flow = Flow(share / "wf", embedded_mesos)
    (flow.folder / "big").write_bytes(BIG)
    go = tmp_path / "go"
    lines(flow, {"command": f"echo x >> {tmp_path}/ran; until [ -e {go} ]; do sleep 0.05; done; cp big a; cp big b",
                 "inputs": ["big"], "outputs": ["a", "b"]})
    argv = ("run", "--master", embedded_mesos.master, "--shared-fs", str(share), "tasks.jsonl")
    first = flow.start(*argv)
    wait_until(lambda: (tmp_path / "ran").exists(), 30, "the task")
    before = markers(share)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    go.touch()
    wait_until(lambda: (flow.folder / ".mfmesos/incoming").exists() and len(
        [p for p in (flow.folder / ".mfmesos/incoming").iterdir() if p.stat().st_size == len(BIG)]) == 2, 30, "outputs")
    second = flow.start(*argv)
    assert flow.end(second).code == 0
    assert len(before) == 1
    assert (tmp_path / "ran").read_text() == "x\n"
    assert sha256(flow.folder / "a") == sha256(flow.folder / "b") == hashlib.sha256(BIG).hexdigest()
    assert markers(share) == []


def test_a_killed_run_leaves_a_marker_for_clean(embedded_mesos, tmp_path, share: Path):
    """`mfmesos clean` removes it."""
    flow = Flow(tmp_path / "wf", embedded_mesos)
    lines(flow, {"command": f"test -d {share}; touch {tmp_path}/ran; sleep 60"})
    first = flow.start("run", "--master", embedded_mesos.master, "--shared-fs", str(share), "tasks.jsonl")
    wait_until(lambda: (tmp_path / "ran").exists(), 30, "the task")
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert len(markers(share)) == 1
    ended = flow.end(flow.start("clean", str(flow.folder)))
    assert ended.code == 0, ended.out
    assert markers(share) == []


class Blind(EmbeddedMesos):
    """A cluster in whose mount namespace another folder lies over the shared one."""

    share = ""

    def command(self, ready: Path) -> list[str]:
        return ["unshare", "-m", "sh", "-c", f"mount -t tmpfs none {self.share} && exec \"$@\"", "sh",
                *super().command(ready)]


def test_no_agent_has_it(tmp_path, share: Path):
    """The folder is there on all agents, but another one: each agent is named once, the tasks that use it fail with
    that reason, and others run."""
    need_mounts()
    Blind.share = str(share)
    cluster = Blind(agents=2)
    try:
        flow = Flow(tmp_path / "wf", cluster)
        (share / "in").write_text("1\n")
        lines(flow, *({"command": f"cat {share}/in > o{i}", "inputs": [f"{share}/in"], "outputs": [f"o{i}"]}
                      for i in range(4)), {"command": "echo 1 > p", "outputs": ["p"]})
        ended = flow.run("--plain", "--keep-going", "--shared-fs", str(share), "tasks.jsonl")
    finally:
        cluster.stop()
    assert ended.code == 1
    reasons = {e["task"]: e["reason"] for e in flow.report()}
    assert reasons.pop(5) == ""
    assert {r.split(" (")[0] for r in reasons.values()} == {f"no agent has the shared folder {share}"}
    assert 1 <= ended.out.count("does not have the shared folder") <= 2
    assert "avoided" not in ended.out
    assert sorted(flow.files()) == ["mesos_task_state", "p", "tasks.jsonl"]
    assert markers(share) == []


def test_one_agent_has_it(make_real_mesos, tmp_path, share: Path):
    """A real Mesos with two agents, on one of which another folder lies over the shared one: all tasks finish at the
    other, and at no cost."""
    need_mounts()
    programs = tmp_path / "programs"
    programs.mkdir()
    python = programs / "python3"
    python.write_text(f"""#!/bin/sh
case "$MESOS_SANDBOX" in
*/agents/0/*) exec unshare -m sh -c 'mount -t tmpfs none {share} && exec "$@"' sh {sys.executable} "$@" ;;
esac
exec {sys.executable} "$@"
""")
    python.chmod(0o755)
    cluster = make_real_mesos(agents=2, flags={"executor_environment_variables": json.dumps(
        {"PATH": f"{programs}:{PATH}"})})
    flow = Flow(share / "wf", cluster)
    lines(flow, *({"command": f"cp in o{i}; sleep 0.3", "inputs": ["in"], "outputs": [f"o{i}"]} for i in range(12)))
    (flow.folder / "in").write_bytes(BIG)
    with nothing_stays(cluster):
        ended = flow.run("--plain", "-v", "--shared-fs", str(share), "tasks.jsonl")
    assert ended.code == 0, ended.out
    assert {sha256(flow.folder / f"o{i}") for i in range(12)} == {hashlib.sha256(BIG).hexdigest()}
    assert ended.out.count("tasks that use it run elsewhere") == 1
    assert "avoided" not in ended.out


def test_makeflow(embedded_mesos, tmp_path, share: Path):
    """makeflow learns of the folder, and leaves absolute names in it to the commands; its own option does the same. So
    does a workflow below the folder, with relative names in place."""
    need_makeflow()
    given = ["--shared-fs", str(share)]
    for folder, options, own in ((tmp_path / "a", given, []), (tmp_path / "b", [], given), (share / "wf", given, [])):
        flow = Flow(folder, embedded_mesos)
        (share / "in").write_text("1\n")
        flow.write("Makeflow", "out: S/in\n\tcat S/in > out\n\nS/made: out\n\tcp out S/made\n\n"
                               "last: S/made\n\tcat S/made > last\n".replace("S", str(share)))
        started = flow.start("makeflow", "--master", embedded_mesos.master, *options, "--", *own, "Makeflow")
        ended = flow.end(started)
        assert ended.code == 0, ended.out
        assert flow.files()["last"] == b"1\n"
        assert markers(share) == []
        (share / "made").unlink()
