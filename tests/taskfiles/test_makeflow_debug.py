"""makeflow's debug log: the environments and outputs of its tasks, its fatal errors, and what a user wanted logged."""
from __future__ import annotations

import resource

import pytest

from mfmesos.taskfiles.makeflow_debug import DebugLog, DebugParser, Forward, LogFile, Submission, last_fatal, sendable


def log(*messages: str, pid: int = 7) -> bytes:
    return b"".join(f"2026/11/28 00:34:31.35 makeflow[{pid}] {text}\n".encode() for text in messages)


RULE = "batch: set option `task-id' to `0'"
TWO_RULES = log(
    "makeflow: makeflow version 8.0.0", "makeflow: export A=1", "makeflow: export B=it's \"b\" = $b \\", RULE,
    "makeflow: file o p waiting -> running", "makeflow: file q waiting -> running", "batch: task 1 is ready",
    "makeflow: node 0 waiting -> running", "makeflow: export A=a\nb", RULE, "batch: task 2 is ready")


def parsed(data: bytes) -> dict[int, Submission]:
    parser = DebugParser()
    parser.feed(data)
    return parser.submissions


def test_each_task_has_its_own_exports_and_outputs():
    """Values hold quotes, = and newlines; names of outputs hold spaces."""
    found = parsed(TWO_RULES)
    assert found[1] == Submission({"A": "1", "B": "it's \"b\" = $b \\"}, ["o p", "q"])
    assert found[2] == Submission({"A": "a\nb"}, [])


def test_names_with_commas():
    """Those of sources and of outputs, which makeflow's records can't hold."""
    parser = DebugParser()
    parser.feed(log("makeflow: Added a, to input list", "makeflow: Added b to input list",
                    "makeflow: Added \n,c to input list", "makeflow: file d,e waiting -> running", RULE))
    assert parser.with_commas == ["a,", "\n,c", "d,e"]


def test_pieces_do_not_matter():
    """The same, whatever the pieces in which the file was read."""
    whole = parsed(TWO_RULES)
    for size in (1, 2, 7, 64):
        parser = DebugParser()
        for start in range(0, len(TWO_RULES), size):
            parser.feed(TWO_RULES[start:start + size])
        assert parser.submissions == whole


def test_exports_of_a_failed_or_local_rule_reach_no_other():
    """makeflow logs them when a rule has failed, too, and for LOCAL rules, which have no task."""
    found = parsed(log(
        "makeflow: export X=failed", "makeflow: file o running -> delete", RULE, "batch: task 1 is ready",
        "makeflow: export X=local", RULE, "batch: started process 99: true", RULE, "batch: task 2 is ready"))
    assert found[1].exports == found[2].exports == {}


def test_a_value_that_looks_like_messages():
    """A line of a value that imitates makeflow's messages is part of the value: it has another process number."""
    imitation = log("batch: task 1 is ready", pid=1).decode()
    found = parsed(log("makeflow: version", f"makeflow: export A=x\n{imitation}y", RULE, "batch: task 5 is ready"))
    assert found == {5: Submission({"A": f"x\n{imitation}y"})}


def test_spaces_at_the_end_are_kept_by_the_librarys_mark():
    """makeflow cuts them off; our library puts a mark behind them."""
    assert parsed(log("makeflow: export A=x \n\x1e", RULE, "batch: task 1 is ready"))[1].exports == {"A": "x \n"}


def test_a_value_that_makeflow_could_not_log():
    """One of more than 64 KB leaves an empty message: the task is known to lack something."""
    assert parsed(log("makeflow: export A=1", "makeflow:", RULE, "batch: task 1 is ready"))[1].cut


@pytest.mark.parametrize(("exports", "inherited", "made"), [
    ({}, {}, {"OMP_NUM_THREADS": "1"}),
    ({"CORES": "4"}, {}, {"OMP_NUM_THREADS": "4", "CORES": "4"}),
    ({"CORES": "4"}, {"OMP_NUM_THREADS": "2"}, {"CORES": "2", "OMP_NUM_THREADS": "2"}),
    ({"CORES": "4", "OMP_NUM_THREADS": "3"}, {"OMP_NUM_THREADS": "2"}, {"CORES": "3", "OMP_NUM_THREADS": "3"}),
])
def test_threads_follow_cores(tmp_path, exports, inherited, made):
    """As with makeflow -T local."""
    assert DebugLog(tmp_path / "log", None, inherited).environment(exports) == made


def test_what_is_sent_wins_over_exports(tmp_path):
    """So it is with makeflow -T local --send-environment. What describes this place, and our secret, are not sent."""
    sent = sendable({"A": "here", "PWD": "/x", "TMPDIR": "/y", "S": "secret", "B": ""}, "S")
    made = DebugLog(tmp_path / "log", sent, {}).environment({"A": "file", "C": "c"})
    assert made == {"A": "here", "B": "", "C": "c", "OMP_NUM_THREADS": "1"}


def test_no_descriptor_is_left(tmp_path):
    """The log is open from the start: it is read as before, and no task loses its environment."""
    (tmp_path / "log").write_bytes(TWO_RULES[:9])
    debug = DebugLog(tmp_path / "log", None, {})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    debug.read()
    (tmp_path / "log").write_bytes(TWO_RULES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        debug.read()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert debug.of(1).exports["A"] == "1"


def test_the_log_is_private_and_has_room(tmp_path):
    """Only its owner may read it; a leftover is replaced."""
    (tmp_path / "log").write_text("old")
    file = LogFile(tmp_path / "log")
    file.reserve()
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "log").read_bytes() == b""
    file.remove()
    assert not (tmp_path / "log").exists()


def test_fatal_error_on_one_line(tmp_path):
    """Also one of several lines; one that is not the last message was not the end."""
    path = tmp_path / "log"
    assert last_fatal(path) == ""
    path.write_bytes(log("makeflow: parsing", "fatal: Missing '\n line: 32 column: 2"))
    assert last_fatal(path) == "Missing ' line: 32 column: 2"
    path.write_bytes(path.read_bytes() + log("batch: more"))
    assert last_fatal(path) == ""


@pytest.mark.parametrize(("messages", "reason"), [
    (["notice: parse error: line 1: a comma", "fatal: makeflow: couldn't load M: Invalid argument"],
     "M: parse error: line 1: a comma"),
    (["makeflow: version", "fatal: makeflow: couldn't load a: b: No such file or directory"],
     "a: b: not a valid workflow, for the reason above"),
    (["fatal: makeflow: couldn't load M: Permission denied"], "couldn't load M: Permission denied"),
    (["notice: job 1 failed", "fatal: no room"], "no room"),
])
def test_why_a_workflow_cannot_be_loaded(tmp_path, messages, reason):
    """For JSON and JX the parser's message, and not the system's error that makeflow adds, which means nothing."""
    path = tmp_path / "log"
    path.write_bytes(log(*messages))
    assert last_fatal(path) == reason


@pytest.mark.parametrize(("flags", "shown"), [
    (["batch"], ["batch: b"]),
    (["makeflow_parser"], ["makeflow: m"]),
    (["makeflow"], ["makeflow: m", "makeflow: export A=1\n2"]),
    (["all"], ["makeflow: m", "batch: b", "makeflow: export A=1\n2", "wq: w"]),
    ([], []),
])
def test_what_the_user_wanted_logged(tmp_path, flags, shown):
    """-d and -o work as before; only what we asked for is left out, variables above all."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(log("makeflow: m", "batch: b"))
    forward = Forward(source, flags, str(target))
    forward.look()
    source.write_bytes(source.read_bytes() + log("makeflow: export A=1\n2\x1e", "wq: w", "notice: n"))
    forward.close()
    assert target.read_bytes() == log(*shown, "notice: n")
