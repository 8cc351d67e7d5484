"""The journal: what was saved survives the process, whenever it dies, and nobody else's file is touched."""
from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mfmesos.core import actions as act
from mfmesos.core.model import (
    Constraint,
    Remote,
    Request,
    Resources,
    SavedClaim,
    SavedPart,
    SavedTask,
    StagedInput,
    Steering,
    Task,
)
from mfmesos.shared.resources import named
from mfmesos.store import journal_rows, sqlitefile
from mfmesos.store.journal import APPLICATION_ID, SCHEMA_VERSION, Journal, JournalError
from mfmesos.store.journal_schema import STEPS

CLAIM = SavedClaim("r-1", "a1", "host", Resources(4, 4096, 10000), None)


def task(number: int, **more: object) -> SavedTask:
    return SavedTask(
        Task(number, f"cmd {number}", ("in",), (f"o{number}",), Request(cores=1.0), "c", {"A": "b"}),
        (StagedInput("in", "d" * 64, 5, 0o644),), number, "before", 1, "r-1", Resources(1, 100, 50), 100.0, None,
        **more)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_what_is_saved_is_there_for_the_next(path: Path):
    """Tasks and claims come back as they were, for a scheduler of the same run."""
    journal = Journal(path, "run 1")
    assert not journal.resumed
    journal.write([act.SaveClaim(CLAIM), act.SaveTask(task(1)), act.SaveTask(task(2, solo=True, floor_memory_mb=7.0))])
    journal.put("port", "4711")
    after = Journal(path, "run 1")
    assert after.resumed
    assert after.load() == ([task(1), task(2, solo=True, floor_memory_mb=7.0)], [CLAIM])
    assert (after.get("port"), after.secret) == ("4711", journal.secret)


def test_what_is_given_by_id_is_kept(path: Path):
    """GPUs, sets and ranges: of a claim, of an attempt, and of its further parts; not once the task waits again."""
    ids = (("gpus", ("GPU-1", "GPU-2")), ("ports", ("31000",)))
    held = replace(CLAIM, ids=ids)
    given = task(1, given=(("gpus", ("GPU-2",)),), parts=(SavedPart("r-2", Resources(1), (("ports", ("31000",)),)),))
    journal = Journal(path, "run 1")
    journal.write([act.SaveClaim(held), act.SaveTask(given)])
    assert journal.load() == ([given], [held])
    journal.write([act.SaveTask(task(1))])
    assert journal.load() == ([task(1)], [held])


def test_what_the_user_decided_is_kept(path: Path):
    """By number and command: what is of another task by now is left out, and another run begins without any."""
    journal = Journal(path, "run 1")
    journal.write([act.SaveSteering(1, Steering(held=True, command="cmd 1")), act.SaveTask(task(2)),
                   act.SaveSteering(2, Steering(memory_mb=70.0, command="cmd 2"))])
    journal.write([act.SaveSteering(1, Steering(cancelled=True, command="cmd 1"))])
    after = Journal(path, "run 1")
    one, two = (1, Steering(cancelled=True, command="cmd 1")), (2, Steering(memory_mb=70.0, command="cmd 2"))
    assert sorted(after.steered({})) == [one, two]
    assert after.steered({1: task(2).task, 2: task(2).task}) == (two,)
    assert Journal(path, "run 2").steered({}) == ()


def test_clusters_are_kept(path: Path):
    """That of each claim, and of each agent where a task failed; a journal of one cluster names none."""
    claim = replace(CLAIM, cluster="east", slices=((1, Resources(1, 1024, 2500)), (3, Resources(2, 2048, 5000))))
    failed = task(1, failed_at=("a1", "a2"), failed_clusters=("east", "west"))
    Journal(path, "run 1").write([act.SaveClaim(claim), act.SaveTask(failed)])
    assert Journal(path, "run 1").load() == ([failed], [claim])


def test_other_resources_are_saved(path: Path):
    """Of a request, an allocation and a claim, by name."""
    others = named({"licences": 2, "bandwidth": 0.5})
    claim = replace(CLAIM, resources=CLAIM.resources._replace(others=others))
    saved = task(1, stem="1.ab")
    saved = replace(saved, task=replace(saved.task, request=Request(cores=1.0, others=others)),
                    allocation=saved.allocation._replace(others=others))
    Journal(path, "r").write([act.SaveClaim(claim), act.SaveTask(saved)])
    assert Journal(path, "r").load() == ([saved], [claim])


def test_another_run_begins_anew(path: Path):
    """Nothing of an earlier run is taken up, and its tokens open nothing."""
    before = Journal(path, "run 1")
    before.write([act.SaveClaim(CLAIM), act.SaveTask(task(1))])
    after = Journal(path, "run 2")
    assert not after.resumed
    assert after.load() == ([], [])
    assert after.secret != before.secret
    assert Journal(path, "run 2").resumed


def test_what_is_dropped_goes_with_the_next_write(path: Path):
    """Not before: what was reported may be dropped only after it was reported."""
    journal = Journal(path, "r")
    journal.write([act.SaveTask(task(1)), act.SaveClaim(CLAIM)])
    journal.write([act.DropTask(1), act.DropClaim("r-1")])
    assert len(Journal(path, "r").load()[0]) == 1
    journal.write([act.SaveTask(task(2))])
    assert Journal(path, "r").load() == ([task(2)], [])
    journal.write([act.DropTask(2)])
    journal.flush()
    assert Journal(path, "r").load() == ([], [])


def test_what_stays_in_hand_under_new_numbers(path: Path):
    """All of it in one transaction: no row of an old number is left, or hides one of a new number."""
    journal = Journal(path, "r")
    journal.write([act.SaveTask(task(n, stem=f"{n}.ab")) for n in (1, 2, 3)])
    kept = [task(2, stem="1.ab"), task(3, stem="2.ab")]
    journal.keep(kept)
    assert Journal(path, "r").load()[0] == kept


def test_an_attempt_rewrites_a_small_row(path: Path):
    """What no attempt changes is written once: the row of a task with a hundred inputs stays as it is when the task is
    tried again, and is written again when its inputs are other ones."""
    journal = Journal(path, "r")
    first = replace(task(1), inputs=tuple(StagedInput(f"in{n}", "d" * 64, n, 0o644) for n in range(100)))
    journal.write([act.SaveTask(first)])
    journal._db.execute("UPDATE tasks SET data = replace(data, 'cmd 1', 'cmd X')")  # seen if it is written again
    again = replace(first, attempts=2, claim_id="r-2", own_failures=1)
    journal.write([act.SaveTask(again)])
    assert journal.load()[0] == [replace(again, task=replace(again.task, command="cmd X"))]
    (size,) = journal._db.execute("SELECT length(data) FROM attempts").fetchone()
    assert size < 200
    others = replace(again, inputs=again.inputs[:50])
    journal.write([act.SaveTask(others)])
    assert journal.load()[0] == [others]
    journal.write([act.DropTask(1)])
    journal.write([act.SaveTask(first)])
    assert journal.load()[0] == [first]


def test_parts_are_kept(path: Path):
    """Those of the current attempt, in their order; fewer, or none, when the next attempt has fewer."""
    journal = Journal(path, "r")
    parts = tuple(SavedPart(f"r-{n}", Resources(1, n, 50)) for n in range(2, 15))
    for saved in (task(1, parts=parts), task(1, parts=parts[:2]), replace(task(1), attempts=3),
                  replace(task(1), attempts=4, parts=parts)):
        journal.write([act.SaveTask(saved)])
        assert Journal(path, "r").load()[0] == [saved]
    same = task(2, parts=parts)
    for saved in (same, replace(same, attempts=2, parts=parts[3:]), replace(same, attempts=3, parts=())):
        journal.write([act.SaveTask(saved)])
        assert Journal(path, "r").load()[0][1:] == [saved]
    journal.write([act.SaveTask(same), act.DropTask(1), act.DropTask(2)])
    journal.flush()
    assert journal._db.execute("SELECT count(*) FROM attempts").fetchone() == (0,)


def test_a_save_that_failed_is_made_up_for(path: Path):
    """What a transaction that was rolled back would have written is written with the next."""
    journal = Journal(path, "r")
    journal._db.execute(f"PRAGMA max_page_count = {sqlitefile.pragma(journal._db, 'page_count')}")
    many = [act.SaveTask(task(n)) for n in range(1, 300)]
    with pytest.raises(JournalError):
        journal.write(many)
    journal._db.execute("PRAGMA max_page_count = 100000")
    journal.write(many)
    assert journal.load()[0] == [one.task for one in many]


@pytest.mark.parametrize("lost", ["with the scheduler", "by a write that failed"])
def test_rows_of_attempts_that_are_forgotten_do_not_count(path: Path, lost: str):
    """A task of which the journal does not know what it wrote is written as a whole, and nothing else of it stays."""
    journal, first = Journal(path, "r"), task(1)
    for attempt in (1, 2):
        journal.write([act.SaveTask(replace(first, attempts=attempt))])
    if lost == "with the scheduler":
        journal = Journal(path, "r")
    else:
        journal._db.execute(f"PRAGMA max_page_count = {sqlitefile.pragma(journal._db, 'page_count')}")
        with pytest.raises(JournalError):
            journal.write([act.SaveTask(task(n)) for n in range(2, 300)])
        journal._db.execute("PRAGMA max_page_count = 100000")
    retried = replace(task(1), attempts=3)
    journal.write([act.SaveTask(retried)])
    assert journal.load()[0] == [retried]


def test_of_several_saves_in_one_batch_the_last_counts(path: Path):
    journal = Journal(path, "r")
    journal.write([act.SaveTask(task(1)), act.SaveTask(replace(task(1), attempts=2)),
                   act.SaveClaim(CLAIM), act.SaveClaim(replace(CLAIM, hostname="other"))])
    assert journal.load() == ([replace(task(1), attempts=2)], [replace(CLAIM, hostname="other")])


def test_a_migration_that_is_cut_off_changes_nothing(path: Path):
    """The step fails in the middle: the file is the earlier version's, which the next attempt takes up."""
    kept = Path(__file__).parent / "versions" / "journal-1" / "mixed.sql"
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(kept.read_text())
    before = list(db.iterdump())

    def fails(db: sqlite3.Connection) -> None:
        raise OSError("cut off")

    with pytest.raises(OSError, match="cut off"):
        sqlitefile.migrate(db, (*STEPS, fails), APPLICATION_ID)
    assert (list(db.iterdump()), sqlitefile.pragma(db, "user_version")) == (before, 1)
    db.close()
    assert Journal(path, "batch tasks.jsonl").load()[0]


def test_it_does_not_grow(path: Path):
    """Ten thousand attempts one after another leave a file of the size of what is in hand."""
    journal = Journal(path, "r")
    for number in range(1, 10_001):
        journal.write([act.SaveTask(task(number)), act.DropTask(number)])
    journal.flush()
    assert path.stat().st_size < 200_000
    assert Path(f"{path}-wal").stat().st_size < 8_000_000


def test_only_its_owner_may_read_it(path: Path):
    """The secret that all tokens follow from is in it."""
    os.umask(os.umask(0o022))
    journal = Journal(path, "r")
    journal.write([act.SaveTask(task(1))])
    for each in path.parent.iterdir():
        assert each.stat().st_mode & 0o077 == 0, each


def test_the_end_leaves_nothing(path: Path):
    journal = Journal(path, "r")
    journal.write([act.SaveTask(task(1))])
    journal.end()
    assert list(path.parent.iterdir()) == []


SAVES = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from test_store_journal import Journal, act, task
journal = Journal(Path({path!r}), "r")
number = 0
while True:
    number += 1
    journal.write([act.SaveTask(task(number)), act.DropTask(number - 1)])
    print(number, flush=True)
"""


def test_a_process_that_is_killed_while_it_writes(path: Path):
    """After SIGKILL at any moment: what it reported as saved exists, and the file is whole."""
    for count in (1, 7, 60):
        program = SAVES.format(tests=str(Path(__file__).parent), path=str(path))
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(count)][-1]
        process.kill()
        said = max([said, *map(int, process.stdout.read().split())])
        process.wait()
        tasks, _ = Journal(path, "r").load()
        assert tasks[-1].task.id in (said, said + 1)
        Journal(path, "other run")


def damaged(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0" + b"x" * 5000)


def foreign(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE photos (id)")
    db.execute("PRAGMA application_id = 77")
    db.commit()
    db.close()


def newer(path: Path) -> None:
    Journal(path, "r").close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()


def cut(path: Path) -> None:
    journal = Journal(path, "r")
    journal.write([act.SaveTask(task(n)) for n in range(1, 500)])
    journal.close()
    path.write_bytes(path.read_bytes()[:9000])


def no_database(path: Path) -> None:
    path.write_text("hello\n")


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("spoil", [damaged, foreign, newer, cut, no_database, a_folder])
def test_a_file_that_is_not_a_journal_is_refused(path: Path, spoil):
    """One line with the file and the cure; the file stays as it was, also for another run."""
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""
    for launch in ("r", "other"):
        with pytest.raises(JournalError) as refused:
            Journal(path, launch)
        text = str(refused.value)
        assert str(path) in text
        assert "move it away" in text
        assert "\n" not in text
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_it_is_marked_as_ours(path: Path):
    Journal(path, "r").close()
    db = sqlite3.connect(path)
    assert (sqlitefile.pragma(db, "application_id"), sqlitefile.pragma(db, "user_version")) == (
        APPLICATION_ID, SCHEMA_VERSION)


def test_a_full_disk_is_said_and_loses_nothing(path: Path):
    """A write that finds no room fails in one line; the previous content stays, and the next write may succeed."""
    journal = Journal(path, "r")
    journal.write([act.SaveTask(task(1))])
    journal._db.execute(f"PRAGMA max_page_count = {sqlitefile.pragma(journal._db, 'page_count')}")
    with pytest.raises(JournalError, match="make room"):
        journal.write([act.SaveTask(task(n)) for n in range(2, 300)])
    assert len(journal.load()[0]) == 1
    journal._db.execute("PRAGMA max_page_count = 100000")
    journal.write([act.SaveTask(task(n)) for n in range(2, 300)])
    assert len(Journal(path, "r").load()[0]) == 299


def test_inputs_on_web_servers(path: Path):
    """They come back as they were saved."""
    journal = Journal(path, "r")
    inputs = (StagedInput("g", "d" * 64, -1, 0o644, url="https://u:p@h/g"),
              StagedInput("h", "e" * 64, 3, 0o644, url="http://h/h", tag='"1"'))
    saved = replace(task(1), inputs=inputs, task=replace(
        task(1).task, urls={"g": Remote("https://u:p@h/g", "d" * 64), "h": Remote("http://h/h")}))
    journal.write([act.SaveTask(saved)])
    assert journal.load()[0] == [saved]
    journal.close()


def test_excluded_hosts(path: Path):
    """They come back as they were saved."""
    journal = Journal(path, "r")
    saved = replace(task(1), task=replace(task(1).task, not_on=("a", "b.org")))
    journal.write([act.SaveTask(saved)])
    assert journal.load()[0] == [saved]
    journal.close()


@given(st.text(max_size=40), st.lists(st.text(max_size=10), max_size=3), st.floats(0, 1e9), st.booleans())
@settings(deadline=None)
def test_any_task_comes_back(tmp_path_factory, command, names, memory, solo):
    """Whatever is in a command or a name, bytes that are no UTF-8 included."""
    path = tmp_path_factory.mktemp("j") / "journal.sqlite"
    saved = SavedTask(
        Task(1, command + "\udc80", tuple(names), (), Request(memory_mb=memory)), (), 1, "", 3, solo=solo)
    journal = Journal(path, "r")
    journal.write([act.SaveTask(saved)])
    assert journal.load()[0] == [saved]
    journal.close()


def test_policies_of_a_task_are_kept():
    """Priority, group and constraints are the same values when they come back."""
    task = Task(1, "x", priority=2.5, group="g", where=(Constraint("rack", "max_per", "3"), Constraint("os", "unique")))
    saved = SavedTask(task, (), 1, "", 1, stem="1")
    (found,) = journal_rows.tasks_of([journal_rows.Rows().task(saved)], [])
    assert found == saved
    assert found.task.where[0].counted
