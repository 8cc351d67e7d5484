"""`mfmesos status`, `why` and `logs` about real runs: while they last, after a crash, and after their end."""
from __future__ import annotations

import contextlib
import csv
import io
import json
import urllib.error
import urllib.request

import pytest
from browser import Browser
from flows import Flow, need_makeflow, nothing_stays
from support import wait_until


@pytest.fixture
def flow(tmp_path, cluster) -> Flow:
    return Flow(tmp_path / "flow", cluster)


def shown(flow: Flow, *argv: str, code: int = 0) -> str:
    done = flow.end(flow.start(*argv))
    assert done.code == code, done.out
    return done.out


def status(flow: Flow) -> dict:
    return json.loads(shown(flow, "status", "--json"))


def test_a_run_can_be_seen(flow):
    """Its tasks while they run and wait, the crash, the resumed run, and each attempt with its output afterwards."""
    tasks = [
        {"command": "echo first; test -e go || { echo not yet >&2; exit 3; }", "outputs": [], "category": "gate"},
        {"command": "echo started; while [ ! -e " + str(flow.folder / "end") + " ]; do sleep 0.1; done; echo x > long",
         "outputs": ["long"], "cores": 1, "memory": 50, "disk": 50},
        {"command": "cat long > last", "inputs": ["long"], "outputs": ["last"]},
        {"command": "echo much", "cores": 1, "memory": 50, "disk": 50},
    ]
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in tasks))
    argv = ["run", "--master", flow.cluster.master, "-k", "--retries", "1", "--max-running", "1", "tasks.jsonl"]
    process = flow.start(*argv)
    wait_until(lambda: [one["task"] for one in status(flow)["running"]] == [2], 60, "the long task to run alone")
    wait_until(lambda: status(flow)["failures"], 60, "the record to have the failure")

    found = status(flow)
    assert found["state"] == "running"
    assert found["live"]["counts"]["failed"] == 1
    assert found["failures"] == [{"reason": "exit code 3", "count": 1, "example": found["failures"][0]["example"]}]
    screen = shown(flow, "status")
    assert "      2  " in screen.split("command")[1]
    assert "mfmesos run, running for" in screen
    assert "task 2 is running" in shown(flow, "why", "long")
    why = shown(flow, "why", ".", "4")
    assert "task 4 has been waiting" in why
    assert "1 tasks run, as many as --max-running allows" in why
    assert shown(flow, "why").startswith("2 waiting, 1 of them for other tasks; the first of the others:\n\ntask 4 has")
    why = shown(flow, "why", "last")
    assert "task 3 waits for 1 input from other tasks" in why
    assert "long of task 2" in why

    process.kill()
    process.communicate()
    wait_until(lambda: status(flow)["state"] == "crashed", 20, "the end to be noticed")
    assert "no scheduler answers" in shown(flow, "status")
    flow.write("end", "")
    again = flow.end(flow.start(*argv))
    assert again.code == 1, again.out
    first = again.line_with("cluster of", flow.cluster.master, "4 tasks")
    assert again.out.splitlines().index(first) < 2
    assert "      1  exit code 3                1: echo first" in again.out
    assert again.line_with("to continue: the same command")
    found = status(flow)
    assert (found["state"], found["run"]["finished"], found["run"]["failed"]) == ("ended", 3, 1)

    why = shown(flow, "why", "1")
    assert "task 1 failed: exit code 3: not yet" in why
    assert "2 attempts" in why
    first, _, second = shown(flow, "why").splitlines()[:3]
    assert (first.split(";")[0], second.split(":")[0]) == ("no task waits for resources, 1 failed", "task 1 failed")
    assert "not yet" in why.split("of stderr:")[1]
    assert "task 2 finished" in shown(flow, "why", "echo started")
    assert shown(flow, "logs", "1").splitlines() in (["first", "not yet"], ["not yet", "first"])
    assert "first" in shown(flow, "logs", "1", "--attempt", "1")
    assert "fits several tasks" in shown(flow, "why", "echo", code=1)
    assert "no task '77'" in shown(flow, "why", "77", code=1)


def test_output_of_earlier_runs_stays(tmp_path, embedded_mesos):
    """Another run of the folder does not overwrite the output of the one before."""
    flow = Flow(tmp_path / "flow", embedded_mesos)
    flow.write("tasks.jsonl", json.dumps({"command": "echo one; cat in", "inputs": ["in"]}) + "\n")
    flow.write("in", "hello\n")
    assert flow.run("tasks.jsonl").code == 0
    flow.write("tasks.jsonl", json.dumps({"id": 2, "command": "echo two"}) + "\n")
    assert flow.run("tasks.jsonl").code == 0
    assert (flow.folder / ".mfmesos/earlier-logs/1/task-1.stdout").read_text() == "one\nhello\n"
    assert shown(flow, "logs", "1") == "one\nhello\n"
    assert shown(flow, "logs", "2") == "two\n"


def test_a_run_of_makeflow_shows_its_progress(flow):
    """The first line names the cluster, the last ones the state; a failed task is explained by its output."""
    flow.write("Makeflow", "a:\n\techo made > a\n\nb: a\n\tcat a nothing > b\n")
    ended = flow.makeflow()
    assert ended.code == 1, ended.out
    assert ended.line_with("cluster of", flow.cluster.master, "agent")
    assert ended.line_with("done (", "failed), 0 running, 0 waiting")
    story = shown(flow, "why", "b")
    assert "failed: exit code 1: cat: nothing" in story
    assert shown(flow, "why", "rule:1") == shown(flow, "why", "rule", "1") == story
    assert "rule 2 has no task" in shown(flow, "why", "rule:2", code=1)
    found = status(flow)
    assert (found["run"]["engine"], found["run"]["finished"], found["state"]) == ("makeflow", 1, "ended")
    assert found["run"]["failed"] >= 1  # makeflow submits the rule again


def test_what_a_good_run_leaves(tmp_path, embedded_mesos):
    """A log without a warning, with an event for each task and claim; metrics; a record with dependencies and claims;
    a report and exports of it.
    """
    flow = Flow(tmp_path / "flow", embedded_mesos)
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in (
        {"command": "echo hello > a", "outputs": ["a"], "category": "first"},
        {"command": "cat a > b", "inputs": ["a"], "outputs": ["b"]})))
    done = flow.run("--log-format", "json", "--metrics-file", "metrics.prom", "tasks.jsonl")
    assert done.code == 0, done.out
    events = [json.loads(line) for line in (flow.folder / ".mfmesos/scheduler.log").read_text().splitlines()]
    assert [event for event in events if event["level"] not in ("info", "debug")] == []
    assert [event["task"] for event in events if event.get("event") == "task_ended"] == ["1", "2"]
    assert {"open_claim", "claim_ended"} <= {event.get("event") for event in events}
    assert 'mfmesos_tasks{state="finished"} 2.0' in (flow.folder / "metrics.prom").read_text()
    assert shown(flow, "report", "-o", "r.html") == "r.html: the report of run 1, 2 tasks\n"
    first, second = csv.DictReader(io.StringIO(shown(flow, "export", "--format", "csv")))
    assert (first["needs"], second["needs"], first["output_bytes"], second["input_bytes"]) == ("", "1", "6", "6")
    assert first["agent"]
    events = json.loads(shown(flow, "export", "--format", "perfetto"))["traceEvents"]
    assert {"s", "f", "X"} <= {event["ph"] for event in events}


def test_a_run_is_known_by_its_name_on_the_cluster(flow):
    """Its framework and its tasks have labels; their names hold the workflow's folder. With --web Mesos's pages link to
    its page, whose token is neither there nor in what a log may hold; it shows what runs and what waits, and ends with
    the run.
    """
    command = f"echo begun; while [ ! -e {flow.folder / 'end'} ]; do sleep 0.1; done; touch made"
    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in (
        {"command": command, "outputs": ["made"], "category": "first"}, {"command": "cat made", "inputs": ["made"]})))
    process = flow.start("run", "--web", "--master", flow.cluster.master, "tasks.jsonl")
    found = []

    def known() -> bool:
        status, body = flow.cluster.request(flow.cluster.master, "/state")
        frameworks = json.loads(body)["frameworks"] if status == 200 else []  # 503: the master is starting
        found[:] = [one for one in frameworks if one["name"] == "mfmesos flow" and one["tasks"]]
        return bool(found)

    wait_until(known, 60, "the framework and its task")
    pointer = flow.folder / ".mfmesos/web.json"
    assert pointer.stat().st_mode & 0o777 == 0o600
    address, token = json.loads(pointer.read_text())["link"].split("?token=")
    assert found[0]["webui_url"] == address

    def metrics() -> str:
        with contextlib.suppress(urllib.error.HTTPError):  # 503: the record of the run begins a moment later
            return urllib.request.urlopen(f"{address}metrics?token={token}", timeout=60).read().decode()
        return ""

    wait_until(lambda: "mfmesos_up 1.0" in metrics(), 60, "the run's metrics")

    def asked(question: str) -> dict:
        return json.load(urllib.request.urlopen(f"{address}api/{question}&token={token}", timeout=60))

    with urllib.request.urlopen(f"{address}events?token={token}", timeout=60):  # somebody looks
        wait_until(lambda: [(one["task"], one["state"]) for one in asked("tasks?state=live")["rows"]] == [
            (1, "running"), (2, "inputs")], 60, "both tasks in the table")
        wait_until(lambda: asked("printed?task=1") == {"stdout": "begun\n", "stderr": ""}, 60, "what it prints")
    flow.write("end", "")
    ended = flow.end(process)
    assert ended.code == 0, ended.out
    assert address in ended.out
    assert token not in ended.out + flow.log()
    assert not pointer.exists()
    (task, *_) = found[0]["tasks"]
    assert task["name"].startswith("mfmesos flow claim ")
    for labels in (found[0]["labels"], task["labels"]):
        texts = {one["key"]: one["value"] for one in labels}
        assert (texts["mfmesos.folder"], texts["mfmesos.workflow"]) == (str(flow.folder), "tasks.jsonl")
    assert texts["mfmesos.categories"] == "first"


def test_the_page_of_a_run_in_a_browser(tmp_path, embedded_mesos):
    """What ends is on the screen without a key pressed: the first task's end, the crash of the scheduler, that another
    one runs what was left, and the end of the run; all in the same page, which nobody loads again.
    """
    flow = Flow(tmp_path / "flow", embedded_mesos)

    def ends_with(name: str) -> str:
        return f"while [ ! -e {flow.folder / name} ]; do sleep 0.1; done; touch made-{name}"

    flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in (
        {"command": ends_with("one"), "outputs": ["made-one"], "category": "first"},
        {"command": ends_with("two"), "inputs": ["made-one"], "outputs": ["made-two"], "category": "second"})))
    argv = ["run", "--master", flow.cluster.master, "tasks.jsonl"]
    process, page = flow.start(*argv), flow.start("web")
    pointer = flow.folder / ".mfmesos/web.json"

    def answers() -> bool:
        with contextlib.suppress(OSError):  # 503: the record of the run begins a moment later
            address, token = json.loads(pointer.read_text())["link"].split("?token=")
            return urllib.request.urlopen(f"{address}metrics?token={token}", timeout=60).status == 200
        return False

    wait_until(answers, 60, "the record and the page")

    def shows(browser: Browser, task: int, state: str) -> None:
        browser.wait(f"[...document.querySelectorAll('#table tbody tr')].some((row) => "
                     f"row.cells[0].textContent === '{task}' && row.cells[1].textContent === '{state}')",
                     f"task {task} to be {state}")

    with Browser(tmp_path / "profile") as browser:
        browser.open(json.loads(pointer.read_text())["link"])
        browser.wait("document.getElementById('state')?.textContent === 'running'", "the run")
        browser.run("window.same = true, location.hash = '#tasks'")
        shows(browser, 1, "running")
        shows(browser, 2, "waiting")
        flow.write("one", "")
        shows(browser, 1, "finished")
        shows(browser, 2, "running")
        process.kill()
        process.communicate()
        browser.wait("document.getElementById('state').textContent === 'crashed'", "the crash")
        again = flow.start(*argv)
        shows(browser, 2, "running")
        shows(browser, 1, "finished")
        flow.write("two", "")
        shows(browser, 2, "finished")
        browser.wait("document.getElementById('state').textContent === 'ended'", "the end")
        assert browser.run("window.same") is True
        assert browser.errors == []
    ended = flow.end(again)
    assert ended.code == 0, ended.out
    page.terminate()
    assert flow.end(page).code == 0


def test_the_sandbox_of_a_failed_task(tmp_path, embedded_mesos):
    """With --keep-failed each failed attempt's files are kept, also for makeflow; `why` says where, `fetch` brings them
    to the folder; the next run begins without them, and the agents keep nothing."""
    flow = Flow(tmp_path / "flow", embedded_mesos)
    flow.write("in", "input")
    flow.write("tasks.jsonl", json.dumps({
        "command": "cat in > halfway; echo said; exit 3", "inputs": ["in"], "outputs": ["out"],
        "cores": 1, "memory": 50, "disk": 50}))
    argv = ["--master", embedded_mesos.master, "--keep-failed", "5"]
    with nothing_stays(embedded_mesos):
        shown(flow, "run", *argv, "--retries", "1", "tasks.jsonl", code=1)
    assert "fetch 1" in shown(flow, "why", "1")
    assert "attempt 2" in shown(flow, "fetch", "out")
    assert (flow.folder / "failed-task-1.attempt-2/work/halfway").read_text() == "input"
    assert (flow.folder / "failed-task-1.attempt-2/stdout").read_text() == "said\n"
    assert "exists already" in shown(flow, "fetch", "1", code=1)
    shown(flow, "fetch", ".", "1", "--attempt", "1", "-o", str(tmp_path / "new"))
    assert (tmp_path / "new/work/halfway").exists()
    assert "no sandbox of task 1 is kept" in shown(flow, "fetch", "1", "--attempt", "3", code=1)
    need_makeflow()
    flow.write("Makeflow", "CORES=1\nMEMORY=50\nDISK=50\no: in\n\tcat in > other; exit 4\n")
    shown(flow, "makeflow", *argv, "--", "Makeflow", code=1)
    assert "no sandbox" in shown(flow, "fetch", "1", "--attempt", "2", code=1)
    shown(flow, "fetch", "1", "-o", "made")
    assert (flow.folder / "made/work/other").read_text() == "input"
