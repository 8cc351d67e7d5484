"""The pool with the real TaskVine and Work Queue of cctools' main branch (make test-vine), and the stand-in that other
tests use held against them."""
from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import MakeCluster
from flows import nothing_stays
from managers import recorded
from pools import Catalog
from support import need, wait_until
from test_endtoend_pool import PoolFlow, wait_for_line
from vine import RealManager, managers, vine

from mfmesos.engines.catalog import parse
from mfmesos.engines.manager import Access, Password, ask
from mfmesos.engines.pool_worker import Protocol, protocol_of

__all__ = ["managers", "vine"]

MakeManager = Callable[..., RealManager]
KINDS = ["taskvine", "workqueue"]
WORKERS = {"taskvine": "vine_worker", "workqueue": "work_queue_worker"}
pytestmark = pytest.mark.parametrize("make_cluster", ["embedded"], indirect=True)


@pytest.fixture
def pool(vine: Path, make_cluster: MakeCluster, tmp_path: Path, catalog: Catalog) -> Iterator[PoolFlow]:
    """A pool's folder, and an embedded cluster of two agents with 4 cores each."""
    made = PoolFlow(tmp_path / "pool", make_cluster(resources="cpus:4;mem:3000;disk:20000", agents=2), catalog)
    with nothing_stays(made.cluster):
        yield made
        made.kill_started()


def serve(pool: PoolFlow, prefix: Path, one: RealManager, *args: str) -> subprocess.Popen[str]:
    """A pool for one manager, with today's workers."""
    process = pool.start("pool", "--master", pool.cluster.master, "--manager", f"127.0.0.1:{one.port}",
                         *(word for name in WORKERS.values() for word in ("--worker", str(prefix / "bin" / name))),
                         *args)
    pool.started.append(process)
    return process


def raw(port: int, words: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{words}", timeout=10) as answer:
        return answer.read()


def kinds_of(value: Any) -> Any:
    """The types in an answer: names and texts do not matter, numbers may be whole or not."""
    if isinstance(value, dict):
        return {key: kinds_of(one) for key, one in value.items() if not key.startswith("current_task_")}
    return float if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_stand_in_answers_as_the_real_one(vine: Path, managers: MakeManager, kind: str,
                                              make_cluster: MakeCluster, tmp_path: Path) -> None:
    """The recorded answers have the fields and types of the real ones, and the real one's statistics stay clean."""
    one = managers(kind)
    one.submit("sleep 30", 3, cores=4, memory=400, disk=100)
    worker = subprocess.Popen(
        [vine / "bin" / WORKERS[kind], "--cores=5", "--memory=1000", "--disk=2000", "--single-shot", "-s", tmp_path,
         "127.0.0.1", str(one.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: one.stats()["tasks_running"] == 1, 20, "a running task")
        answer = asyncio.run(ask("127.0.0.1", one.port))
        assert answer.status is not None
        assert answer.status.largest.cores == 4
        assert [who.cores for who in answer.workers or ()] == [5]
        status = parse(raw(one.port, "resources_status"), "m", ("127.0.0.1", one.port))
        assert status.managers[0].protocol == answer.status.protocol
        for words, name in (("resources_status", "status"), ("worker_status", "workers")):
            real = kinds_of(json.loads(raw(one.port, words))[0])
            ours = kinds_of(recorded(f"{name}-{kind}-main")[0])
            for key in ("project", "workers_blocked"):  # present in some states only
                real.pop(key, None)
                ours.pop(key, None)
            assert real == ours
        assert one.stats()["workers_lost"] == 0
    finally:
        worker.terminate()  # killed, TaskVine's would leave its transfer server
        worker.wait(60)


@pytest.mark.parametrize("kind", KINDS)
def test_access(managers: MakeManager, kind: str, tmp_path: Path, make_cluster: MakeCluster) -> None:
    """Password and TLS are found by asking, without a lost worker; what is wrong is told apart."""
    (tmp_path / "pw").write_text("sesame\n")
    right, wrong = Password("/right", b"sesame\n"), Password("/wrong", b"x")
    for ssl in (False, True):
        one = managers(kind, ssl=ssl, password=str(tmp_path / "pw"))
        where = ("127.0.0.1", one.port)
        assert "requires a password" in asyncio.run(ask(*where)).refuses
        assert "is a different one" in asyncio.run(ask(*where, Access(), (wrong,))).refuses
        answer = asyncio.run(ask(*where, Access(), (wrong, right)))
        assert answer.status is not None
        assert answer.access == Access(tls=ssl, password=right)
        assert one.stats()["workers_lost"] == 0


def test_the_protocols(vine: Path, make_cluster: MakeCluster) -> None:
    """What today's workers speak is found by starting them."""
    assert protocol_of(vine / "bin" / "vine_worker") == Protocol("vine_worker", 13)
    assert protocol_of(vine / "bin" / "work_queue_worker") == Protocol("work_queue_worker", 11)


@pytest.mark.parametrize("kind", KINDS)
def test_tasks_of_any_size(vine: Path, pool: PoolFlow, managers: MakeManager, kind: str) -> None:
    """One task of 4 cores, three of 4 cores at once, then small and large ones together: all run; later tasks start
    soon, idle workers leave, and none counts as lost but those that left: no question does."""
    one = managers(kind)
    process = serve(pool, vine, one)
    one.submit("sleep 0.1", cores=4, memory=100, disk=50)
    one.wait_for(1, 40)
    one.submit("sleep 0.1", 3, cores=4, memory=100, disk=50)
    one.wait_for(4, 40)
    one.submit("sleep 0.1", 10, cores=1, memory=100, disk=50)
    one.submit("sleep 0.1", cores=4, memory=100, disk=50)
    one.wait_for(15, 60)
    wait_until(lambda: one.stats()["workers_connected"] == 0, 60, "the idle workers to leave")
    one.submit("sleep 0.1", cores=1, memory=100, disk=50)
    one.wait_for(16, 30)
    stats = one.stats()
    # TaskVine counts each worker whose connection ends as lost, also one that it has let go.
    assert stats["workers_lost"] <= (stats["workers_removed"] if kind == "taskvine" else 0)
    assert pool.interrupt(process).code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_tasks_without_a_request(vine: Path, pool: PoolFlow, managers: MakeManager, kind: str) -> None:
    """Each takes a whole worker: eight run at once on eight cores."""
    one = managers(kind)
    process = serve(pool, vine, one)
    one.submit("sleep 8", 8)
    wait_until(lambda: (row := pool.row()) is not None and row.tasks_running == 8, 40, "eight running tasks")
    one.wait_for(8, 40)
    assert pool.interrupt(process).code == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ssl", [False, True], ids=["clear", "tls"])
def test_passwords_and_tls(vine: Path, pool: PoolFlow, managers: MakeManager, kind: str, ssl: bool) -> None:
    """Without the password nothing starts and the reason is told; with several, the right one is used."""
    right, wrong = pool.write("right", "sesame\n", mode=0o600), pool.write("wrong", "x\n", mode=0o600)
    one = managers(kind, ssl=ssl, password=str(right))
    one.submit("sleep 0.1", cores=1, memory=100, disk=50)
    process = serve(pool, vine, one)
    assert "name its file with --password" in wait_for_line(process, "requires a password")
    assert pool.interrupt(process).code == 0
    process = serve(pool, vine, one, "--password", str(wrong), "--password", str(right))
    one.wait_for(1, 40)
    assert one.stats()["workers_lost"] == 0
    assert pool.interrupt(process).code == 0


def test_three_programs_for_three_protocols(vine: Path, pool: PoolFlow, managers: MakeManager, catalog: Catalog,
                                            make_cluster: MakeCluster) -> None:
    """One pool serves TaskVine, today's Work Queue and Debian's, each by the worker with its protocol; without it, the
    status names what is missing."""
    ones = [managers(kind, name=f"q-{kind}", catalog=catalog.address) for kind in KINDS]
    for one in ones:
        one.submit("sleep 0.1", 2, cores=1, memory=100, disk=50)
    old = shutil.which("work_queue_worker")
    assert old is not None
    process = pool.pool("q-.*", "--worker", old)
    wait_until(lambda: (row := pool.row()) is not None and row.why_not_more, 30, "the reason")
    row = pool.row()
    assert row is not None
    assert "needs a " in row.why_not_more
    assert pool.interrupt(process).code == 0
    assert [one.ended for one in ones] == [[], []]
    programs = [old, *(str(vine / "bin" / name) for name in WORKERS.values())]
    process = pool.pool("q-.*", *(word for name in programs for word in ("--worker", name)))
    for one in ones:
        one.wait_for(2, 40)
        assert one.stats()["workers_lost"] == 0
    assert pool.interrupt(process).code == 0


def test_makeflow_by_task_vine(vine: Path, pool: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """makeflow -T vine gets its workers from the pool."""
    folder = tmp_path / "flow"
    folder.mkdir()
    (folder / "Makeflow").write_text("".join(f"CORES=1\nMEMORY=50\nDISK=50\no{i}:\n\techo {i} > o{i}\n\n"
                                             for i in range(5)))
    flow = subprocess.Popen([vine / "bin" / "makeflow", "-T", "vine", "-N", "mv", "-p", "0", "-C", catalog.address],
                            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={**os.environ, "PATH": f"{vine / 'bin'}:{os.environ['PATH']}"}, text=True)
    catalog.told.append(flow)
    process = pool.pool("mv", "--worker", str(vine / "bin" / "vine_worker"))
    assert flow.wait(60) == 0
    assert [(folder / f"o{i}").read_text() for i in range(5)] == [f"{i}\n" for i in range(5)]
    assert pool.interrupt(process).code == 0


def test_the_only_copy_of_a_temporary_file(vine: Path, pool: PoolFlow, managers: MakeManager) -> None:
    """Of two idle workers the one without it ends; the other stays, while there are tasks, for the one that reads it:
    TaskVine has to make nothing again."""
    one = managers("taskvine")
    process = serve(pool, vine, one, "--cores", "1", "--memory", "200", "--disk", "200", "--idle", "2")
    one.submit("sleep 10; echo 7 > made", makes="made", cores=1, memory=50, disk=50)
    one.submit("sleep 10", cores=1, memory=50, disk=50)
    one.submit("sleep 30", cores=1, memory=50, disk=50)
    wait_until(lambda: one.stats()["workers_connected"] == 3, 40, "a worker for each")
    one.wait_for(2, 60)
    wait_until(lambda: one.stats()["workers_connected"] == 2, 40, "the idle worker without a file to leave")
    one.wait_for(3, 60)
    one.submit("cat made", reads="made", cores=1, memory=50, disk=50)
    one.wait_for(4, 40)
    stats = one.stats()
    assert one.outputs[-1] == "7"
    assert (stats["tasks_recovery"], stats["workers_joined"]) == (0, 3)
    assert pool.interrupt(process).code == 0


def test_an_environment_for_python_tasks(vine: Path, pool: PoolFlow, managers: MakeManager, tmp_path: Path,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive travels with the worker: functions find its modules. It is unpacked once for three tasks."""
    monkeypatch.setenv("PATH", str(vine / "bin"), prepend=os.pathsep)
    packages = next(vine.glob("lib/python3*/site-packages"))
    archive = environment(tmp_path / "made", packages, unpacked=tmp_path / "unpacked")
    one = managers("taskvine")
    process = serve(pool, vine, one, "--python-env", str(archive), "--max", "1")
    one.submit("", 3, imports="only_in_there", cores=1, memory=50, disk=50)
    one.wait_for(3, 60)
    assert one.outputs == ["found"] * 3
    assert (tmp_path / "unpacked").read_text() == "once\n"
    assert pool.interrupt(process).code == 0


def environment(folder: Path, packages: Path, unpacked: Path) -> Path:
    """An archive as conda-pack makes it, with the system's Python, cloudpickle, and a module of its own. Unpacking it
    adds a line to the file `unpacked`."""
    scripts = {"activate": 'export PATH="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd):$PATH"\n',
               "conda-unpack": f"#!/bin/sh\necho once >> {unpacked}\n",
               "python3": '#!/bin/sh\nPYTHONPATH="$(dirname "$0")/../lib" exec /usr/bin/python3 "$@"\n'}
    for name, text in scripts.items():
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    shutil.copytree(packages / "cloudpickle", folder / "lib" / "cloudpickle")
    (folder / "lib" / "only_in_there.py").write_text("NAME = 'found'\n")
    archive = folder.parent / "environment.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(folder, ".")
    return archive


@pytest.mark.parametrize("kind", KINDS)
def test_a_blocked_host(vine: Path, pool: PoolFlow, managers: MakeManager, kind: str) -> None:
    """While the manager has blocked the agents' host no worker starts there; then its tasks run."""
    one = managers(kind)
    one.block("localhost", on=True)
    one.submit("sleep 0.1", cores=1, memory=50, disk=50)
    process = serve(pool, vine, one)
    assert "a manager has blocked this host" in wait_for_line(process, "blocked this host")
    assert one.stats()["workers_joined"] == 0
    one.block("localhost", on=False)
    one.wait_for(1, 60)
    assert pool.interrupt(process).code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_announced_tasks(vine: Path, pool: PoolFlow, managers: MakeManager, kind: str) -> None:
    """A worker waits for each two tasks that were only announced (tasks_left, --tasks-per-worker); it stays though it
    has idled for longer than --idle, and runs them."""
    one = managers(kind)
    one.announce(6)
    process = serve(pool, vine, one, "--cores", "1", "--memory", "200", "--disk", "200", "--tasks-per-worker", "2",
                    "--idle", "1")
    wait_until(lambda: pool.has(3), 60, "three workers")
    row = wait_until(lambda: (row := pool.row()) and row.idle == 3 and row, 40, "three idle workers")
    assert (row.tasks_waiting, row.needs, row.workers) == (0, 3, 3)
    one.announce(0)
    one.submit("sleep 0.1", 6, cores=1, memory=50, disk=50)
    one.wait_for(6, 60)
    assert one.stats()["workers_joined"] == 3
    assert pool.interrupt(process).code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_capacity(vine: Path, pool: PoolFlow, managers: MakeManager, kind: str) -> None:
    """With -c a pool asks for no more cores than the manager can keep busy, as it reports: 10 before it has measured
    any task."""
    one = managers(kind)
    one.submit("sleep 60", 20, cores=1, memory=20, disk=20)
    process = serve(pool, vine, one, "-c", "--max", "1")
    wait_until(lambda: (row := pool.row()) is not None and row.tasks_waiting > 0, 60, "the manager")
    row = pool.row()
    assert row is not None
    assert row.needs == 10
    assert pool.interrupt(process).code == 0
    process = serve(pool, vine, one, "--max", "1")
    wait_until(lambda: (row := pool.row()) is not None and row.needs == 20, 60, "the need of all")
    assert pool.interrupt(process).code == 0


@pytest.mark.timeout(280)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_category_has_learned(vine: Path, managers: MakeManager, make_cluster: MakeCluster, tmp_path: Path,
                                     catalog: Catalog, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that request nothing, and need more memory than a core's part of an agent: the first gets a larger worker
    and is measured; the workers of the others have at least as much for each."""
    pool = PoolFlow(tmp_path / "pool", make_cluster(resources="cpus:4;mem:1800;disk:20000", agents=1), catalog)
    monkeypatch.setenv("PATH", str(vine / "bin"), prepend=os.pathsep)  # for resource_monitor
    one = managers(kind)
    one.learn("large")
    takes = "head -c {}00000000 /dev/zero | tail | sleep 3; echo fits"
    memory_mb: list[float] = []
    firsts = 0

    def all_ended() -> bool:
        workers = json.loads(raw(one.port, "worker_status"))
        memory_mb.extend(who["memory_total"] / who["cores_total"] for who in workers if who["total_tasks_running"])
        return len(one.ended) == firsts + 4
    with nothing_stays(pool.cluster):
        process = serve(pool, vine, one)
        while "fits" not in one.outputs:  # Work Queue may try it in the small worker, where it ends unmeasured
            firsts += 1
            one.submit(takes.format(4), category="large")
            one.wait_for(firsts, 90)
        wait_until(lambda: one.stats()["workers_connected"] == 0, 60, "the idle workers to leave")
        one.submit(takes.format(2), 4, category="large")  # what is measured is never all that the next one uses
        wait_until(all_ended, 90, "all tasks")
        assert pool.interrupt(process).code == 0
    assert min(memory_mb) > 380


@pytest.mark.parametrize("kind", KINDS)
def test_from_python(vine: Path, pool: PoolFlow, catalog: Catalog, kind: str) -> None:
    """`with mfmesos.Pool(manager, ...)` serves a manager of ndcctools in the same program, as cctools' Factory does."""
    packages = next(vine.glob("lib/python3*/site-packages"))
    need(packages.parent.name == f"python3.{sys.version_info[1]}", "ndcctools is for another Python",
         f"run the tests with {packages.parent.name}")
    module, made, prefix = {"taskvine": ("taskvine", "Manager", "set"),
                            "workqueue": ("work_queue", "WorkQueue", "specify")}[kind]
    program = pool.write("program.py", f"""
import mfmesos
import ndcctools.{module} as module

manager = module.{made}(port=0)
for n in range(4):
    task = module.Task(f"echo {{n}} >> {pool.folder}/ran")
    task.{prefix}_cores(1)
    manager.submit(task)
with mfmesos.Pool(manager, master="{pool.cluster.master}", min=0, max=2, folder="{pool.work}",
                  worker="{vine / 'bin' / WORKERS[kind]}"):
    while not manager.empty():
        manager.wait(5)
""")
    done = subprocess.run([sys.executable, str(program)], cwd=pool.folder, capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": f"{packages}:{Path(__file__).parents[2]}"})
    assert done.returncode == 0, done.stderr
    assert sorted((pool.folder / "ran").read_text().split()) == ["0", "1", "2", "3"]


def test_debug_logs(vine: Path, pool: PoolFlow, managers: MakeManager) -> None:
    """With --debug-workers idle workers of TaskVine leave by themselves, so that their logs come back."""
    one = managers("taskvine")
    process = serve(pool, vine, one, "--debug-workers", "--idle", "1", "--max", "1")
    one.submit("sleep 0.1", cores=1, memory=50, disk=50)
    one.wait_for(1, 60)
    log = wait_until(lambda: [*pool.work.glob("worker-*.debug")], 60, "the debug log")
    assert "vine_worker" in log[0].read_text(errors="replace")
    assert pool.interrupt(process).code == 0
