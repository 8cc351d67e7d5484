"""A task from its line to its result."""
from __future__ import annotations

import resource
import signal

import pytest
from executor_fakes import TOKEN, contents, gone, left_of_tasks, number_in, run
from support import wait_until

from mfmesos.shared import wire


def one(staging, attempt: str, command: str, *args, **kw):
    staging.run(run(attempt, command, *args, **kw))
    return staging.wait(attempt)[0]


def test_runs_a_task(executor, staging):
    """Input in place, command run by sh, output inline, acknowledged; release ends the claim, nothing is left."""
    item = staging.add("in.txt", b"hello\n")
    result = one(staging, "1.1", "cat in.txt > out.txt", [item], ["out.txt"])
    assert (result.outcome, result.reason, result.exit_code) == ("finished", "", 0)
    assert contents(result) == {"out.txt": b"hello\n"}
    staging.let_go()
    assert executor.end() == ("TASK_FINISHED", "")
    assert executor.left() == []
    assert executor.states() == ["TASK_RUNNING", "TASK_FINISHED"]
    assert executor.updates[-2][4] == []  # gone already when Mesos was told


def test_the_command_is_sh_alone(executor, staging):
    """Quotes, commas, $, pipes, redirections and newlines reach /bin/sh untouched."""
    command = "X='a,b \"c\"'; echo \"$X\" $((1+2)) | tr a A > 'o 1'\nprintf '%s' \"$0\" >> 'o 1'"
    assert contents(one(staging, "1.1", command, [], ["o 1"])) == {"o 1": b'A,b "c" 3\n/bin/sh'}


def test_a_command_too_long_for_an_argument(executor, staging):
    """A command of 300 kB runs all the same (Linux takes 128 KiB in one argument)."""
    command = ": " + "x" * 300_000 + "\necho done > o"
    assert contents(one(staging, "1.1", command, [], ["o"])) == {"o": b"done\n"}


def test_environment(start, staging):
    """PATH, HOME, TMPDIR and the task's own variables are set; nothing of Mesos, no secret, no claim is."""
    start(environ={"MESOS_SANDBOX": "/x", "LIBPROCESS_IP": "1", "AWS_SECRET_KEY": "x", "USEFUL": "yes"})
    command = "env > o; pwd > where; echo $TMPDIR > tmp; test -w $TMPDIR && cat"
    result = one(staging, "1.1", command, [], ["o", "where", "tmp"], env={"MINE": "1 2", "USEFUL": "no"})
    assert result.outcome == "finished"
    files = contents(result)
    env = dict(line.split("=", 1) for line in files["o"].decode().splitlines() if "=" in line)
    assert env["PATH"]
    assert (env["MINE"], env["USEFUL"], env["MFMESOS_ATTEMPT"]) == ("1 2", "no", "1.1")
    assert env["HOME"] == files["where"].decode().strip()
    assert env["TMPDIR"].startswith(env["HOME"].rsplit("/", 1)[0])
    assert not [k for k in env if k.startswith(("MESOS", "LIBPROCESS", "AWS_SECRET")) or TOKEN in env[k]]


def test_given_ids_are_in_the_environment(executor, staging):
    """The task learns which ports and sets are its own; without any, no such variable is set."""
    given = {"ports": ["31000", "31001"], "gpu-ids": ["a"]}
    both = "env | grep MFMESOS_ | sort > o"
    found = contents(one(staging, "1.1", both, [], ["o"], given=given))["o"].decode()
    assert found == "MFMESOS_ATTEMPT=1.1\nMFMESOS_GPU_IDS=a\nMFMESOS_PORTS=31000,31001\n"
    assert contents(one(staging, "2.1", both, [], ["o"]))["o"] == b"MFMESOS_ATTEMPT=2.1\n"


def test_a_path_where_the_agent_has_none(start, staging):
    """An agent with an empty environment still gives a usable PATH."""
    start(environ={"PATH": ""})
    assert one(staging, "1.1", "cat /dev/null | wc -c").outcome == "finished"


def test_stdin_is_empty(executor, staging):
    """A command that reads stdin gets its end at once."""
    assert contents(one(staging, "1.1", "wc -c > o", [], ["o"]))["o"].strip() == b"0"


def test_the_ends_of_stdout_and_stderr(executor, staging):
    """The last TAIL_BYTES of each come with the result; they lie outside of the working folder."""
    result = one(staging, "1.1", "seq 1 9999; echo ä >&2; ls -A > o", [], ["o"])
    assert len(result.stdout) == wire.TAIL_BYTES
    assert result.stdout.endswith("9998\n9999\n")
    assert result.stderr == "ä\n"
    assert contents(result)["o"] == b"o\n"


@pytest.mark.parametrize(("command", "exit_code", "number", "reason"), [
    ("echo first >&2; echo 'no such thing' >&2; exit 3", 3, None, "exit code 3: no such thing"),
    ("exit 7", 7, None, "exit code 7"),
    ("kill -SEGV $$", None, 11, "killed by signal 11 (SIGSEGV)"),
    ("sh -c 'kill -KILL $$'; exit $?", 137, None, "exit code 137 (killed by signal 9, SIGKILL)"),
])
def test_failures(executor, staging, command, exit_code, number, reason):
    """Exit code, signal and the last line of stderr are reported in one line."""
    result = one(staging, "1.1", command, [], ["o"])
    assert (result.outcome, result.exit_code, result.signal) == ("failed", exit_code, number)
    assert result.reason.startswith(reason)
    assert result.tar is None


def test_the_reason_is_bounded(executor, staging):
    """A last line of stderr of 10,000 characters and control characters does not make a reason of that size."""
    result = one(staging, "1.1", "printf '\\033[1m%010000d' 5 >&2; exit 1")
    assert len(result.reason) <= 400
    assert "\033" not in result.reason


def test_missing_outputs(executor, staging):
    """Exit 0 without its outputs is a failure that names them; nothing is delivered."""
    result = one(staging, "1.1", "echo 1 > a; echo oops >&2", [], ["a", "b", "c"])
    assert (result.outcome, result.missing_outputs) == ("failed", ["b", "c"])
    assert result.reason == "outputs b, c missing: oops"
    assert result.tar is None
    assert one(staging, "2.1", "true", [], ["o2"]).reason == "output o2 missing"


@pytest.mark.parametrize(("name", "word"), [("C D", "space"), ("C D E", "space"), ("C,D", "comma")])
def test_an_output_whose_name_came_apart(executor, staging, name, word):
    """A record of mesos_task_info can't hold its name: the reason names the name, and the cure."""
    result = one(staging, "1.1", f"touch F; echo x > '{name}'", [], ["F", *name.replace(",", " ").split()])
    assert f'the task made "{name}": a name with a {word} can\'t be written in mesos_task_info;' in result.reason


def test_many_at_once_each_in_its_own_folder(executor, staging):
    """Attempts run side by side and do not see each other's files."""
    go = executor.folder.parent / "go"
    command = f"echo $MFMESOS_ATTEMPT > o; while [ ! -e {go} ]; do sleep 0.02; done"
    names = [f"{i}.1" for i in range(12)]
    staging.run(*(run(name, command, [], ["o"]) for name in names))
    wait_until(lambda: len(staging.running()) == 12)
    go.touch()
    assert [contents(r)["o"].decode().strip() for r in staging.wait(*names)] == names


def test_named_twice_runs_once(executor, staging):
    """An attempt that is named again, running, ended or acknowledged, is not run again."""
    count = executor.folder.parent / "count"
    twice = run("1.1", f"echo x >> {count}", [], [])
    staging.run(twice, twice)
    staging.wait("1.1")
    staging.run(twice, run("2.1", "true"))
    staging.wait("2.1")
    staging.run(twice, run("3.1", "true"))
    staging.wait("3.1")
    assert count.read_text() == "x\n"


def test_files_go_as_soon_as_an_attempt_ends(executor, staging):
    """Inputs, outputs and all else of an attempt are removed once its result is reported, before the claim ends."""
    one(staging, "1.1", "echo 1 > o; mkdir d; echo 2 > d/x; chmod 0 d", [staging.add("in", b"x")], ["o"])
    wait_until(lambda: not left_of_tasks(executor.folder))


@pytest.mark.parametrize("command", [
    "(sleep 300 & echo $! > {pid})",
    "setsid sh -c 'echo $$ > {pid}; exec sleep 300' & sleep 0.2",
    "(setsid sh -c 'setsid sh -c \"echo \\$\\$ > {pid}; exec sleep 300\" &' &); sleep 0.3",
    "env -i setsid sh -c 'echo $$ > {pid}; exec sleep 300' & sleep 0.2",
])
def test_background_children_die(executor, staging, command, tmp_path):
    """Children left behind, in other sessions and double-forked too, are killed before the outputs are taken."""
    pid = tmp_path / "pid"
    result = one(staging, "1.1", command.format(pid=pid) + "; echo 1 > o", [], ["o"])
    assert result.outcome == "finished"
    assert gone(number_in(pid))


def test_another_attempts_children_live(executor, staging, tmp_path):
    """The end of one attempt kills nothing of another, daemons of its own included."""
    pid, go = tmp_path / "pid", tmp_path / "go"
    staging.run(run("1.1", f"(setsid sh -c 'echo $$ > {pid}; exec sleep 300' &); "
                           f"while [ ! -e {go} ]; do sleep 0.02; done"))
    child = number_in(pid)
    one(staging, "2.1", "(setsid sleep 300 &)")
    assert not gone(child)
    go.touch()
    staging.wait("1.1")
    assert gone(child)


def test_usage(executor, staging):
    """Wall time, cpu, cores, disk and the peak memory of the tree, short-lived grandchildren included."""
    eat = "python3 -c \"x = bytearray(150 << 20); import time; time.sleep(0.6)\""
    result = one(staging, "1.1", f"head -c 3000000 /dev/zero > o; {eat}; true", [], ["o"])
    usage = result.usage
    assert 150 < usage.memory_mb < 200
    assert 2.8 < usage.disk_mb < 4
    assert 0.6 < usage.wall_s < 15
    assert usage.cpu_s > 0
    assert usage.cores >= usage.cpu_s / usage.wall_s - 0.01
    # A child's peak begins with that of who forked it, here the tests: only what is beyond says something.
    size = max(120, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 + 40)
    quick = one(staging, "2.1", f"python3 -c 'bytearray({size} << 20)'; true")
    assert size - 20 < quick.usage.memory_mb < size + 80


def test_shared_pages_count_once(executor, staging):
    """Forked children that share 120 MB with their parent are not counted as 120 MB each."""
    code = "import os,time; x = bytearray(b'1') * (120 << 20); [os.fork() and 0 for _ in range(2)]; time.sleep(1.2)"
    result = one(staging, "1.1", f"python3 -c \"{code}\"; true")
    assert 110 < result.usage.memory_mb < 220


def test_the_log_holds_no_secret(executor, staging):
    """Neither token nor environment nor command is in the executor's log, one line for an attempt that failed is."""
    one(staging, "1.1", "false # hidden-command", env={"MINE": "hidden-value"})
    staging.let_go()
    executor.end()
    log = executor.log.read_text()
    assert "attempt=1.1 failed" in log
    assert not [word for word in (TOKEN, "hidden-command", "hidden-value") if word in log]


def test_no_descriptor_leaks(executor, staging):
    """A task has stdin, stdout and stderr and nothing else of ours."""
    result = one(staging, "1.1", "ls /proc/self/fd > o", [], ["o"])
    assert set(contents(result)["o"].split()) <= {b"0", b"1", b"2", b"3"}  # 3 is ls's own


def test_signals_are_as_usual(executor, staging):
    """SIGPIPE ends a writer, as in a shell; Python ignores it."""
    result = one(staging, "1.1", "yes | head -1 > o; kill -PIPE $$", [], ["o"])
    assert result.signal == signal.SIGPIPE
