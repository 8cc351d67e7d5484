"""The real Mesos that the other tests stand on."""
from __future__ import annotations

import os
import signal

from realmesos import processes
from support import wait_until


def test_agents_registered(real_mesos):
    """When the fixture returns, every agent is registered with the resources asked for and answers on its own port."""
    slaves = real_mesos.get("/slaves")["slaves"]
    assert sorted(s["id"] for s in slaves) == sorted(real_mesos.agent_ids())
    assert {(s["resources"]["cpus"], s["resources"]["mem"]) for s in slaves} == {(4.0, 4096.0)}
    assert real_mesos.get("/version")["version"] == "1.11.0"


def test_restart_keeps_ports_and_agents(make_real_mesos):
    """After SIGKILL, a new start on the same work dir has the same ports and the same agents."""
    mesos = make_real_mesos(agents=1)
    before = mesos.master, mesos.agents, mesos.agent_ids()
    mesos.kill()
    mesos.restart()
    assert (mesos.master, mesos.agents, mesos.agent_ids()) == before


def test_ends_with_its_work_dir(make_real_mesos):
    """SIGTERM ends the process at once, with status 0, and stop() removes the work dir."""
    mesos = make_real_mesos(agents=1)
    os.kill(mesos.pid, signal.SIGTERM)
    assert mesos.process.wait(10) == 0
    mesos.stop()
    assert not mesos.work_dir.exists()
    assert wait_until(lambda: not processes.processes_of(mesos.work_dir))
