"""Our own pool, real programs throughout: makeflow -T wq gets its workers from Mesos, without any factory program."""
from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from clusters import Cluster, MakeCluster
from flows import MFMESOS, Flow, nothing_stays, plain_makeflow, steady
from managers import manager
from pools import EXAMPLES, PROJECT, Catalog, WorkerFlow, catalog_for_foremen, foreman, start_manager
from support import free_port, wait_until

import mfmesos
from mfmesos.engines import pool_status
from mfmesos.engines.manager import ask
from mfmesos.engines.pool_status import Row

SMALL = ("--cores", "1", "--memory", "200", "--disk", "200")


class PoolFlow(WorkerFlow):
    """A folder in which the pool is started."""

    def __init__(self, folder: Path, cluster: Cluster, catalog: Catalog) -> None:
        super().__init__(folder, cluster, catalog, "mfmesos-pool")

    def pool(self, *args: str) -> subprocess.Popen[str]:
        """mfmesos pool --master ... --catalog ... ARGS."""
        process = self.start("pool", "--master", self.cluster.master, "--catalog", self.catalog.address, *args)
        self.started.append(process)
        return process

    def row(self) -> Row | None:
        """The pool's status of the one manager."""
        try:
            said = pool_status.read(self.work / ".mfmesos").managers
        except ValueError:
            return None
        return said[0] if said else None

    def has(self, workers: int) -> bool:
        """Whether the manager reports `workers` of our workers."""
        row = self.row()
        return row is not None and row.connected == workers


@pytest.fixture
def pool(cluster: Cluster, tmp_path: Path, catalog: Catalog) -> Iterator[PoolFlow]:
    """An empty folder for a pool; afterwards nothing is left on the agents, and no framework registered."""
    made = PoolFlow(tmp_path / "pool", cluster, catalog)
    with nothing_stays(cluster):
        yield made
        made.kill_started()  # of a test that failed


@pytest.fixture
def wide(make_cluster: MakeCluster, tmp_path: Path, catalog: Catalog) -> Iterator[PoolFlow]:
    """As `pool`, with a cluster of the test's own: 16 cores on two agents."""
    made = PoolFlow(tmp_path / "pool", make_cluster(resources="cpus:8;mem:6000;disk:20000"), catalog)
    with nothing_stays(made.cluster):
        yield made
        made.kill_started()


def end(flow: Flow, manager: subprocess.Popen[str]) -> None:
    """Kill a manager, whatever it still waits for. (On SIGTERM makeflow would wait for its running tasks.)"""
    manager.kill()
    flow.end(manager, 30)


def scheduler_of(launcher: subprocess.Popen[str]) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):
        for process in psutil.Process(launcher.pid).children():
            if "mfmesos.scheduler" in process.cmdline():
                return process
    return None


def pids(pool: PoolFlow) -> set[int]:
    return {w.pid for w in pool.workers()}


def sleeping(flow: Flow, count: int, seconds: str, cores: int = 1) -> None:
    """A Makeflow of `count` tasks."""
    flow.write("Makeflow", f"CORES={cores}\nMEMORY=50\nDISK=50\n" + "".join(
        f"out.{i}:\n\tsleep {seconds}; echo {i} > out.{i}\n\n" for i in range(count)))


@pytest.mark.parametrize("example", ["features", "sweep", "wordcount", "blast"])
def test_a_workflow_by_a_pool(pool: PoolFlow, catalog: Catalog, tmp_path: Path, example: str) -> None:
    """An example under makeflow -T wq makes what it makes under -T local; one of them with --peer-transfers, one with a
    page in a folder that is new.
    """
    plain = tmp_path / "plain" / example
    shutil.copytree(EXAMPLES / example, plain)
    plain_makeflow(plain)
    flow = Flow(tmp_path / "flow" / example, pool.cluster)
    shutil.copytree(EXAMPLES / example, flow.folder, dirs_exist_ok=True)
    more = {"sweep": ["--peer-transfers"], "features": ["--web"]}.get(example, [])
    process = pool.pool(PROJECT, "--max", "3", *more)
    manager = start_manager(flow, catalog)
    ended = flow.end(manager, 90)
    assert ended.code == 0, ended.out + pool.log()
    assert "--web" not in more or 'engine="pool"' in pool.metrics()
    said = pool.interrupt(process)
    assert said.code == 0, said.out
    assert "failed" not in said.out
    assert steady(flow.files()) == steady(Flow(plain, pool.cluster).files())


def test_the_pool_example(pool: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """The example with its own pool.json, as its README describes; nothing of it is left to do afterwards."""
    flow = Flow(tmp_path / "flow", pool.cluster)
    shutil.copytree(EXAMPLES / "pool", flow.folder, dirs_exist_ok=True)
    process = pool.pool("--config", str(flow.folder / "pool.json"))
    assert flow.end(start_manager(flow, catalog, project="darts"), 90).code == 0
    assert (flow.folder / "pi.txt").read_text() == "3.14136\n"
    assert pool.interrupt(process).code == 0


@pytest.mark.parametrize("cluster", ["real"], indirect=True)
def test_zero_after_its_manager(pool: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """When the manager has ended, so do its workers, within a minute; the pool itself continues, without any claim."""
    flow = Flow(tmp_path / "flow", pool.cluster)
    sleeping(flow, 3, "0.5")
    process = pool.pool(PROJECT)
    assert flow.end(start_manager(flow, catalog), 60).code == 0
    wait_until(lambda: not pool.workers(), 60, "the pool to go to zero")
    wait_until(lambda: not pool.cluster.get("/state")["frameworks"][0]["tasks"], 20, "the claims to end")
    assert pool.interrupt(process).code == 0


def test_an_agent_is_lost(make_cluster: MakeCluster, catalog: Catalog, tmp_path: Path) -> None:
    """Its worker is started again on another agent, and the workflow continues."""
    cluster = make_cluster(agents=3)
    flow = Flow(tmp_path / "flow", cluster)
    sleeping(flow, 2, "100", cores=4)
    pool = PoolFlow(tmp_path / "pool", cluster, catalog)
    process = pool.pool(PROJECT)
    manager = start_manager(flow, catalog)
    wait_until(lambda: pool.has(2), 40, "two workers")
    before = pids(pool)
    used = {t["slave_id"] for f in cluster.get("/state")["frameworks"] for t in f["tasks"]}
    cluster.mark_agent_gone(min(used))
    wait_until(lambda: pool.has(2) and len(pids(pool) - before) == 1, 60, "a worker on the third agent")
    end(flow, manager)
    assert pool.interrupt(process).code == 0


@pytest.mark.parametrize("make_cluster", ["real"], indirect=True)
def test_eight_workers_survive(wide: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """A killed worker is replaced; those of a killed scheduler, of a Mesos that restarts and of a manager that is
    killed and comes again at its port, are the same as before; one that comes elsewhere is given eight of its own."""
    flow = Flow(tmp_path / "flow", wide.cluster)
    sleeping(flow, 100, "100")
    port = str(free_port())
    manager = start_manager(flow, catalog, "-p", port)
    process = wide.pool(PROJECT, "--min", "8", "--max", "8", *SMALL)
    try:
        wait_until(lambda: wide.has(8), 40, "eight workers")
        first = pids(wide)
        killed = min(first)
        psutil.Process(killed).kill()
        wait_until(lambda: len(pids(wide) - {killed}) == 8 and wide.has(8), 30, "the killed worker to be replaced")
        eight = pids(wide)
        assert len(eight & first) == 7

        old = scheduler_of(process)
        assert old is not None
        old.kill()
        said_before = pool_status.read(wide.work / ".mfmesos").written_at
        wait_until(lambda: told_since(wide, said_before) and wide.has(8), 40, "another scheduler that knows of them")
        assert pids(wide) == eight

        wide.cluster.restart()
        wait_until(lambda: registered(wide, 8), 60, "the claims to be known again")
        said_before = pool_status.read(wide.work / ".mfmesos").written_at
        wait_until(lambda: told_since(wide, said_before) and wide.has(8), 20, "eight workers")
        assert pids(wide) == eight

        end(flow, manager)
        manager = start_manager(flow, catalog, "-p", port)
        said_before = pool_status.read(wide.work / ".mfmesos").written_at
        wait_until(lambda: told_since(wide, said_before + 2) and wide.has(8), 40, "the workers to connect again")
        assert pids(wide) == eight
        end(flow, manager)
        manager = start_manager(flow, catalog, "-p", str(free_port()))
        wait_until(lambda: wide.has(8) and not pids(wide) & eight, 60, "workers of the manager that came elsewhere")
    finally:
        end(flow, manager)
    said = wide.interrupt(process)
    assert said.code == 0, said.out
    assert "took over 8 workers" in said.out


def told_since(pool: PoolFlow, written_at: float) -> bool:
    return pool_status.read(pool.work / ".mfmesos").written_at > written_at


def registered(pool: PoolFlow, tasks: int) -> bool:
    """Whether the master lists `tasks` running claims."""
    try:
        frameworks = pool.cluster.get("/state")["frameworks"]
    except OSError:
        return False
    return [sum(t["state"] == "TASK_RUNNING" and "." not in t["id"] for t in f["tasks"]) for f in frameworks] == [tasks]


@pytest.mark.parametrize("make_cluster", ["real"], indirect=True)
def test_shares_by_weight(wide: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """Two projects of 200 tasks at weights 1 and 3: of the cores in use while both have work, three quarters are the
    heavier one's, within 15 %. Idle workers of the one that is done go to the other."""
    (wide.folder / "pool.json").write_text(json.dumps(
        {"projects": {name: {"weight": weight, "worker": {"cores": 1, "memory": 150, "disk": 150}}
                      for name, weight in (("light", 1), ("heavy", 3))}}))
    managers = {}
    for name in ("light", "heavy"):
        flow = Flow(tmp_path / name, wide.cluster)
        sleeping(flow, 200, "1.5")
        managers[name] = (flow, start_manager(flow, catalog, project=name))
    process = wide.pool("--config", str(wide.folder / "pool.json"), "--idle", "2")
    used = {"light": 0, "heavy": 0}
    seen = -1.0

    def both_have_had_work() -> bool:
        nonlocal seen
        try:
            said = pool_status.read(wide.work / ".mfmesos")
        except ValueError:
            return False
        if said.written_at == seen:
            return False
        seen = said.written_at
        running = {row.project: row.tasks_running for row in said.managers if row.tasks_waiting}
        if len(running) == 2 and all(running.values()):
            for name, count in running.items():
                used[name] += count
        return used["heavy"] > 0 and len(running) < 2
    wait_until(both_have_had_work, 90, "one project to have nothing waiting")
    assert used["heavy"] / used["light"] == pytest.approx(3, rel=0.15), used
    flow, manager = managers["heavy"]
    assert flow.end(manager, 60).code == 0
    wait_until(lambda: (row := wide.row()) is not None and row.project == "light" and row.connected > 4, 40,
               "the other project to be given more")
    end(*managers["light"])
    assert wide.interrupt(process).code == 0


def test_a_password(pool: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """Workers prove that they know the managers' password, and so does the pool when it asks; nobody else may read
    its copy."""
    flow = Flow(tmp_path / "flow", pool.cluster)
    sleeping(flow, 4, "2")
    password = flow.write("password", "open sesame\n", mode=0o600)
    manager = start_manager(flow, catalog, "--password", str(password))
    process = pool.pool(PROJECT, "--password", str(password))
    wait_until(lambda: (row := pool.row()) is not None and row.connected, 40, "a worker")
    assert flow.end(manager, 60).code == 0
    assert [oct(p.stat().st_mode & 0o777) for p in pool.work.glob("worker-password-*")] == ["0o600"]
    assert pool.interrupt(process).code == 0
    assert "sesame" not in pool.log()


def test_settings_change_while_it_runs(pool: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """pool.json is read again: an invalid one is reported in one line, and the previous settings stay; then a bound
    takes effect."""
    flow = Flow(tmp_path / "flow", pool.cluster)
    sleeping(flow, 20, "100")
    manager = start_manager(flow, catalog)
    pool.work.mkdir()
    file = pool.work / "pool.json"
    worker = {"cores": 1, "memory": 100, "disk": 100}
    file.write_text(json.dumps({"projects": {PROJECT: {"max": 1, "worker": worker}}}))
    process = pool.pool()
    wait_until(lambda: pool.has(1), 40, "one worker")
    file.write_text('{"projects": {"p": {"max": 3,\n "wieght": 2}}}')
    out = wait_for_line(process, "pool.json:2: p.wieght: unknown; did you mean 'weight'?")
    assert "the previous settings stay in force" in out
    assert pool.has(1)
    file.write_text(json.dumps({"projects": {PROJECT: {"max": 3, "worker": worker}}}))
    wait_until(lambda: pool.has(3), 40, "three workers")
    said = subprocess.run([*MFMESOS, "pool", "--status"], cwd=pool.folder, capture_output=True, text=True, timeout=30)
    assert "at its limit of 3 workers" in said.stdout
    file.write_text(json.dumps({"projects": {}}))
    wait_until(lambda: not pool.workers(), 40, "workers of a project that is not served any more to end")
    end(flow, manager)
    assert pool.interrupt(process).code == 0
    said = subprocess.run([*MFMESOS, "pool", "--status"], cwd=pool.folder, capture_output=True, text=True, timeout=30)
    assert (said.returncode, "no pool is running in this folder" in said.stderr) == (1, True)


def wait_for_line(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(f"it ended and did not say {words!r}")


@pytest.mark.parametrize("cluster", ["embedded"], indirect=True)
def test_the_catalog_is_down(pool: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """Existing workers are kept and still follow what their manager needs; the outage is reported once, and after it
    all is as before."""
    flow = Flow(tmp_path / "flow", pool.cluster)
    sleeping(flow, 3, "100")
    manager = start_manager(flow, catalog)
    process = pool.pool(PROJECT, *SMALL)
    wait_until(lambda: pool.has(3), 40, "three workers")
    catalog.process.kill()
    out = wait_for_line(process, f"catalog {catalog.address}: ")
    assert "existing workers are kept" in out
    psutil.Process(min(pids(pool))).kill()
    wait_until(lambda: pool.has(2), 10, "two workers")
    wait_until(lambda: pool.has(3), 40, "three workers")
    end(flow, manager)
    wait_until(lambda: not pool.workers(), 60, "the workers to end")
    assert pool.interrupt(process).code == 0


def test_workers_that_crash_at_their_start(pool: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """The last line of a failed worker is shown, the next worker is tried after a while, and the status explains it."""
    flow = Flow(tmp_path / "flow", pool.cluster)
    sleeping(flow, 3, "100")
    bad = flow.write("work_queue_worker", "#!/bin/sh\necho no such luck >&2\nexit 3\n", mode=0o755)
    manager = start_manager(flow, catalog)
    process = pool.pool(PROJECT, "--worker", str(bad))
    line = wait_for_line(process, "no such luck")
    assert "exit code 3" in line
    row = wait_until(lambda: (row := pool.row()) is not None and row.why_not_more and row, 10, "the reason")
    assert "workers end right after starting" in row.why_not_more
    assert "no such luck" in row.why_not_more
    end(flow, manager)
    assert pool.interrupt(process).code == 0


def test_libraries_travel_along(pool: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """A worker on an agent uses no library of the agent's, and its tasks none of the worker's."""
    flow = Flow(tmp_path / "flow", pool.cluster)
    flow.write("Makeflow", "CORES=1\nMEMORY=50\nDISK=50\nout:\n\tenv > out; cat /proc/self/maps >> out; sleep 4\n")
    manager = start_manager(flow, catalog)
    process = pool.pool(PROJECT)
    worker = wait_until(lambda: pool.has(1) and pool.workers(), 40, "a worker")[0]
    used = {line.path for line in worker.memory_maps() if ".so" in line.path}
    assert used
    assert not [path for path in used if "/worker-lib-work_queue_worker/" not in path], used
    assert flow.end(manager, 60).code == 0
    assert "worker-lib" not in (flow.folder / "out").read_text()
    assert pool.interrupt(process).code == 0


def test_one_manager_without_a_catalog(pool: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """--manager HOST:PORT needs no catalog, and no project either."""
    flow = Flow(tmp_path / "flow", pool.cluster)
    sleeping(flow, 2, "0.1")
    manager = start_manager(flow, catalog, "-Z", "port")
    port = (flow.folder / "port").read_text().strip()
    process = pool.start("pool", "--master", pool.cluster.master, "--manager", f"127.0.0.1:{port}")
    pool.started.append(process)
    assert flow.end(manager, 60).code == 0
    assert pool.interrupt(process).code == 0


@pytest.mark.parametrize("cluster", ["embedded"], indirect=True)
def test_a_manager_of_task_vine_gets_its_own_worker(
        pool: PoolFlow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manager's record decides which program works for it; the program gets its size and the manager's address."""
    told = tmp_path / "told"
    script = pool.write("bin/vine_worker", f"#!/bin/sh\necho $@ > {told}.new; mv {told}.new {told}; exec sleep 100\n",
                        mode=0o755)
    monkeypatch.setenv("PATH", str(script.parent), prepend=os.pathsep)
    with manager("taskvine-main", tasks_waiting=2, workers_connected=0) as one:
        port = one.port
        process = pool.start("pool", "--master", pool.cluster.master, "--manager", f"127.0.0.1:{port}", *SMALL)
        pool.started.append(process)
        words = wait_until(lambda: told.exists() and told.read_text(), 30, "the worker").split()
        assert words[:1] == ["--cores=1"]
        assert words[-2:] == ["127.0.0.1", str(port)]
        assert pool.interrupt(process).code == 0
        assert one.lost == 0


@pytest.mark.parametrize("cluster", ["embedded"], indirect=True)
def test_a_worker_that_the_user_started(pool: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """Its cores are subtracted from the need; the catalog lists the pool as a factory; a pipe shows whole addresses."""
    flow = Flow(tmp_path / "flow", pool.cluster)
    sleeping(flow, 3, "100")
    manager = start_manager(flow, catalog, "-Z", "port")
    port = (flow.folder / "port").read_text().strip()
    own = subprocess.Popen(["work_queue_worker", "--cores=2", "--memory=500", "--disk=500", "-s", str(tmp_path),
                            "127.0.0.1", port], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: manager_reports(port, 2), 30, "the user's worker to have two tasks")
        process = pool.pool(PROJECT)
        wait_until(lambda: pool.has(1), 40, "one worker for the third task")
        row = pool.row()
        assert row is not None
        assert (row.needs, row.has) == (3, 1)
        wait_until(lambda: PROJECT in catalog.factories(), 20, "the pool's own record")
        said = subprocess.run([*MFMESOS, "pool", "--status"], cwd=pool.folder, capture_output=True, text=True,
                              timeout=30).stdout
        assert f"{PROJECT} 127.0.0.1:{port} " in said
        end(flow, manager)
        assert pool.interrupt(process).code == 0
    finally:
        own.kill()
        own.wait()


@pytest.mark.parametrize("make_cluster", ["embedded"], indirect=True)
def test_two_makeflows_side_by_side(make_cluster: MakeCluster, catalog: Catalog, tmp_path: Path) -> None:
    """Two projects of equal weight on one small agent: each has a core while both have work, whatever the workers
    themselves cost. Short tasks of one run beside a long task of the other that states no request."""
    pool = PoolFlow(tmp_path / "pool", make_cluster(resources="cpus:2;mem:1000;disk:20000", agents=1), catalog)
    flows = {name: Flow(tmp_path / name, pool.cluster) for name in ("long", "short", "other")}
    flows["long"].write("Makeflow", "out:\n\tsleep 100; touch out\n")
    sleeping(flows["short"], 20, "0.1")
    sleeping(flows["other"], 2, "100")
    managers = {name: start_manager(flows[name], catalog, project=name) for name in ("long", "short")}
    process = pool.pool(".*")
    ended = flows["short"].end(managers["short"], 60)
    assert ended.code == 0, ended.out + pool.log()
    managers["other"] = start_manager(flows["other"], catalog, project="other")
    wait_until(lambda: running_of(pool) == {"long": 1, "other": 1}, 60, "a task of each")
    for name in ("long", "other"):
        end(flows[name], managers[name])
    assert pool.interrupt(process).code == 0


def running_of(pool: PoolFlow) -> dict[str, int]:
    """The running tasks of each manager."""
    try:
        return {row.project: row.tasks_running for row in pool_status.read(pool.work / ".mfmesos").managers}
    except ValueError:
        return {}


@pytest.mark.parametrize("cluster", ["embedded"], indirect=True)
def test_through_a_foreman(cluster: Cluster, tmp_path: Path) -> None:
    """With --foremen workers connect to a foreman, also before the foreman has any task of its manager's."""
    catalog = catalog_for_foremen(tmp_path / "catalog")
    pool = PoolFlow(tmp_path / "pool", cluster, catalog)
    flow = Flow(tmp_path / "flow", cluster)
    sleeping(flow, 4, "0.1")
    manager = start_manager(flow, catalog)
    try:
        with foreman("fore", catalog, tmp_path), nothing_stays(cluster):
            process = pool.pool(PROJECT, "--foremen", "fore", *SMALL)
            ended = flow.end(manager, 90)
            assert ended.code == 0, ended.out + pool.log()
            said = pool.interrupt(process)
            assert said.code == 0
            assert "its workers connect to foremen (--foremen fore); running foremen: 1" in said.out
    finally:
        pool.kill_started()
        catalog.stop()


@pytest.mark.parametrize("cluster", ["embedded"], indirect=True)
def test_from_python(pool: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """`with mfmesos.Pool(...)` runs the tasks of the program's manager, and ends with the block; with debug_workers the
    log of a worker that has left is in the pool's folder."""
    flow = Flow(tmp_path / "flow", pool.cluster)
    flow.write("Makeflow", "CORES=1\nMEMORY=50\nDISK=50\nout:\n\techo 7 > out\n\n"
               "last: out\n\tLOCAL sleep 100; touch last\n")  # while it runs, the manager has no task for the worker
    manager = start_manager(flow, catalog, "-Z", "port")
    port = (flow.folder / "port").read_text().strip()
    with mfmesos.Pool(f"127.0.0.1:{port}", master=pool.cluster.master, min=0, max=1, idle=1, debug_workers=True,
                      folder=pool.work):
        logs = wait_until(lambda: [*pool.work.glob("worker-*.debug")], 60, "the debug log")
    assert (flow.folder / "out").read_text() == "7\n"
    assert "work_queue_worker" in logs[0].read_text()
    assert not pool.workers()
    os.killpg(manager.pid, signal.SIGKILL)  # and its LOCAL task
    manager.wait(20)


def manager_reports(port: str, running: int) -> bool:
    status = asyncio.run(ask("127.0.0.1", int(port))).status
    return status is not None and status.tasks_running == running


@pytest.mark.parametrize("cluster", ["embedded"], indirect=True)
def test_nobody_needs_it(pool: PoolFlow, catalog: Catalog) -> None:
    """With --factory-timeout it ends in order when it has found no manager for that time."""
    ended = pool.end(pool.pool(PROJECT, "--factory-timeout", "1"), 30)
    assert ended.code == 0
    assert "no manager for 1 s" in ended.out


def test_a_project_that_the_file_does_not_serve(tmp_path: Path) -> None:
    """PROJECT beside a file with other projects is refused, not dropped."""
    (tmp_path / "pool.json").write_text('{"projects": {"q": {}}}')
    said = subprocess.run([*MFMESOS, "pool", "p", "--master", "127.0.0.1:1", "--config", "pool.json"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=30)
    assert said.returncode == 1
    assert "pool.json names the projects to serve, and p is not among them" in said.stderr


def test_the_launcher_is_killed(pool: PoolFlow, catalog: Catalog, tmp_path: Path) -> None:
    """kill -9 of `mfmesos pool` itself: its workers end, and nothing is left."""
    flow = Flow(tmp_path / "flow", pool.cluster)
    sleeping(flow, 2, "100")
    manager = start_manager(flow, catalog)
    process = pool.pool(PROJECT, *SMALL)
    wait_until(lambda: pool.has(2), 40, "two workers")
    process.kill()
    process.wait()
    wait_until(lambda: not pool.workers(), 30, "the workers to end")
    end(flow, manager)


@pytest.mark.parametrize(("args", "line"), [
    ((), "no project is given"), (("p", "--min", "3", "--max", "2"), "--min 3 is more than --max 2"),
    (("p", "--env", "2"), "--env: '2' is not valid"), (("p", "--transfer-port", "0"), "--transfer-port: '0' is not"),
    (("p(",), "p(: not a regular expression"), (("p", "--catalog", "h:x"), "catalog: 'h:x'")])
def test_what_cannot_be(tmp_path: Path, args: tuple[str, ...], line: str) -> None:
    """One line, exit 1, and nothing was started."""
    said = subprocess.run([sys.executable, "-m", "mfmesos", "pool", "--master", "127.0.0.1:1", *args], cwd=tmp_path,
                          capture_output=True, text=True, timeout=30)
    assert said.returncode == 1
    assert line in said.stderr
    assert len(said.stderr.splitlines()) == 1
