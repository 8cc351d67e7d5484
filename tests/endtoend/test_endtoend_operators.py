"""What operators do to a busy cluster: drain, plan maintenance, remove the framework; agents that come back."""
from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from flows import Flow, nothing_stays
from support import wait_until


@pytest.fixture
def flow(make_cluster, tmp_path):
    """A cluster of its own, since what is done to it stays."""
    cluster = make_cluster(agents=2, resources="cpus:2;mem:1024;disk:5000")
    made = Flow(tmp_path / "flow", cluster)
    made.write("in.txt", "x\n")
    with nothing_stays(cluster):
        yield made


def write_tasks(flow: Flow, count: int, seconds: float) -> Path:
    """Tasks of one core each, which write down when they begin."""
    tally = flow.folder.parent / "tally"
    tally.touch()
    flow.write("tasks.info", "".join(
        f"{i},echo {i} >> {tally}; sleep {seconds}; cat in.txt > o{i},in.txt,o{i},1,-1,-1,submitted\n"
        for i in range(1, count + 1)))
    return tally


def start(flow: Flow):
    return flow.start("run", "--plain", "--master", flow.cluster.master, "tasks.info")


def began(tally: Path) -> Counter[str]:
    return Counter(tally.read_text().split())


def reported(flow: Flow) -> set[str]:
    """The tasks that are recorded as finished. A task of which only the output exists may run again."""
    state = flow.folder / "mesos_task_state"
    return {line.split(",")[0] for line in state.read_text().splitlines()} if state.exists() else set()


def all_done(flow: Flow, process, count: int) -> None:
    ended = flow.end(process, 90)
    assert ended.code == 0, ended.out + flow.log()
    assert all((flow.folder / f"o{i}").read_text() == "x\n" for i in range(1, count + 1))


PROXIES = dict.fromkeys(
    ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"), "http://127.0.0.1:9")


def test_proxies_are_never_asked(make_cluster, tmp_path, monkeypatch):
    """Neither the user's proxy variables nor those of master and agents come between us, the master and executors."""
    for name, value in PROXIES.items():
        monkeypatch.setenv(name, value)
    flow = Flow(tmp_path / "flow", make_cluster(agents=1, environ=PROXIES))
    flow.write("tasks.jsonl", '{"command": "echo $http_proxy > a", "outputs": ["a"]}\n')
    ended = flow.run("--plain", "--no-history", "tasks.jsonl", timeout=40)
    assert ended.code == 0, ended.out
    assert (flow.folder / "a").exists()


def test_an_agent_is_drained(flow):
    """What ran there is run elsewhere, at nobody's expense, and nothing new goes there."""
    tally = write_tasks(flow, 10, 1.0)
    process = start(flow)
    wait_until(lambda: len(began(tally)) >= 4, 40, "tasks on both agents")
    agent = flow.cluster.agent_ids()[0]
    flow.cluster.drain_agent(agent)
    all_done(flow, process, 10)
    hosts = flow.cluster.get("/state")
    claims = [t for f in hosts["completed_frameworks"] for t in f["completed_tasks"]
              if t["slave_id"] == agent and "." not in t["id"]]  # not the slices of claims
    assert len(claims) <= 1, "a claim was opened on an agent that is drained"
    flow.cluster.reactivate_agent(agent)


def test_maintenance_is_planned(flow):
    """Announced for all agents: what runs may end, nothing new is started; when it is called off, the rest runs."""
    tally = write_tasks(flow, 10, 1.5)
    process = start(flow)
    wait_until(lambda: len(began(tally)) >= 4, 40, "tasks on both agents")
    flow.cluster.schedule_maintenance(time.time() + 3600)
    running = len(began(tally))
    wait_until(lambda: sum((flow.folder / f"o{i}").exists() for i in range(1, 11)) >= running, 20, "what runs to end")
    wait_until(lambda: not flow.cluster.processes(), 40, "the claims to be released")
    assert max(began(tally).values()) == 1, "what ran was not left to end"
    assert len(began(tally)) < 10
    flow.cluster.clear_maintenance()
    all_done(flow, process, 10)
    assert max(began(tally).values()) == 1


def test_the_framework_is_removed(flow):
    """One line reports that an operator did it; tasks are gone from the agents; the same command resumes later."""
    tally = write_tasks(flow, 8, 1.0)
    process = start(flow)
    wait_until(lambda: len(began(tally)) >= 6 and reported(flow), 40, "some to be done and some at work")
    done = reported(flow)
    (framework,) = flow.cluster.get("/state")["frameworks"]
    flow.cluster.teardown(framework["id"])
    ended = flow.end(process, 40)
    assert ended.code == 1, ended.out
    assert ended.line_with("framework", "removed"), ended.out
    all_done(flow, start(flow), 8)
    assert not {i for i in done if began(tally)[i] > 1}, "what was done was run again"


def test_the_framework_is_removed_while_nobody_is_there(flow):
    """The runner is killed and an operator removes its framework: the same command begins a new one and resumes."""
    tally = write_tasks(flow, 8, 1.0)
    process = start(flow)
    wait_until(lambda: len(began(tally)) >= 6 and reported(flow), 40, "some to be done and some at work")
    process.kill()
    process.communicate()
    done = reported(flow)
    (framework,) = flow.cluster.get("/state")["frameworks"]
    flow.cluster.teardown(framework["id"])
    all_done(flow, start(flow), 8)
    assert not {i for i in done if began(tally)[i] > 1}, "what was done was run again"


def test_an_agent_that_comes_back(make_embedded, tmp_path):
    """The master cannot reach the agent for a while: its executor continues, and nothing runs twice."""
    cluster = make_embedded(agents=2, resources="cpus:2;mem:1024;disk:5000")
    flow = Flow(tmp_path / "flow", cluster)
    flow.write("in.txt", "x\n")
    tally = write_tasks(flow, 10, 0.5)
    process = start(flow)
    wait_until(lambda: len(began(tally)) >= 4, 40, "tasks on both agents")
    cluster.fault("lose_agent", agent=0)
    wait_until(lambda: len(began(tally)) >= 7, 40, "work to go on")
    cluster.fault("return_agent", agent=0)
    all_done(flow, process, 10)
    assert max(began(tally).values()) == 1
