"""`mfmesos history`: shows, exports, imports and prunes; what is wrong is one line with file, line and cure."""
from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from mfmesos.cli.command_line import main
from mfmesos.settings.config import ConfigError
from mfmesos.store import history_csv
from mfmesos.store.attempt_columns import COLUMNS, Attempt
from mfmesos.store.history import History

TRACE = "category,input_mb,declared_mb,peak_mb,seconds,submit_s,start_s,end_s\n"


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "history.sqlite"


@pytest.fixture
def some(path) -> list[Attempt]:
    now = round(time.time())
    attempts = [
        Attempt(now - 86400 * 40, "sort -k", "finished", measured_memory_mb=10.0, wall_s=1.0, workflow="old"),
        Attempt(now - 60, "bwa mem", "exhausted:memory", measured_memory_mb=300.0, wall_s=1.0, exit_code=137),
        Attempt(now - 50, "bwa mem", "finished", measured_memory_mb=350.0, wall_s=7.0, workflow="a\x1b[31m,\"b",
                requested_cores=1.0),
        Attempt(now - 40, "bwa mem", "finished", measured_memory_mb=450.0, wall_s=9.0),
    ]
    with History(path) as h:
        h.add(attempts)
    return attempts


def run(path, *words, code=0):
    """What was printed; one line on stderr and nothing on stdout when it fails."""
    result = CliRunner().invoke(main, ["history", words[0], "--history", str(path), *map(str, words[1:])])
    assert result.exit_code == code, result.output
    if code == 1:
        assert result.output.count("\n") == 1
        assert result.output.startswith("mfmesos: ")
    return result.output


def test_the_list_has_a_line_for_each_category(path, some):
    """Attempts, exhausted ones, memory of those that finished, and the last day."""
    lines = run(path, "list").splitlines()
    assert lines[1].split()[:5] == ["3", "1", "400", "450", "8"]
    assert lines[1].endswith("bwa mem")
    assert lines[2].split()[:5] == ["1", "0", "10", "10", "1"]
    assert lines[3] == f"4 attempts in {path}"


def test_one_category_is_listed_by_attempt(path, some):
    """--limit keeps the newest; nothing that steers a terminal is printed."""
    lines = run(path, "list", "--category", "bwa mem", "--limit", 2).splitlines()
    assert len(lines) == 4
    assert lines[1].endswith('a?[31m,"b')
    assert "450" in lines[2]


def test_rows_that_cannot_be_are_counted(path, some):
    """The list says how many are not used."""
    with History(path) as h:
        h._db.execute("UPDATE attempts SET wall_s = -1 WHERE id = 2")
    assert "1 attempt with invalid values left out" in run(path, "list")


def test_looking_begins_no_history(path):
    """list, export and prune of a history that is not there: one line, no file."""
    for words in (["list"], ["export", "-"], ["prune", "--all"]):
        assert "no history found" in run(path, *words, code=1)
    assert not path.exists()


def test_an_export_comes_back_and_is_not_taken_twice(path, some, tmp_path):
    """All values survive; a second import of the same takes nothing."""
    file = tmp_path / "e.csv"
    run(path, "export", file)
    other = tmp_path / "other.sqlite"
    assert run(other, "import", file).startswith("4 attempts imported")
    with History(other) as h:
        assert h.load() == some
    assert "0 attempts imported" in run(other, "import", file)
    with History(other) as h:
        assert h.load() == some


def test_an_export_to_stdout_and_of_one_category(path, some):
    """- is standard output, with the same header."""
    lines = run(path, "export", "-", "--category", "sort -k").splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert len(lines) == 2


def test_an_export_overwrites_nothing(path, some, tmp_path):
    """One line, and the file stays as it is."""
    file = tmp_path / "mine.csv"
    file.write_text("mine")
    assert "already exists" in run(path, "export", file, code=1)
    assert file.read_text() == "mine"
    assert "No such file" in run(path, "export", tmp_path / "no" / "e.csv", code=1)


def test_a_trace_is_taken_in(path, tmp_path):
    """Declared, peak and run time become ours; times keep their distances and end now; the workflow is the file."""
    file = tmp_path / "blast.csv"
    file.write_text(TRACE + "split,0.5,250,9,2.5,0,0,10\nblast,,1500,1135,900,1,10,910\n")
    before = time.time()
    assert run(path, "import", file).startswith("2 attempts imported")
    with History(path) as h:
        first, second = h.load()
    assert replace(first, ended_at=0.0) == Attempt(
        0.0, "split", "finished", "blast", input_mb=0.5, requested_memory_mb=250.0, measured_memory_mb=9.0, wall_s=2.5)
    assert (second.context, second.input_mb, second.requested_memory_mb) == ("split", None, 1500.0)
    assert second.ended_at - first.ended_at == pytest.approx(900)
    assert second.ended_at >= before


def test_what_is_beyond_the_bounds_is_said(path, tmp_path):
    """5,000 of a category are kept, the newest of them."""
    file = tmp_path / "t.csv"
    file.write_text("category,peak_mb,seconds\n" + "".join(f"c,{i},1\n" for i in range(5100)))
    assert "its 100 oldest attempts were removed" in run(path, "import", file)
    with History(path) as h:
        assert h.load()[0].measured_memory_mb == 100


@pytest.mark.parametrize(("text", "line", "said"), [
    ("", 1, "the first line must name the columns"),
    ("category,peak\nc,1\n", 1, "the first line must name the columns"),
    (TRACE + "c,1,2,3,4,5,6,7\nc,1,2,x,4,5,6,7\n", 3, "peak_mb is 'x', not a number"),
    (TRACE + "c,1,2,3\n", 2, "the number of fields"),
    (TRACE + "c,1,2,3,4,5,6,7,8\n", 2, "the number of fields"),
    (TRACE + ",1,2,3,4,5,6,7\n", 2, "category is empty"),
    (TRACE + "c,1,2,-3,4,5,6,7\n", 2, "peak_mb is '-3.0'; it must be between"),
    (TRACE + "c,1,2,nan,4,5,6,7\n", 2, "it must be between"),
    ("category,outcome,ended_at\nc,finished,5\nc,ok,5\n", 3, "outcome is 'ok'; it must be finished"),
    ("category,outcome,ended_at\nc,finished,\n", 2, "ended_at is empty; it must have a value"),
    ("category,outcome,ended_at,exit_code\nc,finished,5,1.5\n", 2, "exit_code is '1.5', not a number"),
    ('category,outcome,ended_at\n"c,finished,5\n', 2, "write it as CSV"),
])
def test_a_bad_line_takes_nothing_in(path, tmp_path, text, line, said):
    """File, line and what is wrong; nothing of the file is kept, not even a new history."""
    file = tmp_path / "bad.csv"
    file.write_text(text)
    output = run(path, "import", file, code=1)
    assert f"{file}:{line}: " in output
    assert said in output
    assert not path.exists()


def test_a_file_that_is_no_text_is_told(path, tmp_path):
    """Neither bytes nor a folder nor nothing."""
    (tmp_path / "b.csv").write_bytes(b"category,\xff\xfe")
    assert "not UTF-8" in run(path, "import", tmp_path / "b.csv", code=1)
    assert "Is a directory" in run(path, "import", tmp_path, code=1)
    assert "No such file" in run(path, "import", tmp_path / "none.csv", code=1)


@given(st.text(max_size=200), st.booleans())
@settings(deadline=None)
def test_any_csv_is_parsed_or_refused_with_one_line(text, header):
    """ConfigError with the file's name, never another exception, never two lines."""
    lines = ((TRACE if header else "") + text).splitlines(keepends=True)
    try:
        found, refused = history_csv.parse(lines, "f.csv", 1e9), "f.csv:"
    except ConfigError as e:
        found, refused = [], str(e)
    assert refused.startswith("f.csv:")
    assert refused.isprintable()
    assert all(isinstance(a, Attempt) for a in found)


def test_pruning_by_age_category_or_all(path, some):
    """What is removed is counted; without saying what, nothing is."""
    assert "choose what to remove: --older-than" in run(path, "prune", code=2)
    assert "choose what to remove: --older-than" in run(path, "prune", "--all", "--category", "x", code=2)
    assert run(path, "prune", "--older-than", 30).startswith("1 attempt removed")
    assert run(path, "prune", "--category", "sort -k").startswith("0 ")
    assert run(path, "prune", "--all").startswith("3 ")
    assert run(path, "list") == f"0 attempts in {path}\n"


def test_a_damaged_history_is_one_line(path):
    """For each of the commands, with the cure; the file stays."""
    path.write_text("no database\n" * 100)
    for words in (["list"], ["export", "-"], ["prune", "--all"]):
        assert "move it away" in run(path, *words, code=1)
    assert path.read_text() == "no database\n" * 100


def test_the_users_own_is_the_default(some, path, tmp_path, monkeypatch):
    """$XDG_DATA_HOME/mfmesos/history.sqlite, without --history."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    own = tmp_path / "data" / "mfmesos" / "history.sqlite"
    own.parent.mkdir(parents=True)
    path.rename(own)
    assert str(own) in CliRunner().invoke(main, ["history", "list"]).output
