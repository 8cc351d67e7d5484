"""work_queue_factory with our scheduler, real programs throughout: makeflow -T wq gets its workers from Mesos.

The catalog server is one of the test's own, on loopback.
"""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from clusters import Cluster
from flows import MFMESOS, Flow, nothing_stays, plain_makeflow, steady
from pools import EXAMPLES, PROJECT, Catalog, WorkerFlow, catalog_for_foremen, foreman, sleepers, start_manager
from support import wait_until

SIZE = ("--cores", "1", "--memory", "600", "--disk", "300")
RECORDS = ("mesos_task_info", "mesos_task_state", "mesos_done")


class Factory(WorkerFlow):
    """A folder in which the factory is started."""

    def __init__(self, folder: Path, cluster: Cluster, catalog: Catalog) -> None:
        super().__init__(folder, cluster, catalog, f"wq-factory-{os.getuid()}")

    def factory(self, *args: str, own: Sequence[str] = ()) -> subprocess.Popen[str]:
        """mfmesos factory --master ... OWN -- ARGS, for the project and the catalog of the test."""
        process = self.start("factory", "--master", self.cluster.master, *own, "--", "-M", PROJECT,
                             "--catalog", self.catalog.address, *args)
        self.started.append(process)
        return process


@pytest.fixture
def factory(cluster: Cluster, tmp_path: Path, catalog: Catalog) -> Iterator[Factory]:
    """An empty folder for a factory; afterwards nothing is left on the agents, and no framework registered."""
    made = Factory(tmp_path / "factory", cluster, catalog)
    with nothing_stays(cluster):
        yield made
        made.kill_started()  # of a test that failed
    assert not [name for name in RECORDS if (made.work / name).exists()]


@pytest.mark.parametrize("example", ["features", "sweep", "wordcount", "blast"])
def test_a_workflow_by_workers(factory: Factory, catalog: Catalog, tmp_path: Path, example: str) -> None:
    """An example under makeflow -T wq makes what it makes under -T local; Ctrl-C on the factory ends it with 0.

    Workers prove that they know the password. One example has its workers' program from a shared folder, and peers;
    one has a page, in the factory's own folder.
    """
    plain = tmp_path / "plain" / example
    shutil.copytree(EXAMPLES / example, plain)
    plain_makeflow(plain)
    flow = Flow(tmp_path / "flow" / example, factory.cluster)
    shutil.copytree(EXAMPLES / example, flow.folder, dirs_exist_ok=True)
    password = str(factory.write("password", "open sesame\n"))
    manager = start_manager(flow, catalog, "--password", password)
    own = {"sweep": ("--peer-transfers", "--shared-fs", str(tmp_path)), "features": ("--web",)}.get(example, ())
    process = factory.factory("-P", password, "-w", "1", "-W", "3", "-t", "60", *SIZE, own=own)
    try:
        ended = flow.end(manager, 90)
        assert ended.code == 0, ended.out + factory.log()
        assert "--web" not in own or 'engine="factory"' in factory.metrics()
    finally:
        said = factory.interrupt(process)
    assert said.code == 0, said.out
    assert "failed" not in said.out
    assert steady(flow.files()) == steady(Flow(plain, factory.cluster).files())


def test_through_a_foreman(cluster: Cluster, tmp_path: Path) -> None:
    """-F: workers go to a foreman of that name, which has its tasks from the manager."""
    catalog = catalog_for_foremen(tmp_path / "catalog")
    factory = Factory(tmp_path / "factory", cluster, catalog)
    flow = Flow(tmp_path / "flow", cluster)
    shutil.copytree(EXAMPLES / "pool", flow.folder, dirs_exist_ok=True)
    manager = start_manager(flow, catalog)
    try:
        with foreman("fore", catalog, tmp_path), nothing_stays(cluster):
            process = factory.factory("-F", "fore", "-w", "2", "-W", "2", *SIZE)
            ended = flow.end(manager, 90)
            assert ended.code == 0, ended.out + factory.log()
            assert (flow.folder / "pi.txt").exists()
            assert factory.interrupt(process).code == 0
    finally:
        catalog.stop()


def test_ctrl_c_ends_working_workers(factory: Factory, catalog: Catalog, tmp_path: Path) -> None:
    """While tasks run in them: workers leave their manager, and nothing of them or of their tasks stays."""
    flow = Flow(tmp_path / "flow", factory.cluster)
    seconds = f"300.6{os.getpid()}"
    flow.write("Makeflow", "CORES=1\nMEMORY=50\nDISK=50\n" + "".join(
        f"{name}:\n\tsleep {seconds}; echo > {name}\n\n" for name in "ab"))
    manager = start_manager(flow, catalog)
    process = factory.factory("-w", "2", "-W", "2")
    try:
        wait_until(lambda: len(sleepers(seconds)) == 2, 40, "two tasks at work")
        said = factory.interrupt(process)
        assert said.code == 0, said.out
        assert said.line_with("stopping: work_queue_factory ends", "its workers")
        wait_until(lambda: not sleepers(seconds), 20, "the tasks to be gone")
        assert manager.poll() is None  # it waits for other workers
    finally:
        manager.send_signal(signal.SIGINT)
        assert "aborted" in flow.end(manager, 30).out


def engine_of(launcher: subprocess.Popen[str]) -> psutil.Process:
    """The real work_queue_factory below the launcher."""
    return next(p for p in psutil.Process(launcher.pid).children() if p.name().startswith("work_queue_fact"))


def test_a_killed_worker_is_replaced(factory: Factory) -> None:
    """-w 2 keeps two workers, manager or no manager; one that is killed is started again within seconds."""
    process = factory.factory("-w", "2", "--autosize")
    try:
        wait_until(lambda: factory.connected(2), 30, "two workers")
        first = {w.pid for w in factory.workers()}
        assert {tuple(w.cmdline()[-3:]) for w in factory.workers()} == {
            ("--cores=1", "--memory=512", "--disk=1024")}  # what each was given, not the whole machine
        killed = min(first)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: factory.connected(2) and killed not in {w.pid for w in factory.workers()}, 10,
                   "the killed worker to be replaced")
        assert len(first & {w.pid for w in factory.workers()}) == 1
    finally:
        said = factory.interrupt(process)
    assert said.code == 0, said.out


def test_told_to_hang_up(factory: Factory) -> None:
    """SIGHUP, which the factory itself would ignore, ends it with its workers as well."""
    process = factory.factory("-w", "1")
    wait_until(lambda: factory.connected(1), 30, "a worker")
    process.send_signal(signal.SIGHUP)
    ended = factory.end(process, 40)
    assert ended.code == 0, ended.out


def test_the_factory_is_killed(factory: Factory) -> None:
    """kill -9 of work_queue_factory: its workers end within seconds, and the launcher reports why."""
    process = factory.factory("-w", "1")
    wait_until(lambda: factory.connected(1), 30, "a worker")
    engine = engine_of(process)
    engine.kill()
    ended = factory.end(process, 40)
    assert ended.code == 137, ended.out
    ended.line_with("work_queue_factory was killed by SIGKILL")


def test_no_worker_is_wanted(factory: Factory) -> None:
    """-w 0 without a manager: no worker, no busy loop, and it ends at once on request."""
    process = factory.factory("-w", "0")
    wait_until(lambda: process.poll() is not None or factory.cluster.get("/state")["frameworks"], 30, "a framework")
    engine = engine_of(process)
    process.send_signal(signal.SIGTERM)
    ended = factory.end(process, 20)
    assert ended.code == 0, ended.out
    assert not engine.is_running()


def test_plain_factory_after_link(factory: Factory, catalog: Catalog, tmp_path: Path) -> None:
    """work_queue_factory -T mesos --mesos-master=... itself, once our scheduler is linked beside it."""
    bindir = tmp_path / "bin"
    bindir.mkdir()
    shutil.copy(str(shutil.which("work_queue_factory")), bindir)
    subprocess.run([*MFMESOS, "link", str(bindir)], check=True, timeout=30)
    process = subprocess.Popen(
        [str(bindir / "work_queue_factory"), "-T", "mesos", f"--mesos-master={factory.cluster.master}", "-M", PROJECT,
         "--catalog", catalog.address, "-w", "2"], cwd=factory.folder, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        wait_until(lambda: factory.connected(2), 40, "two workers")
    finally:
        ended = factory.interrupt(process)
    assert ended.code == 0, ended.out
    wait_until(lambda: not factory.cluster.get("/state")["frameworks"], 20, "the scheduler to end")
    subprocess.run([*MFMESOS, "unlink", str(bindir)], check=True, timeout=30)
    assert [p.name for p in bindir.iterdir()] == ["work_queue_factory"]
