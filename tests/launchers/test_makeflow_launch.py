"""`mfmesos makeflow` with the real makeflow and a scheduler that only plays the file protocol."""
from __future__ import annotations

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support import need, wait_until

LAUNCH = Path(__file__).with_name("launch_makeflow.py")
THREE_FILES = ("mesos_task_info", "mesos_task_state", "mesos_done")
pytestmark = pytest.mark.once


@pytest.fixture(autouse=True)
def _makeflow() -> None:
    need(shutil.which("makeflow"), "no makeflow on PATH", "apt-get install coop-computing-tools openmpi-bin")
    need(os.access("/usr/bin/python", os.X_OK), "no /usr/bin/python", "apt-get install python-is-python3")


class Run:
    """One launcher in a process group of its own."""

    def __init__(
        self, folder: Path, *argv: str, environ: dict[str, str] | None = None, nohup: bool = False,
    ) -> None:
        self.folder = folder
        self.out = folder / "launcher.out"
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(LAUNCH), *argv], cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env={**os.environ, **(environ or {})}, start_new_session=True,
                # The tests themselves may run under nohup.
                preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL))

    def end(self, timeout: float = 30) -> int:
        return self.process.wait(timeout)

    @property
    def text(self) -> str:
        return self.out.read_text(errors="replace")

    @property
    def notes(self) -> str:
        return "\n".join(line for line in self.text.splitlines() if line.startswith("mfmesos: "))

    def makeflow(self) -> psutil.Process:
        def find() -> psutil.Process | None:
            for child in psutil.Process(self.process.pid).children():
                try:
                    if child.name() == "makeflow":
                        return child
                except psutil.NoSuchProcess:
                    continue
            return None

        return wait_until(find, what="makeflow to start")

    def wait_for_rule(self, number: int = 1) -> None:
        wait_for_rule(self.folder, number)

    def scheduler(self) -> psutil.Process:
        pid = self.folder / ".mfmesos" / "fake.pid"
        return psutil.Process(int(wait_until(lambda: pid.exists() and pid.read_text(), what="the scheduler")))


def wait_for_rule(folder: Path, number: int) -> None:
    """Until its command runs: makeflow logs "submitted" before the scheduler has read the rule, and a rule that
    ends in between was never started."""
    log = folder / ".mfmesos" / "fake.log"
    wait_until(lambda: log.exists() and f"started {number}\n" in log.read_text(), what=f"the command of job {number}")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A workflow's folder, with a space in its name; nothing may be left running in it."""
    work = tmp_path / "work flow"
    work.mkdir()
    yield work

    def ours() -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and process.cwd().startswith(str(tmp_path)):
                    found.append(process)
            except (psutil.Error, OSError):  # gone, or in a folder too deep to name: another test's
                continue
        return found

    try:
        wait_until(lambda: not ours(), 10, "every process of the run to end")
    finally:
        for process in ours():
            process.kill()


def write(folder: Path, text: str, name: str = "Makeflow") -> None:
    (folder / name).write_text(text.replace("    ", "\t"))


def no_leftovers(folder: Path) -> bool:
    return not any((folder / name).exists() for name in THREE_FILES)


DIAMOND = """a:
    echo 1 > a
b: a
    cat a a > b
c: a
    LOCAL cat a > c
d: b c
    cat b c > d
"""


def test_all_well(folder: Path) -> None:
    """Every rule ends well: exit 0, outputs in place, the three files gone, no message."""
    write(folder, DIAMOND)
    run = Run(folder)
    assert run.end() == 0, run.text
    assert (folder / "d").read_text() == "1\n1\n1\n"
    assert no_leftovers(folder)
    assert run.notes == ""
    assert (folder / ".mfmesos" / "scheduler.json").stat().st_mode & 0o777 == 0o600


def test_up_to_date_rerun(folder: Path) -> None:
    """Nothing to do is success, and leaves no mesos_done behind."""
    write(folder, DIAMOND)
    assert Run(folder).end() == 0
    again = Run(folder)
    assert again.end() == 0, again.text
    assert no_leftovers(folder)


def test_failed_rule_is_told(folder: Path) -> None:
    """makeflow exits 0 when a rule failed for good; the launcher does not, and names the rule and the reason."""
    write(folder, "good:\n    echo 1 > good\nbad:\n    exit 3\n")
    run = Run(folder, "-r", "0")
    assert run.end() == 1
    assert re.search(r"mfmesos: rule 1 \(task \d, makes bad\) failed: exit code 3; its command: exit 3\n", run.text)
    assert "mfmesos: 1 of 2 rules succeeded, 1 failed" in run.text


def test_spinning_makeflow_is_ended(folder: Path) -> None:
    """A rule that others depend on fails for good: makeflow would compute for ever; it is ended, and the reason is
    printed."""
    write(folder, "good:\n    echo 1 > good\nbad:\n    exit 3\nafter: bad\n    cat bad > after\n")
    run = Run(folder, "-r", "1")
    assert run.end() == 1
    assert "1 rule cannot run: outputs of failed rules are missing" in run.notes
    assert re.search(r"rule 1 \(task \d, makes bad\) failed: exit code 3", run.notes)
    assert "1 of 3 rules succeeded, 1 failed, 1 did not run" in run.notes
    assert (folder / "good").exists()
    assert no_leftovers(folder)


CYCLE = "first:\n    echo 1 > first\na: b first\n    cat b > a\nb: a\n    cat a > b\n"


@pytest.mark.parametrize("environ", [{}, {"NO_PRELOAD": "1"}])
def test_cycle(folder: Path, environ: dict[str, str]) -> None:
    """makeflow -T mesos computes for ever on a cycle: what can run runs, then makeflow is ended, with the names of
    the files in it. With our library and without."""
    write(folder, CYCLE)
    run = Run(folder, environ=environ)
    assert run.end(100) == 1  # it is found by the time that makeflow computes
    assert "rules need each other's outputs in a cycle: a needs b, b needs a" in run.notes
    assert "1 of 3 rules succeeded, 0 failed, 2 did not run" in run.notes
    assert (folder / "first").exists()
    assert no_leftovers(folder)


def test_nothing_but_a_cycle(folder: Path) -> None:
    """makeflow's log then names no rule at all. Also in JX, whose names are known only once it is evaluated."""
    (folder / "flow.jx").write_text(
        '{"rules": [{"command": "cat y > x", "inputs": ["y"], "outputs": ["x"]},'
        ' {"command": "cat x > " + OUT, "inputs": ["x"], "outputs": [OUT]}]}')
    run = Run(folder, "--jx", "--jx-define", 'OUT="y"', "flow.jx")
    assert run.end() == 1
    assert "flow.jx: rules need each other's outputs in a cycle: x needs y, y needs x" in run.notes


def test_storage_limit_that_cannot_be_met(folder: Path) -> None:
    """makeflow -T mesos computes for ever where -T local ends: ended, with the option's name."""
    write(folder, DIAMOND)
    run = Run(folder, "--storage-type", "0", "--storage-limit", "12")
    assert run.end() == 1
    assert "do not fit into --storage-limit 12" in run.notes


def test_storage_limit_that_can_be_met(folder: Path) -> None:
    """makeflow counts a rule more than there is; all of them ended well, so the exit code is 0. A second run, too."""
    write(folder, "a:\n    echo 1 > a\nb: a\n    cat a > b\n")
    for _ in range(2):
        run = Run(folder, "--storage-type", "0", "--storage-limit", "50000000000")
        assert run.end() == 0, run.text
        assert "did not run" not in run.notes
        assert (folder / "b").read_text() == "1\n"


def test_local_rule_that_asks_for_too_much(folder: Path) -> None:
    """makeflow never starts it, and with others that need it computes for ever: ended, with the cure."""
    write(folder, ".MAKEFLOW CATEGORY big\n.MAKEFLOW CORES 64000\na:\n    LOCAL echo 1 > a\n"
          ".MAKEFLOW CATEGORY small\n.MAKEFLOW CORES 1\nb: a\n    cat a > b\n")
    run = Run(folder)
    assert run.end() == 1
    assert "makeflow does not start the rules that make a, although their inputs exist" in run.notes
    assert "--local-cores" in run.notes


def test_running_rules_are_no_spin(folder: Path) -> None:
    """While a rule runs, a failed one is no reason to end makeflow, however quiet it is."""
    write(folder, "slow:\n    sleep 4 && echo 1 > slow\nbad:\n    exit 3\nafter: bad\n    cat bad > after\n")
    run = Run(folder, "-r", "0")
    assert run.end() == 1
    assert (folder / "slow").exists()


def test_leftovers_are_cleared(folder: Path) -> None:
    """Stale files would end a job falsely, crash makeflow, or stop the scheduler; they are removed, with a line about
    it."""
    write(folder, DIAMOND)
    (folder / "mesos_task_state").write_text("1,failed,1\n77,finished\nabc\n")
    (folder / "mesos_task_info").write_text("1,touch stale,,stale,-1,-1,-1,submitted\n")
    (folder / "mesos_done").write_text("finished")
    run = Run(folder)
    assert run.end() == 0, run.text
    assert "removed leftovers" in run.notes
    assert not (folder / "stale").exists()


def test_progress_of_the_batch_runner(folder: Path) -> None:
    """Not makeflow's: kept from it, not taken for its own, and there again at its end, also when makeflow refuses."""
    (folder / ".mfmesos").mkdir()
    (folder / ".mfmesos" / "engine").write_text("batch\n")
    (folder / "mesos_task_state").write_text("1,finished\n2,finished\n")
    for workflow, code in (("nonsense", 1), (DIAMOND, 0)):
        write(folder, workflow)
        run = Run(folder, "Makeflow")
        assert (run.end() == 0) == (code == 0), run.text
        assert (folder / "mesos_task_state").read_text() == "1,finished\n2,finished\n"
    assert (folder / "d").read_text() == "1\n1\n1\n"


def test_a_mistyped_name_clears_nothing(folder: Path) -> None:
    """The workflow's file is looked for before anything is touched."""
    for name in THREE_FILES:
        (folder / name).write_text("x")
    run = Run(folder, "Makefile")
    assert run.end() == 1
    assert run.text == "mfmesos: Makefile: no such file; name the workflow's file after `--`\n"
    assert all((folder / name).exists() for name in THREE_FILES)
    assert not (folder / ".mfmesos").exists()


def test_kill_9_of_makeflow_and_the_next_run(folder: Path) -> None:
    """The scheduler is ended in good order at once; the next run resumes, and runs only what had not finished."""
    write(folder, "a:\n    echo x >> count; echo 1 > a\nb: a\n    test -e go && echo 2 > b || sleep 60\n")
    run = Run(folder, "-r", "0")
    wait_until(lambda: (folder / "a").exists() and "job 1 completed" in run.text, what="the first rule")
    run.wait_for_rule(2)
    begun = time.monotonic()
    run.makeflow().kill()
    assert run.end() == 128 + 9
    assert time.monotonic() - begun < 20
    assert "killed by SIGKILL" in run.notes
    assert "killed 1" in (folder / ".mfmesos" / "fake.log").read_text()
    assert no_leftovers(folder)
    (folder / "go").touch()
    again = Run(folder)
    assert again.end() == 0, again.text
    assert "1 rule left running by a killed run" in again.notes
    assert (folder / "count").read_text() == "x\n"
    assert (folder / "b").read_text() == "2\n"


def test_kill_9_of_the_launcher(folder: Path) -> None:
    """makeflow and the scheduler notice and end by themselves; the next run resumes."""
    write(folder, "a:\n    test -e go && echo 2 > a || sleep 60\n")
    run = Run(folder)
    run.wait_for_rule()
    makeflow = run.makeflow()
    run.process.kill()
    run.end()
    wait_until(lambda: not makeflow.is_running() or makeflow.status() == psutil.STATUS_ZOMBIE, 12, "makeflow to end")
    (folder / "go").touch()
    again = Run(folder)
    assert again.end() == 0, again.text


def test_interrupt_once(folder: Path) -> None:
    """SIGINT to the launcher: makeflow aborts, tasks are killed, its exit code is passed on; the next run resumes."""
    write(folder, "a:\n    test -e go && echo 2 > a || sleep 60\n")
    run = Run(folder)
    run.wait_for_rule()
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 1
    assert "stopping: " in run.notes
    assert "killed 1" in (folder / ".mfmesos" / "fake.log").read_text()
    assert no_leftovers(folder)
    (folder / "go").touch()
    again = Run(folder)
    assert again.end() == 0, again.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP])
def test_other_signals_are_passed_on(folder: Path, number: signal.Signals) -> None:
    """makeflow gets what the launcher gets; the tasks are killed whatever it does with it."""
    write(folder, "a:\n    sleep 60; echo 1 > a\n")
    run = Run(folder)
    run.wait_for_rule()
    run.process.send_signal(number)
    assert run.end() == (128 + number if number == signal.SIGHUP else 1)
    assert "killed 1" in (folder / ".mfmesos" / "fake.log").read_text()


def test_nohup(folder: Path) -> None:
    """A launcher under nohup: neither it nor makeflow takes notice of SIGHUP, and the run continues to its end."""
    write(folder, "a:\n    while ! test -e go; do sleep 0.1; done; echo 1 > a\n")
    run = Run(folder, nohup=True)
    run.wait_for_rule()
    run.process.send_signal(signal.SIGHUP)
    (folder / "go").touch()
    assert run.end() == 0, run.text
    assert "stopping" not in run.notes


def test_interrupt_twice(folder: Path) -> None:
    """The second one kills makeflow at once; the tasks are killed all the same."""
    write(folder, "a:\n    sleep 60; echo 1 > a\n")
    run = Run(folder)
    run.wait_for_rule()
    makeflow = run.makeflow()
    makeflow.suspend()  # so that it cannot end before the second
    run.process.send_signal(signal.SIGINT)
    wait_until(lambda: "stopping: makeflow ends" in run.notes, what="the first to be taken")
    run.process.send_signal(signal.SIGINT)
    assert run.end() == 128 + 9
    assert "makeflow is killed" in run.notes
    assert "killed 1" in (folder / ".mfmesos" / "fake.log").read_text()


def test_ctrl_c_on_a_terminal(folder: Path) -> None:
    """A real Ctrl-C, typed on a terminal, reaches makeflow once and does not reach the scheduler."""
    write(folder, "a:\n    sleep 60; echo 1 > a\n")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, str(LAUNCH)])
    text = b""

    def read_until(wanted: bytes) -> None:
        nonlocal text
        while wanted not in text:
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            if not data:
                break
            text += data

    read_until(b"submitted job 1")
    wait_for_rule(folder, 1)
    os.write(terminal, b"\x03")
    read_until(b"never said, so to the end")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 1, text
    assert text.count(b"got abort signal") == 1
    assert text.count(b"stopping: makeflow ends") == 1
    assert "killed 1" in (folder / ".mfmesos" / "fake.log").read_text()


def test_scheduler_that_crashes_once(folder: Path) -> None:
    """It is started again, with one line about that, and the run ends well."""
    write(folder, DIAMOND)
    run = Run(folder, environ={"FAKE_SCHEDULER": "crash-once"})
    assert run.end() == 0, run.text
    assert run.notes.count("starting it again") == 1


def test_scheduler_that_cannot_live(folder: Path) -> None:
    """After 5 restarts the run is given up: makeflow is ended, it does not hang."""
    write(folder, DIAMOND)
    run = Run(folder, environ={"FAKE_SCHEDULER": "crash"})
    assert run.end(50) == 1
    assert run.notes.count("starting it again") == 5
    assert "giving up" in run.notes
    assert "0 of 4 rules succeeded" in run.notes


def test_scheduler_that_dies_at_the_end(folder: Path) -> None:
    """makeflow has ended, and its scheduler is killed before it has given back its claims: another one does."""
    write(folder, DIAMOND)
    run = Run(folder, environ={"FAKE_SCHEDULER": "die-at-end"})
    assert run.end() == 0, run.text
    assert run.notes.count("killed by SIGKILL) before it released its claims") == 1
    assert "mfmesos clean" not in run.notes
    assert not (folder / ".mfmesos" / "framework_id").exists()
    assert no_leftovers(folder)


def test_schedulers_that_die_at_every_end(folder: Path) -> None:
    """Not tried for ever: what is left in Mesos is not left silently, the command that ends it is named."""
    write(folder, DIAMOND)
    run = Run(folder, environ={"FAKE_SCHEDULER": "die-at-every-end"})
    assert run.end() == 0, run.text
    assert run.notes.count("before it released its claims") == 2
    assert f"`mfmesos clean '{folder}'`" in run.notes


def test_a_third_interrupt_names_the_cure(folder: Path) -> None:
    """The scheduler is killed on purpose, and nobody is started after it."""
    write(folder, "a:\n    until [ -e go ]; do sleep 0.1; done\n")
    run = Run(folder, environ={"FAKE_SCHEDULER": "deaf"})
    run.wait_for_rule()
    (folder / ".mfmesos" / "framework_id").write_text("F\n127.0.0.1:1\nmakeflow\n")
    run.makeflow().suspend()
    for said in ("makeflow ends", "makeflow is killed", "the scheduler is killed"):
        run.process.send_signal(signal.SIGINT)
        wait_until(lambda text=said: text in run.notes, what=f"{said!r}")
    assert run.end() == 128 + 9
    assert f"`mfmesos clean '{folder}'`" in run.notes
    assert "starting another" not in run.notes
    (folder / "go").touch()


def test_two_runs_in_one_folder(folder: Path) -> None:
    """The second is refused in one line, and the first is not disturbed."""
    write(folder, "a:\n    while ! test -e go; do sleep 0.05; done; echo 1 > a\n")
    run = Run(folder)
    run.wait_for_rule()
    second = subprocess.run([sys.executable, str(LAUNCH)], cwd=folder, capture_output=True, text=True, timeout=30)
    assert second.returncode == 1
    assert "another mfmesos run" in second.stderr
    assert second.stderr.count("\n") == 1
    (folder / "go").touch()
    assert run.end() == 0, run.text


def test_workflow_in_another_folder(folder: Path) -> None:
    """The file is given by a path: makeflow works where it was started; log and outputs are found."""
    (folder / "there").mkdir()
    write(folder / "there", "a:\n    exit 4\n", "flow.mf")
    run = Run(folder, "-r0", "there/flow.mf")
    assert run.end() == 1
    assert "rule 0 (task 1, makes a) failed: exit code 4" in run.notes
    assert (folder / "there" / "flow.mf.makeflowlog").exists()
    assert (folder / ".mfmesos").exists()


def test_change_directory(folder: Path) -> None:
    """With -X makeflow works in another folder; so does the scheduler."""
    (folder / "there").mkdir()
    write(folder, DIAMOND)
    run = Run(folder, "-X", "there", "Makeflow")
    assert run.end() == 0, run.text
    assert (folder / "there" / "d").exists()
    assert (folder / "there" / ".mfmesos").exists()


def test_a_run_of_another_batch_type(folder: Path) -> None:
    """Rules left running by makeflow -T wq may still run: that log is not touched, and one line reports them."""
    write(folder, "a:\n    echo 1 > a\n")
    text = "# FILE 1 Makeflow.wqlog 1 0\n# STARTED 2\n# FILE 3 a 1 10\n4 0 1 1 0 1 0 0 0 1\n"
    (folder / "Makeflow.makeflowlog").write_text(text)
    run = Run(folder)
    assert run.end() == 1
    assert "left running by makeflow -T wq" in run.text
    assert (folder / "Makeflow.makeflowlog").read_text() == text


def test_rules_do_not_inherit_the_library(folder: Path) -> None:
    """LOCAL rules see the user's environment, without our library or its descriptor."""
    write(folder, "a:\n    LOCAL env > a; ls -l /proc/self/fd >> a\n")
    run = Run(folder, environ={"MARK": "here"})
    assert run.end() == 0, run.text
    seen = (folder / "a").read_text()
    assert "MARK=here" in seen
    assert "LD_PRELOAD" not in seen
    assert "_makeflow_preload" not in seen
    assert "MFMESOS" not in seen


def test_help_version_clean(folder: Path) -> None:
    """They are makeflow's own business: no scheduler, no folder of ours."""
    write(folder, DIAMOND)
    for argv, said in ((["--version"], "makeflow version"), (["-h"], "--batch-type"), (["--clean"], "")):
        run = Run(folder, *argv)
        assert run.end() == 0, run.text
        assert said in run.text
    assert not (folder / ".mfmesos").exists()


def fake_makeflow(folder: Path, types: str) -> Path:
    bindir = folder / "bin"
    bindir.mkdir()
    script = bindir / "makeflow"
    script.write_text(f"""#!/bin/sh
case $1 in --version) echo "makeflow version 7.14.2 FINAL (released)";;
*) echo " -T,--batch-type=<type>         Select batch system: {types}";; esac
""")
    script.chmod(0o755)
    return bindir


def test_makeflow_without_mesos(folder: Path) -> None:
    """7.13 and newer have no -T mesos: reported in one line with the cure."""
    write(folder, DIAMOND)
    bindir = fake_makeflow(folder, "local, wq, condor, slurm")
    run = Run(folder, environ={"PATH": str(bindir)})
    assert run.end() == 1
    assert "7.14.2) has no -T mesos" in run.text
    assert "coop-computing-tools" in run.text
    assert run.text.count("\n") == 1


def test_no_makeflow(folder: Path) -> None:
    """Said in one line with the cure."""
    run = Run(folder, environ={"PATH": str(folder)})
    assert run.end() == 1
    assert "no makeflow on PATH" in run.text
    assert "apt-get install coop-computing-tools openmpi-bin" in run.text


def test_no_system_python(folder: Path) -> None:
    """Without /usr/bin/python makeflow would loop for ever: refused in one line with the cure."""
    write(folder, DIAMOND)
    run = Run(folder, environ={"SYSTEM_PYTHON": str(folder / "python")})
    assert run.end() == 1
    assert "python is missing" in run.text
    assert "apt-get install python-is-python3" in run.text


def test_wrapper_script_on_path(folder: Path) -> None:
    """A script named makeflow that runs the real one is looked through."""
    write(folder, DIAMOND)
    bindir = folder / "bin"
    bindir.mkdir()
    (bindir / "makeflow").write_text(f'#!/bin/sh\nexec {shutil.which("makeflow")} "$@"\n')
    (bindir / "makeflow").chmod(0o755)
    run = Run(folder, environ={"PATH": f"{bindir}:/bin"})
    assert run.end() == 0, run.text


def test_refused_workflow(folder: Path) -> None:
    """makeflow refuses the workflow itself: its exit code, and everything ends."""
    write(folder, "a: nowhere\n    cat nowhere > a\n")
    run = Run(folder)
    assert run.end() == 1
    assert no_leftovers(folder)


@pytest.mark.parametrize(("argv", "count"), [((), 120), (("-J", "7"), 7)])
def test_more_than_a_hundred_jobs_at_a_time(folder: Path, argv: tuple[str, ...], count: int) -> None:
    """Of 120 rules that wait for each other all are submitted, unless -J sets another limit."""
    write(folder, "".join(f"o{n}:\n    until [ -e go ]; do sleep 0.2; done; touch o{n}\n" for n in range(120)))
    run = Run(folder, *argv)

    def submitted() -> int:
        info = folder / "mesos_task_info"
        return info.read_text().count(",submitted\n") if info.exists() else 0

    wait_until(lambda: submitted() >= count, 20, "the jobs to be submitted")
    wait_for_rule(folder, count)
    assert submitted() == count
    (folder / "go").touch()
    assert run.end() == 0


def test_what_the_user_wants_logged(folder: Path) -> None:
    """-d and -o work as ever, though makeflow's debug log goes to the scheduler; ours is gone at the end."""
    write(folder, "export HIDDEN=hidden-value\na:\n    echo 1 > a\n")
    run = Run(folder, "-d", "batch", "-o", "my log")
    assert run.end() == 0, run.text
    logged = (folder / "my log").read_text()
    assert "batch: task 1 is ready" in logged
    assert "hidden-value" not in logged
    assert not (folder / ".mfmesos" / "makeflow.debug").exists()
    assert run.notes == ""


def test_a_makeflow_that_tells_no_environments(folder: Path) -> None:
    """Its tasks would run without what the workflow exports: refused before the start, naming it; run with
    --ignore-environment."""
    need(shutil.which("makeflow"), "no makeflow on PATH", "apt-get install coop-computing-tools openmpi-bin")
    write(folder, "export DEPTH=30\na:\n    echo 1 > a\n")
    bindir = folder / "bin"
    bindir.mkdir()
    silent = Path(shutil.which("makeflow") or "").resolve().read_bytes().replace(b"export %s=%s", b"EXPORT %s=%s")
    (bindir / "makeflow").write_bytes(silent)
    (bindir / "makeflow").chmod(0o755)
    path = {"PATH": f"{bindir}:{os.environ['PATH']}"}
    refused = Run(folder, environ=path)
    assert refused.end() == 1
    assert "mfmesos: ./Makeflow: export DEPTH: this makeflow does not pass" in refused.text
    assert "--ignore-environment" in refused.text
    assert not (folder / "a").exists()
    run = Run(folder, environ={**path, "IGNORE_ENVIRONMENT": "1"})
    assert run.end() == 0, run.text
    write(folder, "b:\n    echo 1 > b\n")
    assert Run(folder, environ=path).end() == 0


@pytest.mark.parametrize(("text", "argv", "said"), [
    ('a:\n    cat "in > a\n', [], 'makeflow gave up: Missing closing ". line: 3 column: 2; nothing had run'),
    ('{"rules": [', ["--jx", "Makeflow"], "makeflow gave up: Makeflow: parse error: line 1: key-value pairs"),
    ("a: none\n    cat none > a\n", [], "makeflow gave up for the reason above; nothing had run"),
    ("a:\n    echo 1 > a\n", ["--no-such-option"], "makeflow gave up for the reason above; nothing had run"),
    ('a:\n    cat "in > a\n', ["-d", "wq"], "makeflow gave up: Missing"),
], ids=["syntax", "jx", "missing", "option", "debug"])
def test_makeflow_gives_up_before_it_starts(folder: Path, text: str, argv: list[str], said: str) -> None:
    """makeflow ends itself by SIGTERM after a fatal error: its own line, exit 1, and no talk of killed tasks."""
    write(folder, text)
    run = Run(folder, *argv)
    assert run.end() == 1, run.text
    assert run.notes.startswith(f"mfmesos: {said}")
    assert run.notes.count("\n") == 0
    assert "killed" not in run.notes
