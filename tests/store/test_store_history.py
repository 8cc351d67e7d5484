"""The history of attempts: kept, bounded, shared by processes, and refused with one line when unusable."""
from __future__ import annotations

import math
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from mfmesos.store import history as module
from mfmesos.store import sqlitefile
from mfmesos.store.attempt_columns import ADDED, COLUMNS, Attempt
from mfmesos.store.history import History, HistoryError, default_path

NOW = 1_800_000_000.0
FULL = Attempt(
    ended_at=NOW - 5, category="bwa mem -t", outcome="exhausted:memory", workflow="genomes", signature="0123456789ab",
    context="bwa index", input_mb=3.5, requested_cores=1, requested_memory_mb=100, requested_disk_mb=50,
    allocated_cores=1, allocated_memory_mb=100, allocated_disk_mb=50, measured_cores=0.9, measured_memory_mb=101,
    measured_disk_mb=3, wall_s=2, cpu_s=1.8, exit_code=137, host="agent1", resources="gpus:1;licences:2",
    measured_gpu_memory_mb=900)


def attempt(ago: float = 10.0, category: str = "sort", **more) -> Attempt:
    return Attempt(ended_at=NOW - ago, category=category, outcome="finished", **more)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "data" / "mfmesos" / "history.sqlite"


def opened(path: Path, **options) -> History:
    return History(path, clock=lambda: NOW, **options)


def filled(path: Path, count: int = 2000) -> None:
    with opened(path) as h:
        h.add(attempt(count - i, measured_memory_mb=i) for i in range(count))


def refusal(path: Path) -> str:
    with pytest.raises(HistoryError) as e, opened(path) as h:
        h.load()
    text = str(e.value)
    assert "\n" not in text
    assert str(path) in text
    assert "--history" in text
    return text


def as_before(path: Path) -> None:
    """The file as the version before made it, with a row of it."""
    with opened(path) as h:
        h.add([FULL])
    with sqlite3.connect(path) as db:
        columns = ", ".join(column for column in COLUMNS if column not in ADDED)
        db.execute(f"CREATE TABLE before (id INTEGER PRIMARY KEY, {columns})")
        db.execute(f"INSERT INTO before SELECT id, {columns} FROM attempts")
        db.execute("DROP TABLE attempts")
        db.execute("ALTER TABLE before RENAME TO attempts")
    db.close()


def test_the_version_before_shares_the_file(path):
    """Its rows count, also those that it adds after ours; ours are kept with what it does not know."""
    as_before(path)
    with opened(path) as h:
        assert h.load() == [replace(FULL, resources="", measured_gpu_memory_mb=None)]
        h.add([FULL])
        theirs = [column for column in COLUMNS if column not in ADDED]
        with sqlite3.connect(path) as db:
            db.execute(f"INSERT INTO attempts ({', '.join(theirs)}) VALUES ({', '.join('?' * len(theirs))})",
                       [getattr(FULL, column) for column in theirs])
        db.close()
        assert [(one.resources, one.measured_gpu_memory_mb) for one in h.load()] == [
            ("", None), (FULL.resources, 900), ("", None)]
        assert h.dropped == 0


def test_a_file_of_the_version_before_is_only_read(path, monkeypatch):
    """On a read-only mount nothing is added to it."""
    as_before(path)
    monkeypatch.setattr(sqlitefile, "on_read_only_mount", lambda path: True)
    with opened(path) as h:
        assert h.load() == [replace(FULL, resources="", measured_gpu_memory_mb=None)]


def test_what_is_added_is_there_newest_last(path):
    """Every value comes back unchanged, in the order in which attempts ended, also after the file is opened again."""
    with opened(path) as h:
        assert h.load() == []
        assert h.add([FULL, attempt(20), attempt(1, "b")]) == 3
    with opened(path) as h:
        assert h.load() == [attempt(20), FULL, attempt(1, "b")]
        assert h.load(1) == [attempt(1, "b")]
        assert h.load(category="sort") == [attempt(20)]
        assert h.load(category="none") == []
        assert h.dropped == 0
        h.add([attempt(3), attempt(2)])
        assert h.load(each=2) == [FULL, attempt(3), attempt(2), attempt(1, "b")]


def test_it_is_its_owners_alone(path):
    """The file is 0600 and new folders 0700, and so are the files that SQLite puts beside it."""
    with opened(path) as h:
        h.add([FULL])
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
        assert modes.pop("history.sqlite") == 0o600
        assert set(modes.values()) <= {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_an_existing_folder_and_a_shared_file_keep_their_modes(tmp_path):
    """Who shares a history per project sets its mode once."""
    tmp_path.chmod(0o750)
    path = tmp_path / "h"
    opened(path).close()
    path.chmod(0o660)
    filled(path, 3)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


@pytest.mark.parametrize(("environ", "expected"), [
    ({"XDG_DATA_HOME": "/x"}, "/x/mfmesos/history.sqlite"),
    ({"XDG_DATA_HOME": "relative"}, "~/.local/share/mfmesos/history.sqlite"),
    ({}, "~/.local/share/mfmesos/history.sqlite"),
])
def test_where_it_lies_by_default(environ, expected):
    """XDG Base Directory: a relative $XDG_DATA_HOME is ignored."""
    assert default_path(environ) == Path(expected).expanduser()


WRITER = """
import sys
from pathlib import Path
from mfmesos.store.attempt_columns import Attempt
from mfmesos.store.history import History
with History(Path(sys.argv[1]), clock=lambda: 1_800_000_000.0, prune_every=70) as h:
    for batch in range(20):
        h.add(Attempt(1_799_000_000.0 + 10 * batch + i, sys.argv[2], "finished") for i in range(10))
        h.load(5)
"""


def test_several_processes_write_at_once(path):
    """Four schedulers begin the file together and add 200 attempts each: nobody fails, nothing is lost."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"c{n}"]) for n in range(4)]
    assert [w.wait(60) for w in writers] == [0, 0, 0, 0]
    with opened(path) as h:
        for n in range(4):
            assert len(h.load(category=f"c{n}")) == 200


def test_a_killed_writer_leaves_a_history(path):
    """Whole batches survive SIGKILL, and the next process can write."""
    code = WRITER.replace("h.load(5)", "print(batch, flush=True); batch == 3 and __import__('os').kill("
                          "__import__('os').getpid(), 9)")
    subprocess.run([sys.executable, "-c", code, str(path), "c"], stdout=subprocess.DEVNULL, check=False)
    with opened(path) as h:
        assert len(h.load()) == 40
        assert h.add([FULL]) == 1


def test_a_history_that_stays_locked_is_given_up(path):
    """After the wait HistoryError, and once the lock is gone all is well again."""
    with opened(path, busy_s=0.05) as h:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(HistoryError, match=r"locked; end the other program"):
            h.add([FULL])
        other.execute("ROLLBACK")
        other.close()
        assert h.add([FULL]) == 1


def test_it_stays_bounded_and_old_attempts_fade(path):
    """Never more than the bound and one round of adding; the newest stay, also of each category."""
    with opened(path, max_rows=50, max_per_category=30, prune_every=10) as h:
        for i in range(20):
            h.add(attempt(1000 - 10 * i - j, "big") for j in range(10))
            assert len(h.load()) <= 40
        h.add(attempt(2000 + i, f"small{i}") for i in range(100))
        kept = h.load()
    assert len(kept) == 50
    assert sum(a.category == "big" for a in kept) == 30
    assert kept[-1] == attempt(1000 - 199, "big")
    assert "small19" in {a.category for a in kept}
    assert "small20" not in {a.category for a in kept}


def test_too_many_are_pruned_on_opening(path):
    """Lower bounds hold at once."""
    filled(path, 100)
    with opened(path, max_rows=20) as h:
        assert [a.measured_memory_mb for a in h.load()] == list(range(80, 100))


def test_what_says_to_be_of_the_future_pushes_nothing_out(path):
    """A poisoned time makes a row the first to go."""
    filled(path, 5)
    raw(path, "UPDATE attempts SET ended_at = 9e10 WHERE id <= 2")
    with opened(path, max_rows=3) as h:
        assert [a.measured_memory_mb for a in h.load()] == [2, 3, 4]
        assert h.dropped == 0


def raw(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize(("column", "value"), [
    *((c, v) for c in ("measured_memory_mb", "wall_s", "ended_at", "input_mb", "allocated_cores")
      for v in ("-1", "9e999", "'many'", "x'00'", "1e300")),
    ("exit_code", "1.5"), ("exit_code", "'a'"), ("ended_at", "NULL"), ("ended_at", str(NOW + 1e6)),
    ("category", "NULL"), ("category", "''"), ("category", "x'ff'"), ("category", "zeroblob(100000000)"),
    ("host", "printf('%300d', 1)"), ("outcome", "'fine'"), ("outcome", "NULL"),
])
def test_poisoned_rows_are_dropped_and_counted(path, column, value):
    """A row with an invalid value is not used; the others are."""
    with opened(path) as h:
        h.add([FULL, attempt(100, measured_memory_mb=7)])
    raw(path, f"UPDATE attempts SET {column} = {value} WHERE id = 1")
    with opened(path) as h:
        assert h.load() == [attempt(100, measured_memory_mb=7)]
        assert h.dropped == 1


def test_text_that_is_not_utf8_stops_nothing(path):
    """Bytes that are no text are shown as such."""
    with opened(path) as h:
        h.add([FULL])
    raw(path, "UPDATE attempts SET host = CAST(x'61ff' AS TEXT)")
    with opened(path) as h:
        assert h.load() == [replace(FULL, host="a�")]


@pytest.mark.parametrize("bad", [
    replace(FULL, measured_memory_mb=math.nan), replace(FULL, wall_s=math.inf), replace(FULL, cpu_s=-1.0),
    replace(FULL, ended_at=math.nan), replace(FULL, ended_at=NOW * 1000), replace(FULL, outcome="?"),
    replace(FULL, category=""), replace(FULL, exit_code=2**40), replace(FULL, input_mb="3"),
    replace(FULL, category=None), replace(FULL, ended_at=None), replace(FULL, requested_cores=True),
])
def test_what_cannot_be_is_not_kept(path, bad):
    """add leaves it out, says how many it kept, and keeps the rest."""
    with opened(path) as h:
        assert h.add([bad, FULL, bad]) == 1
        assert h.load() == [FULL]


def test_long_and_odd_texts_are_kept_as_far_as_they_can(path):
    """Names may be bytes that are no text, or long."""
    with opened(path) as h:
        assert h.add([replace(FULL, workflow="a\udc80" + "b" * 500)]) == 1
        assert h.load()[0].workflow == ("a?" + "b" * 500)[:200]


def test_a_newer_version_is_left_alone(path):
    """One line that says so; the file does not change."""
    filled(path, 3)
    raw(path, "PRAGMA user_version = 2")
    before = path.read_bytes()
    assert "newer mfmesos" in refusal(path)
    assert path.read_bytes() == before


def test_another_programs_file_is_left_alone(tmp_path):
    """With an application id or without: neither tables nor journal mode of it change."""
    for extra in ((), ("PRAGMA application_id = 7",)):
        path = tmp_path / f"other{len(extra)}"
        raw(path, "CREATE TABLE t (a)", *extra)
        before = path.read_bytes()
        assert "another program's" in refusal(path)
        assert path.read_bytes() == before


def test_another_layout_is_refused(path):
    """A file that says that it is ours but lacks our columns."""
    opened(path).close()
    raw(path, "DROP TABLE attempts", "CREATE TABLE attempts (id, category, ended_at)")
    assert "lacks columns" in refusal(path)


@pytest.mark.parametrize(
    "content", [b"ended_at,category\n" * 100, b"\0" * 5000, b"SQLite format 3\0", b"x", b"x" * 511])
def test_what_is_no_database_is_refused(tmp_path, content):
    """Text, zeros, or a header and nothing after it; the file stays."""
    path = tmp_path / "h"
    path.write_bytes(content)
    assert "move it away" in refusal(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(path, part):
    """The line says what SQLite says; what is left of the file stays."""
    filled(path)
    size = path.stat().st_size
    os.truncate(path, int(size * part))
    left = path.read_bytes()
    assert "move it away" in refusal(path)
    assert path.read_bytes() == left


def test_a_page_of_rubbish_is_noticed(path):
    """Damage in the middle is found when the file is opened."""
    filled(path)
    with path.open("r+b") as f:
        f.seek(4096 * 5)
        f.write(b"\xde\xad" * 2048)
    assert "move it away" in refusal(path)


def test_damage_that_comes_later_is_told_as_well(path):
    """A history that is spoilt while it is open: HistoryError from load and add, nothing else."""
    filled(path)
    with opened(path) as h:
        h._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        path.write_bytes(b"\xff" * 100_000)
        for call in (lambda: h.load(), lambda: h.add([FULL])):
            with pytest.raises(HistoryError, match="move it away"):
                call()


def test_a_full_disk_is_told(path):
    """SQLITE_FULL, made with a bound on the file's pages: nothing is half written, and later writes succeed."""
    with opened(path) as h:
        h.add([FULL])
        h._db.execute("PRAGMA max_page_count = 8")
        with pytest.raises(HistoryError, match=r"is full; make room"):
            h.add(attempt(i + 1) for i in range(5000))
        h._db.execute("PRAGMA max_page_count = 100000")
        assert h.load() == [FULL]
        assert h.add([attempt()]) == 1


@pytest.mark.parametrize("make", [
    lambda p: p.mkdir(), lambda p: os.mkfifo(p), lambda p: p.symlink_to("nowhere/there"),
    lambda p: Path(f"{p}-wal").mkdir(), lambda p: p.symlink_to(p.name), lambda p: p.symlink_to("/dev/zero"),
])
def test_what_cannot_be_a_file_is_refused(tmp_path, make):
    """A folder, a pipe, links to nowhere, to themselves and to devices: one line, and nobody waits."""
    make(tmp_path / "h")
    refusal(tmp_path / "h")


@pytest.mark.parametrize("name", ["/proc/none/history.sqlite", "/dev/null/history.sqlite", "\0", "x" * 300])
def test_a_place_that_cannot_be_is_refused(name):
    """The line names the file."""
    with pytest.raises(HistoryError, match="--history"):
        History(Path(name))


READER = """
import os, sys
from pathlib import Path
from mfmesos.store.history import History, HistoryError
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
try:
    History(Path(sys.argv[1])).close()
except HistoryError as e:
    print(e)
"""


def test_a_folder_without_leave_to_write_is_told():
    """Neither a new history nor an existing one of somebody else's; one line each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        filled(folder / "old", 3)
        (folder / "old").chmod(0o444)
        folder.chmod(0o555)
        try:
            for path in (folder / "old", folder / "new"):
                done = subprocess.run(
                    [sys.executable, "-c", READER, str(path)], capture_output=True, text=True, check=True)
                assert str(path) in done.stdout
                assert "--history" in done.stdout
                assert done.stdout.count("\n") == 1
        finally:
            folder.chmod(0o755)


def test_no_write_ahead_log_on_a_network(path, monkeypatch):
    """Where other machines may have the file open, SQLite's plain journal is used, also by who opens it later."""
    monkeypatch.setattr(module, "_on_network", lambda _: True)
    filled(path, 3)
    monkeypatch.undo()
    with opened(path) as h:
        assert len(h.load()) == 3
        assert sqlitefile.pragma(h._db, "journal_mode") == "delete"


def test_the_network_is_known_by_its_mount(path, monkeypatch):
    """The mount nearest to the file counts."""
    class Mount:
        def __init__(self, mountpoint: str, fstype: str) -> None:
            self.mountpoint, self.fstype = mountpoint, fstype

    mounts = [Mount("/", "ext4"), Mount("none", "nfs4"), Mount(str(path.parent), "nfs4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    assert module._on_network(path)
    assert not module._on_network(path.parent.parent / "h")


def test_pruning(path):
    """By age, by category, both, and everything; the file gets smaller."""
    filled(path)
    size = path.stat().st_size
    with opened(path) as h:
        h.add([attempt(90, "b"), attempt(9, "b")])
        assert h.prune(older_than_s=100) == 1900
        assert h.prune(older_than_s=50, category="b") == 1
        assert h.prune(category="b") == 1
        assert {a.category for a in h.load()} == {"sort"}
        assert h.prune() == len(range(100))
        assert h.load() == []
    assert path.stat().st_size < size / 5


def test_the_columns_are_those_of_an_attempt(path):
    """What is stored and what is documented cannot drift apart."""
    opened(path).close()
    db = sqlite3.connect(path)
    assert [row[1] for row in db.execute("PRAGMA table_info(attempts)")] == ["id", *COLUMNS]
    db.close()


@pytest.mark.parametrize("reading", [True, False])
@pytest.mark.parametrize("ahead", [True, False])
def test_read_only(path, monkeypatch, ahead, reading):
    """A history on a read-only mount, or one that a command only reads, needs no leave to write; to add is refused with
    the cure."""
    with opened(path) as history:
        if not ahead:
            history._db.execute("PRAGMA journal_mode = DELETE")
        history.add([FULL])
    path.chmod(0o400)
    if reading:
        monkeypatch.setattr(sqlitefile, "writable", lambda path: False)
    else:
        monkeypatch.setattr(sqlitefile, "on_read_only_mount", lambda path: True)
    with opened(path, reading=reading) as history:
        assert history.load() == [FULL]
        with pytest.raises(HistoryError, match="make the file and its folder writable"):
            history.add([FULL])
