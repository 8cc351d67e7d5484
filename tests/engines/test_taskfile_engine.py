"""The file protocol from the scheduler's side: the engine's records become events, the core's reports become lines."""
from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from support import wait_until

from mfmesos.core import actions as act
from mfmesos.core import events as ev
from mfmesos.core.model import Task
from mfmesos.engines.taskfile_engine import LOOK_S, LOOK_SOON_S, TaskFileEngine
from mfmesos.settings.config import SchedulerConfig
from mfmesos.shared import wire
from mfmesos.staging.inputs import InputIndex


class FakeScheduler:
    def __init__(self, workdir, cancelled=()):
        self.cancelled = cancelled
        self.inputs = InputIndex(workdir)
        self.events = []
        self.loop = self
        self.later, self.delays = [], []
        self.stopped = []

    def cancelled_before(self):
        return self.cancelled

    def call_later(self, delay, call):
        self.later.append(call)
        self.delays.append(delay)
        return SimpleNamespace(cancel=lambda: self.later.remove(call))

    def stop(self, reason):
        self.stopped.append(reason)

    def post_threadsafe(self, *events):
        self.events.extend(events)


class Place:
    """A workflow's folder with a running engine."""

    def __init__(self, folder, cancelled=(), **settings):
        self.folder, self.said, self.parent = folder, [], 10
        config = SchedulerConfig(workdir=str(folder), parent_pid=10, **settings)
        self.engine = TaskFileEngine(config, self.said.append, getppid=lambda: self.parent)
        self.scheduler = FakeScheduler(folder, cancelled)
        if cancelled:
            self.engine.resume([])
        self.engine.start(self.scheduler)

    def append(self, text):
        with (self.folder / "mesos_task_info").open("a") as f:
            f.write(text)

    def event(self, kind, count=1):
        """The count-th event of a kind, when it has come."""
        found = wait_until(lambda: [e for e in self.scheduler.events if isinstance(e, kind)][count - 1:], 10, kind)
        return found[0]

    @property
    def state(self):
        return (self.folder / "mesos_task_state").read_text()


@pytest.fixture
def place(tmp_path):
    (tmp_path / "in").write_text("x")
    made = Place(tmp_path)
    yield made
    (tmp_path / "mesos_done").touch()  # else an engine whose parent is gone is waited for
    made.engine.close(None)


def line(task_id, command="cat in > out", inputs="in", outputs="out"):
    return f"{task_id},{command},{inputs},{outputs},-1,-1,-1,submitted\n"


def test_the_state_file_is_there_at_once(place):
    """makeflow spins until it is."""
    assert place.state == ""


def test_a_line_becomes_a_task_and_its_end_a_line(place):
    """Submitted with its input staged; finished: one whole line."""
    place.append(line(1))
    event = place.event(ev.TaskSubmitted)
    assert (event.task.id, event.inputs[0].size) == (1, 1)
    place.engine.report(act.ReportTask(event.task, finished=True), "host")
    assert place.state == "1,finished\n"


def test_a_failure_has_a_code_in_the_file_and_its_reason_for_the_user(place):
    """`N,failed,CODE`, never without a code, and one line with the reason and the place."""
    place.append(line(1))
    task = place.event(ev.TaskSubmitted).task
    result = wire.Result("1.1", wire.FAILED, "exit code 3: oops", 3, stderr="a\noops\n")
    place.engine.report(
        act.ReportTask(task, finished=False, reason="exit code 3: oops", exit_code=3, result=result), "h")
    assert place.state == "1,failed,3\n"
    assert "task 1 failed on h: exit code 3: oops" in place.said[0]
    assert "task-1.stderr" in place.said[0]


def test_a_missing_input_is_refused(place):
    """The core gets the reason why the task cannot run."""
    place.append(line(1, inputs="gone"))
    assert "gone" in place.event(ev.TaskRefused).reason


def test_outputs_that_exclude_each_other(place):
    """Refused as soon as the second is known; what only overlaps is reported once, and runs."""
    place.append(line(1, "echo > a", "", "a") + line(2, "mkdir a; echo > a/b", "", "a/b"))
    refused = place.event(ev.TaskRefused)
    assert (refused.task.id, refused.reason) == (2, "task 2 makes 'a/b', but task 1 makes 'a' as a file")
    place.append(line(3, "mkdir d", "", "d") + line(4, "echo > d/x", "", "d/x") + line(5, "mkdir d", "", "d"))
    assert place.event(ev.TaskSubmitted, 4).task.id == 5
    assert place.said == ["task 3 makes 'd', and task 4 makes 'd/x' in it: each task replaces only its own files"]


def test_an_output_that_leads_out_never_runs(place, tmp_path_factory):
    """By way of a link, below a file, or with a name that is too long: refused when the record arrives."""
    (place.folder / "scratch").symlink_to(tmp_path_factory.mktemp("scratch"))
    place.append(line(1, "x", "", "scratch/a") + line(2, "x", "", "in/a") + line(3, "x", "", "n" * 256))
    words = [place.event(ev.TaskRefused, number).reason for number in (1, 2, 3)]
    assert "symbolic link that leads out" in words[0]
    assert "is in the way" in words[1]
    assert "longer than 255 bytes" in words[2]


def test_an_aborting_line_withdraws(place):
    """`1,,,,,,,aborting` becomes TaskWithdrawn, and its end `1,aborted`."""
    place.append(line(1) + "1,,,,,,,aborting\n")
    assert place.event(ev.TaskWithdrawn).task_id == 1
    place.engine.report(act.ReportTask(Task(1, "x"), finished=False, withdrawn=True), "")
    assert place.state == "1,aborted\n"


def test_a_withdrawal_does_not_wait_for_the_inputs(place):
    """A folder is hashed by a thread that is busy: an aborting line withdraws the task meanwhile, and what was found
    of its inputs is not posted later."""
    (place.folder / "tree").mkdir()
    look, go = place.engine._stager.look, threading.Event()
    place.engine._stager.look = lambda task: go.wait(20) and look(task)
    place.append(line(1, inputs="tree") + "1,,,,,,,aborting\n" + line(2, inputs="tree", outputs="out2"))
    place.event(ev.TaskWithdrawn)
    events = place.scheduler.events
    assert [type(e) for e in events if not isinstance(e, ev.NoneFollowsSoon)] == [ev.TaskWithdrawn, ev.TaskSubmitted]
    go.set()
    assert place.event(ev.TaskSubmitted, 2).task.id == 2
    assert [e.task.id for e in events if isinstance(e, ev.TaskSubmitted)] == [1, 2]


def test_a_malformed_line_is_said_and_loses_nothing(place):
    """The line before and the line after are run; the message names file and line."""
    place.append(line(1) + "no task at all\n" + line(2, outputs="out2"))
    assert place.event(ev.TaskSubmitted, 2).task.id == 2
    assert any("mesos_task_info:2:" in text for text in place.said)


def test_a_file_that_is_written_anew_runs_nothing_twice(place):
    """The same records once more, after the file was replaced: each id is taken once, new ones are taken."""
    place.append(line(1))
    place.event(ev.TaskSubmitted)
    fresh = place.folder / "fresh"
    fresh.write_text(line(1) + line(2, outputs="out2"))
    fresh.rename(place.folder / "mesos_task_info")
    assert place.event(ev.TaskSubmitted, 2).task.id == 2
    assert [e.task.id for e in place.scheduler.events if isinstance(e, ev.TaskSubmitted)] == [1, 2]


def test_leftovers_are_passed_over_when_makeflow_started_us(tmp_path):
    """Under plain makeflow: only what follows the last record with ID 1 is of this run."""
    (tmp_path / "mesos_task_info").write_text(line(1, "old") + line(2, "old") + line(1, "new", "", "n"))
    place = Place(tmp_path, start_at_last_run=True)
    assert place.event(ev.TaskSubmitted).task.command == "new"
    place.engine.close(None)


def test_the_end_of_the_engine_is_noticed(place):
    """mesos_done, or another parent, and it is over; afterwards the three files are gone."""
    assert place.engine.alive() == ""
    (place.folder / "mesos_done").write_text("aborted")
    assert "aborted" in place.engine.alive()
    (place.folder / "mesos_done").unlink()
    place.parent = 1
    assert "the process that started the scheduler has ended" in place.engine.alive()
    (place.folder / "mesos_done").write_text("aborted")
    place.engine.close(None)
    assert [p.name for p in place.folder.iterdir() if p.name.startswith("mesos_")] == []


def test_an_engine_whose_launcher_is_gone_is_waited_for(place):
    """It still writes mesos_done, and until then it needs mesos_task_state."""
    place.parent, seen = 1, []

    def engine_ends():
        seen.append((place.folder / "mesos_task_state").exists())
        (place.folder / "mesos_done").write_text("aborted")

    late = threading.Timer(0.3, engine_ends)
    late.start()
    place.engine.close(None)
    late.join()
    assert seen == [True]
    assert [p.name for p in place.folder.iterdir() if p.name.startswith("mesos_")] == []


def test_the_end_of_the_engine_is_looked_for_often(place):
    """The word in mesos_done stops the scheduler at the next look, 0.05 s later; an empty file is not complete yet."""
    (place.folder / "mesos_done").touch()
    place.scheduler.later.pop()()
    assert place.scheduler.stopped == []
    (place.folder / "mesos_done").write_text("finished")
    place.scheduler.later.pop()()
    assert place.scheduler.later == []
    assert place.scheduler.stopped == ["the workflow engine ended: finished"]
    watches = f"watch-{place.folder.name}"
    wait_until(lambda: watches not in [t.name for t in threading.enumerate()], 20, "its threads to end")


def test_it_is_looked_for_at_once_when_all_have_ended(place):
    """Not when the next ordinary look is due; while a task is left, there is no hurry."""
    place.append(line(1) + line(2))
    tasks = [place.event(ev.TaskSubmitted, n).task for n in (1, 2)]
    place.scheduler.later.pop()()
    for task in tasks:
        with place.engine.together():
            place.engine.report(act.ReportTask(task, finished=True), "host")
    assert place.scheduler.delays[-2:] == [LOOK_S, LOOK_SOON_S]
    assert len(place.scheduler.later) == 1


def test_what_is_reported_together_is_written_together(place):
    """Nothing is in the files within the block; at its end all lines are, in order."""
    place.append(line(1) + line(2))
    tasks = [place.event(ev.TaskSubmitted, n).task for n in (1, 2)]
    report = place.folder / ".mfmesos" / "report.jsonl"
    with place.engine.together():
        for task in tasks:
            place.engine.report(act.ReportTask(task, finished=True), "host")
        assert place.state == ""
        assert report.read_text() == ""
    assert place.state == "1,finished\n2,finished\n"
    assert report.read_text().count("\n") == 2


class Logged(Place):
    """A folder in which makeflow writes its debug log."""

    def __init__(self, folder):
        self.log = folder / "debug"
        self.log.touch()
        super().__init__(folder, debug_log=str(self.log))

    def submit(self, task_id, *exports):
        head = "2026/11/28 00:34:31.35 makeflow[7] "
        lines = [*(f"makeflow: export {one}" for one in exports), "batch: set option `task-id' to `0'",
                 f"batch: task {task_id} is ready"]
        with self.log.open("a") as f:
            f.write("".join(f"{head}{text}\n" for text in lines))


@pytest.fixture
def logged(tmp_path):
    (tmp_path / "in").write_text("x")
    made = Logged(tmp_path)
    yield made
    (tmp_path / "mesos_done").touch()
    made.engine.close(None)


def test_a_task_gets_what_makeflow_logged_of_it(logged):
    """Its record has nothing about its environment; the debug log has, before the record is written."""
    logged.submit(1, "A=1", "CORES=2")
    logged.append(line(1))
    assert logged.event(ev.TaskSubmitted).task.env == {"A": "1", "CORES": "2", "OMP_NUM_THREADS": "2"}
    logged.submit(2)
    logged.append(line(2))
    assert logged.event(ev.TaskSubmitted, 2).task.env == {"OMP_NUM_THREADS": "1"}


def test_names_that_the_record_cannot_hold(logged):
    """Outputs are taken from the log, inputs from the existing files: names with spaces and commas are whole."""
    (logged.folder / "in,c").touch()
    (logged.folder / "sub d").mkdir()
    (logged.folder / "sub d" / "in").touch()
    logged.log.write_text("2026/11/28 00:34:31.35 makeflow[7] batch: set option `task-id' to `0'\n"
                          "2026/11/28 00:34:31.35 makeflow[7] makeflow: file C, D waiting -> running\n"
                          "2026/11/28 00:34:31.35 makeflow[7] batch: task 1 is ready\n")
    here = logged.folder
    logged.append(line(1, inputs=f"{here}/sub d/in {here}/in {here}/c", outputs="C  D"))
    task = logged.event(ev.TaskSubmitted).task
    assert (task.inputs, task.outputs) == (("sub d/in", "in,c"), ("C, D",))


def test_a_task_of_unknown_environment_is_not_run(logged):
    """A wrong result is worse than none."""
    logged.append(line(1))
    wait_until(lambda: "1,failed" in logged.state, 10, "an answer")
    assert "mesos_task_info:1: task 1: its environment is not in makeflow's debug log (" in logged.said[0]
    assert not [event for event in logged.scheduler.events if not isinstance(event, ev.NoneFollowsSoon)]


def test_what_was_cancelled_before_a_restart_stays_cancelled(tmp_path):
    """makeflow submits a rule again that the user had cancelled under the scheduler before: it is refused, the others
    run."""
    (tmp_path / "in").write_text("x")
    (tmp_path / "mesos_task_info").write_text(line(1) + line(2, "other", outputs="p"))
    (tmp_path / "mesos_task_state").write_text("1,failed,1\n2,failed,1\n")
    place = Place(tmp_path, cancelled={1})
    try:
        place.append(line(3) + line(4, "other", outputs="p"))
        assert place.event(ev.TaskRefused).task.id == 3
        wait_until(lambda: [e for e in place.scheduler.events if isinstance(e, ev.TaskSubmitted) and e.task.id == 4])
    finally:
        (tmp_path / "mesos_done").touch()
        place.engine.close(None)
