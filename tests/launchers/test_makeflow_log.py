"""Reading and mending makeflowlogs."""
from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mfmesos.launchers.makeflow_mending import mend
from mfmesos.launchers.makeflow_verdict import judge
from mfmesos.store.makeflow_log import LogFollower, LogState, NodeState

KILLED = """# FILE 1 Makeflow.mesoslog 1 0
# FILE 1 Makeflow.mesoslog.tr 1 0
# STARTED 2
# FILE 3 b 1 1073741824
4 1 1 1 2 1 0 0 0 3
# FILE 5 a 1 1073741824
6 0 1 2 1 2 0 0 0 3
7 1 3 1 1 1 0 1 0 3
"""


def read(text: str) -> LogState:
    state = LogState()
    for line in text.split("\n"):
        state.feed(line)
    return state


def test_what_a_log_says() -> None:
    """States, job ids, outputs, the batch type and the number of rules."""
    state = read(KILLED)
    assert state.kind == "mesos"
    assert state.total == 3
    assert state.in_state(NodeState.FAILED) == [1]
    assert state.in_state(NodeState.RUNNING) == [0]
    assert state.outputs == {1: ["b"], 0: ["a"]}
    assert state.nodes[0].jobs == [2]
    assert state.waiting == 1


def test_running_nodes_are_set_to_aborted(tmp_path: Path) -> None:
    """Each node last seen running gets an aborted line, a copy is kept, and a second look finds nothing to do."""
    log = tmp_path / "m"
    log.write_text(KILLED)
    mending = mend(log, 99)
    assert mending.nodes == (0,)
    assert log.read_text() == KILLED + "99 0 4 2 0 0 0 0 0 0\n"
    assert mending.backup is not None
    assert mending.backup.read_text() == KILLED
    assert mend(log, 100).backup is None
    state = read(log.read_text())
    assert state.total == 3


def test_half_line_is_cut_off(tmp_path: Path) -> None:
    """An incomplete last line, which makeflow calls corrupt, is removed; its state of the node does not count."""
    log = tmp_path / "m"
    log.write_text(KILLED + "8 0 2 2 1")
    mending = mend(log, 99)
    assert mending.cut == len("8 0 2 2 1")
    assert log.read_text() == KILLED + "99 0 4 2 0 0 0 0 0 0\n"


def test_logs_of_others_are_left_alone(tmp_path: Path) -> None:
    """A log that another batch type wrote last is not touched, and its type is named."""
    text = KILLED.replace("mesoslog", "wqlog")
    log = tmp_path / "m"
    log.write_text(text)
    mending = mend(log, 99)
    assert (mending.backup, mending.kind, mending.nodes) == (None, "wq", (0,))
    assert log.read_text() == text


def test_sound_and_missing_logs(tmp_path: Path) -> None:
    """Nothing to do, nothing done."""
    assert mend(tmp_path / "none", 1).backup is None
    log = tmp_path / "m"
    log.write_text("# STARTED 1\n5 0 1 1 0 1 0 0 0 1\n6 0 2 1 0 0 1 0 0 1\n")
    assert mend(log, 1).backup is None
    assert list(tmp_path.iterdir()) == [log]


def test_follower_reads_on(tmp_path: Path) -> None:
    """Half lines wait for their end; a replaced file is read from its start."""
    log = tmp_path / "m"
    follower = LogFollower(log)
    assert not follower.read()
    log.write_text(KILLED + "8 0 2 2 1 0")
    assert follower.read()
    assert follower.state.in_state(NodeState.COMPLETE) == []
    with log.open("a") as f:
        f.write(" 1 1 0 3\n")
    assert follower.read()
    assert follower.state.in_state(NodeState.COMPLETE) == [0]
    log.unlink()
    log.write_text("# STARTED 1\n")
    follower.read()
    assert follower.state.nodes == {}


@given(st.text(alphabet="0123456789 -#abFILE\n.mesolg", max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever the log holds, it is read."""
    judge(read(text), {})


def test_verdict_names_rule_and_reason() -> None:
    """The reason comes from the report under makeflow's job id; rules that never ran are counted."""
    verdict = judge(read(KILLED.replace("6 0 1 2 1 2 0 0 0 3\n", "")), {
        1: {"task": 1, "command": "false", "outputs": ["b"], "reason": "exit code 1", "finished": False}})
    assert verdict.bad
    assert verdict.lines == [
        "rule 1 (task 1, makes b) failed: exit code 1; its command: false",
        "0 of 3 rules succeeded, 1 failed, 2 did not run"]


def test_verdict_does_not_take_a_process_number_for_a_task() -> None:
    """A LOCAL rule's job id is a process number; a task of that number with other outputs is not its report."""
    verdict = judge(read(KILLED), {1: {"task": 1, "command": "x", "outputs": ["other"], "reason": "wrong"}})
    assert verdict.lines[0] == "rule 1 (makes b) failed: see makeflow's message above"


def test_all_well() -> None:
    """No message."""
    verdict = judge(read("5 0 1 1 0 1 0 0 0 1\n6 0 2 1 0 0 1 0 0 1\n"), {})
    assert (verdict.bad, verdict.lines) == (False, [])


def test_rules_are_counted_by_their_states() -> None:
    """With a storage limit makeflow's total has one more than there are rules; its counts by state have not."""
    state = LogState()
    for line in ("# STARTED 1", "2 0 1 1 2 1 0 0 0 4", "3 0 2 1 2 0 1 0 0 4"):
        state.feed(line)
    assert state.total == 3
    assert state.waiting == 2
    state.feed("4 1 4 0 0 0 0 0 0 0")  # a line of ours
    assert state.total == 3
