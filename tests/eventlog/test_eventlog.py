"""The event log: what it keeps and what not, its bounds, its segments, and their replay."""
from __future__ import annotations

import base64
import gzip
import io
import json
import os
import pickle
import subprocess
import sys
import typing
from pathlib import Path

import pytest
from world import World

from mfmesos.core import actions as act
from mfmesos.core import claims
from mfmesos.core import events as ev
from mfmesos.core.attempt_record import Attempt
from mfmesos.core.model import Constraint, Remote, Request, Resources, StagedInput, Task
from mfmesos.core.policy import Policy
from mfmesos.estimates.estimated_needs import needs_for
from mfmesos.eventlog import checkpoint, segments
from mfmesos.eventlog.logged_core import LoggedCore
from mfmesos.eventlog.plain_values import decoded, encoded, encoded_as_is
from mfmesos.eventlog.replaying import ReplayError, replay
from mfmesos.shared import wire

ROOT = Path(__file__).parent.parent.parent
SECRET = "hunter2"
POLICY = Policy(workdir="/w", batch_delay_s=0.0, retries=1, nonce="n")


def logged(folder: Path, **how: int) -> World:
    """A world whose core keeps a log in `folder`."""
    world = World(POLICY, {"a1": Resources(4, 4096, 20000), "a2": Resources(4, 4096, 20000)})
    world.core = LoggedCore(POLICY, needs_for(POLICY), folder, **how)
    world.register()
    return world


def ran(folder: Path, tasks: int = 40, **how: int) -> World:
    """One that has run some tasks to their end."""
    world = logged(folder, **how)
    for i in range(1, tasks + 1):
        world.send(ev.TaskSubmitted(
            Task(i, f"work {i} < in", ("in",), (f"o{i}",), Request(cores=1 + i % 2), env={"KEY": SECRET},
                 urls={"big": Remote(f"https://me:{SECRET}@host/big?sig={SECRET}")}),
            (StagedInput("in", "d" * 64, 5, 0o644),
             StagedInput("big", "e" * 64, 5, 0o644, url=f"https://me:{SECRET}@host/big?sig={SECRET}"))))
    world.fate = lambda executor, run: wire.FAILED if run.attempt in ("3.n.1", "5.n.1", "5.n.2") else wire.FINISHED
    world.send(ev.TaskSteered(7, "work 7", held=True), ev.TaskSteered(8, "work 8", memory_mb=300.0))
    world.offer()
    world.send(ev.TaskSteered(7, "work 7", held=False), ev.TaskRetried(8), ev.TaskSteered(9, cancelled=True))
    world.send(ev.NoMoreTasks())
    world.run_to_end()
    world.core.close()
    return world


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in segments.lines_of(path)]


def test_a_replay_gives_the_same_actions(tmp_path):
    """Those of the whole run, from its start on."""
    world = ran(tmp_path)
    (path,) = segments.segments(tmp_path)
    found = replay(path)
    assert found.difference is None
    assert found.actions >= len(world.actions) > 200


def test_each_segment_can_be_replayed_by_itself(tmp_path):
    """It begins with a checkpoint of the state."""
    ran(tmp_path, segment_bytes=30_000, kept=1000)
    found = segments.segments(tmp_path)
    assert len(found) > 2
    assert all(replay(path).difference is None for path in found)
    assert [bool(lines(path)[1]["state"]) for path in found] == [False] + [True] * (len(found) - 1)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_order_of_sets_decides_nothing(seed, tmp_path):
    """A replay by the tool under another hash seed, from the start and from each checkpoint."""
    ran(tmp_path, segment_bytes=200_000, kept=1000)
    assert len(segments.segments(tmp_path)) > 1
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "replay_events.py"), str(tmp_path)], capture_output=True, text=True,
        timeout=60, check=False, env={**os.environ, "PYTHONHASHSEED": seed})
    assert (done.returncode, done.stdout.count("all the same")) == (0, len(segments.segments(tmp_path))), done


def test_no_secret_is_logged(tmp_path):
    """Neither in events and actions nor in a checkpoint; nobody else may read the files."""
    ran(tmp_path, segment_bytes=30_000, kept=1000)
    for path in segments.segments(tmp_path):
        assert path.stat().st_mode & 0o777 == 0o600
        assert SECRET.encode() not in gzip.decompress(path.read_bytes())
        start = lines(path)[1]
        if start["state"]:
            assert SECRET.encode() not in base64.b64decode(start["state"])


def test_what_tasks_print_is_not_logged():
    """It is most of the bytes, and theirs."""
    result = wire.Result("1.1", wire.FINISHED, stdout=SECRET, stderr=SECRET, tar=SECRET)
    assert SECRET not in encoded(ev.ClaimSynced("c", 1, 0, (), (result,)))


def test_the_oldest_segment_goes(tmp_path):
    """The numbers go on counting, also after a restart."""
    ran(tmp_path, segment_bytes=30_000, kept=3)
    first = segments.segments(tmp_path)
    assert len(first) == 3
    ran(tmp_path, tasks=2, kept=3)
    second = segments.segments(tmp_path)
    assert second[:2] == first[1:]
    assert len(second) == 3


def test_a_difference_is_shown(tmp_path, monkeypatch):
    """The call, its events, and both lists of actions from the first that differs."""
    ran(tmp_path)
    (path,) = segments.segments(tmp_path)

    def hasty(state, claim):
        claim.to_kill.add("9.9")
        plainly(state, claim)

    plainly = claims.answer
    monkeypatch.setattr(claims, "answer", hasty)
    found = replay(path)
    assert found.difference is not None
    shown = str(found.difference)
    assert "ClaimSynced" in shown
    assert '+{"AnswerSync"' in shown
    assert '-{"AnswerSync"' in shown


def test_a_log_that_was_cut_off_is_replayed_to_there(tmp_path):
    """As kill -9 leaves it."""
    ran(tmp_path)
    (path,) = segments.segments(tmp_path)
    whole = replay(path).calls
    path.write_bytes(path.read_bytes()[:-200])
    assert 0 < replay(path).calls <= whole
    assert replay(path).difference is None


def test_a_crash_of_the_core_is_in_the_log(tmp_path, monkeypatch):
    """Its events are, so that the replay crashes as well."""
    world = logged(tmp_path)
    world.submit(1)
    with monkeypatch.context() as context:
        context.setattr("mfmesos.core.demand.refresh", lambda state: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.pass_time(1.0)
        world.core.close()
        with pytest.raises(ZeroDivisionError):
            replay(segments.segments(tmp_path)[0])


def test_a_full_disk_ends_the_log_and_not_the_run(tmp_path, monkeypatch):
    """Nothing is kept in memory for it, either."""

    def full(fd, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(segments.os, "write", full)
    world = ran(tmp_path)
    assert world.over is not None
    assert world.core._writer.problem == "No space left on device"


def test_other_files_are_refused(tmp_path):
    """With the reason."""
    path = tmp_path / "events-1.log.gz"
    for content in (b"", b"text", gzip.compress(b"{}\n{}\n"), gzip.compress(b"no json\n")):
        path.write_bytes(content)
        with pytest.raises(ReplayError):
            replay(path)


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/mfmesos-was-here",)


class Sneaky:
    def __reduce__(self):
        return getattr, (Path, "home")


@pytest.mark.parametrize("thing", [Evil(), Sneaky(), os.system, subprocess.Popen, io.open, Path("/")])
def test_a_checkpoint_runs_nothing(thing):
    """It may name classes of ours and a few containers, no function, and nothing in another module."""
    with pytest.raises(checkpoint.CheckpointError):
        checkpoint.loaded(pickle.dumps({"a": thing}, protocol=4))


@pytest.mark.parametrize("name", ["events.Mapping", "events.os.system", "core.claims"])
def test_a_checkpoint_reaches_no_imports_of_our_modules(name):
    """Only classes that the module itself defines."""
    module, _, attribute = name.partition(".")
    data = b"\x80\x04\x8c" + bytes([len(f"mfmesos.core.{module}")]) + f"mfmesos.core.{module}".encode() + (
        b"\x8c" + bytes([len(attribute)]) + attribute.encode() + b"\x93.")
    with pytest.raises(checkpoint.CheckpointError, match=attribute):
        checkpoint.loaded(data)


@pytest.mark.parametrize("cls", [*typing.get_args(ev.Event), *typing.get_args(act.Action)])
def test_every_event_and_action_is_known(cls):
    """A new one that is a dataclass needs nothing more."""
    value = cls.__new__(cls)
    for name in cls.__dataclass_fields__:
        setattr(value, name, "x")
    again = decoded(json.loads(encoded(value))) if cls is not ev.TaskRemembered else value
    assert again == value


def test_values_come_back_as_they_were():
    """Tuples, lists, mappings, named tuples and nothing, each as the class has it."""
    task = Task(1, "x \udcff", ("a",), ("b",), Request(cores=0.1), None, {"A": "1", "Run": "2"}, ("b",),
                {"u": Remote("http://h/", "d")}, where=(Constraint("rack", "max_per", "2"),))
    answer = wire.SyncAnswer(3, ["1.1"], [wire.Run("1.1", "x", [wire.Input("a", "d", 1)], ["b"], "/w", 1, 2, 3)])
    for value in (ev.TaskSubmitted(task, (StagedInput("a", "d", 3, 0o644),)), act.AnswerSync("c", 1, answer),
                  POLICY, ev.SharedFolders({"/data": "m"})):
        again = decoded(json.loads(encoded_as_is(value)))
        assert again == value
        assert repr(again) == repr(value)


def test_a_reader_leaves_no_trace(tmp_path):
    """What somebody asks between two events, such as the time left, is not in the log and changes no decision."""
    world = logged(tmp_path)
    for i in range(1, 30):
        world.send(ev.TaskSubmitted(Task(i, f"work{i % 3} {i}", (), (f"o{i}",))))
    for _ in range(6):
        world.offer()
        for executor in world.live():
            for attempt in list(executor.running)[:1]:
                world.finish(executor, attempt)
            world.sync(executor)
    assert any(record.state.name == "RUNNING" for record in world.core.state.tasks.values())
    before = pickle.loads(pickle.dumps(world.core.state.needs._cache))
    world.core.state.needs._cache.clear()
    world.core.seconds_left()
    assert world.core.state.needs._cache == {}
    assert before
    world.core.close()


def test_earlier_attempts_are_learned_in_their_order():
    """Restored tasks expect categories before the history comes; categories learn from each other, so order counts."""
    needs = needs_for(POLICY)
    names = [f"category {i}" for i in range(12)]
    for name in reversed(names):
        needs.expect(name)
    needs.remember(Attempt(0.0, name, "finished", measured_memory_mb=100.0, wall_s=1.0) for name in names)
    assert needs._estimates.memory.categories() == names
