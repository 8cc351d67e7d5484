"""mesos_task_info: what genuine files contain, and how everything else is handled."""
from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import examples

from mfmesos.core.model import Request, Task
from mfmesos.taskfiles import entries
from mfmesos.taskfiles.entries import Malformed, Record, Submitted, Withdrawn
from mfmesos.taskfiles.taskfile import TaskInfoParser, format_task, start_at_last_first_id

CWD = "/cwd"


def parse(data: bytes, workdir: str = CWD) -> list[Record]:
    parser = TaskInfoParser(workdir)
    return parser.feed(data) + parser.finish()


def tasks(found: list[Record]) -> list[Task]:
    return [record.task for record in found if isinstance(record, Submitted)]


def one(data: bytes) -> Task:
    (record,) = parse(data)
    assert isinstance(record, Submitted), record
    return record.task


def line(task_id: object = 1, command: str = "c", inputs: str = "", outputs: str = "", rest: str = "-1,-1,-1") -> bytes:
    return f"{task_id},{command},{inputs},{outputs},{rest},submitted\n".encode()


def test_genuine_lines_as_makeflow_writes_them() -> None:
    """Commas and quotes in the command, several inputs, a path above the folder, a removal."""
    found = parse(
        b"""1,cat in1, "a,b" 'c, d' > o2 && echo x,y > o3,/cwd/sub/in3 /cwd/in1,o3 o2,-1,-1,-1,submitted\n"""
        b"2,cat ../up4 > o2,/cwd/in1 /cwd/../up4,o2,2,300,40,submitted\n"
        b"1,,,,,,,aborting\n")
    assert found == [
        Submitted(Task(1, """cat in1, "a,b" 'c, d' > o2 && echo x,y > o3""", ("sub/in3", "in1"), ("o3", "o2")), 1),
        Submitted(Task(2, "cat ../up4 > o2", ("in1", "../up4"), ("o2",), Request(2, 300, 40)), 2),
        Withdrawn(1, 3)]


AWKWARD = ("/my data", "/a,b", "/a, b /c", "/x\"y' %20", "/,", "/ ")


@pytest.mark.parametrize("folder", AWKWARD)
@pytest.mark.parametrize("of_engine", [True, False])
def test_the_folders_name_may_hold_spaces_and_commas(folder: str, of_engine: bool) -> None:
    """makeflow writes it before each input; the command may name it, too."""
    parser = TaskInfoParser(folder, of_engine=of_engine)
    (found,) = parser.feed(
        f"1,cat {folder}/x, y > o,{folder}/sub/in {folder}/./in2 {folder}/../up /etc/motd,o p,-1,-1,-1,submitted\n"
        .encode())
    assert isinstance(found, Submitted)
    assert found.task == Task(1, f"cat {folder}/x, y > o", ("sub/in", "in2", "../up", "/etc/motd"), ("o", "p"))


def test_a_space_in_an_inputs_name() -> None:
    """makeflow begins each input with /, so what follows a space and does not is the rest of a name; people write them
    relative, and there every space parts two."""
    (found,) = TaskInfoParser(CWD, of_engine=True).feed(
        b"1,c,/cwd/C D /cwd/E /data/x  y z,o p,-1,-1,-1,submitted\n")
    assert isinstance(found, Submitted)
    assert found.task.inputs == ("C D", "E", "/data/x  y z")
    assert one(line(inputs="/cwd/C D")).inputs == ("C", "D")


def test_names_that_came_apart_at_commas() -> None:
    """Whole again where that is what exists; what exists as it is written stays."""
    files = {"in,c", "c", "x,y,z", "d", "k", "k,l"}
    words = ["in", "c", "d", "x", "y", "z", "k", "l", "c", "gone", "c"]
    assert entries.CommaNames().whole(words, files.__contains__) == ["in,c", "d", "x,y,z", "k,l", "c", "gone", "c"]


@pytest.mark.parametrize(("names", "words", "files", "whole"), [
    (["a,"], ["a"], {"a,"}, ["a,"]),
    ([",b", "b,,c", "/x,y"], ["c", "b", "b", "c", "/x", "y"], {",b", "b,,c", "c"}, ["c", ",b", "b,,c", "c", "/x,y"]),
    (["a,b"], ["b", "a", "b", "a"], {"a", "b", "a,b"}, ["b", "a,b", "a", "b", "a"]),
    (["d,d/x,y"], ["d", "d/x", "y", "z"], {"d,d/x,y"}, ["d,d/x,y", "z"]),
])
def test_names_with_commas_that_are_known(
    names: list[str], words: list[str], files: set[str], whole: list[str]) -> None:
    """Commas at the ends, two in a row, and pieces that are files, too: every intended name is found."""
    known, folder = entries.CommaNames(), entries.Folder(CWD)
    for name in names:
        known.add(folder.relative(name), folder.pieces(name))
    assert known.whole(words, files.__contains__) == whole


@pytest.mark.parametrize(("words", "logged", "whole"), [
    (("F", "C", "D", "G"), ["F", "C D", "G"], ("F", "C D", "G")),
    (("G", "C", "D", "F"), ["F", "C D", "G"], ("G", "C D", "F")),
    (("a", "b"), ["./a,b"], ("a,b",)),
    (("a", "b"), ["b", "a"], ("a", "b")),
    (("a", "b"), ["x y"], ("a", "b")),
])
def test_outputs_as_makeflow_logs_them(words: tuple[str, ...], logged: list[str], whole: tuple[str, ...]) -> None:
    """Its debug log has the names whole; they count when their pieces are those of the record."""
    assert entries.Folder(CWD).whole(words, logged) == whole


def test_newlines_in_names() -> None:
    """Of the workflow's folder, of an input, an output: a record ends with its numbers, and the next one follows."""
    parser = TaskInfoParser("/my\ndata", of_engine=True)
    found = parser.feed(b"1,c > 'o\nt',/my\ndata/i\nn /my\ndata/j,o\nt,-1,-1,-1,submitted\n"
                        b"2,c,/my\ndata/i,o,1,2,3,submitted\n3,echo 1,\n2,,\n\no,-1,-1,-1,submitted\n")
    assert tasks(found) == [Task(1, "c > 'o\nt'", ("i\nn", "j"), ("o\nt",)),
                            Task(2, "c", ("i",), ("o",), Request(1, 2, 3)), Task(3, "echo 1,\n2", (), ("\n\no",))]


def test_a_factory_line() -> None:
    """work_queue_factory: double spaces and options in the command, one binary under two spellings, resources."""
    task = one(b"1,./work_queue_worker -M tp -C '127.0.0.1:9197' -d all -o worker.log   --cores=1.000,"
               b"/cwd/work_queue_worker /cwd/./work_queue_worker,output.log,1,200,300,submitted\n")
    assert task.inputs == ("work_queue_worker",)
    assert task.request == Request(1, 200, 300)
    assert "worker.log   --cores" in task.command


def test_a_command_with_newlines() -> None:
    """A JX command may hold newlines: its record ends at the first line that ends like one."""
    found = parse(b"1,cat > o <<E\na,b\n\n# no comment\n5,6\nE,/cwd/i,o,-1,-1,-1,submitted\n" + line(2))
    first, second = tasks(found)
    assert first.command == "cat > o <<E\na,b\n\n# no comment\n5,6\nE"
    assert (first.inputs, first.outputs) == (("i",), ("o",))
    assert second.id == 2
    assert [r.line for r in found] == [1, 7]


def test_a_record_that_never_ends_is_given_up_when_the_next_id_follows() -> None:
    """Half a record costs itself only; the same before a removal."""
    found = parse(b"1,half a record\n" + line(2) + b"3,again\n2,,,,,,,aborting\n" + line(4))
    assert [type(r) for r in found] == [Malformed, Submitted, Malformed, Withdrawn, Submitted]
    assert "does not end" in found[0].message("f")  # type: ignore[union-attr]


@pytest.mark.parametrize(("written", "expected"), [
    ("/cwd/a", "a"), ("/cwd/./a", "a"), ("/cwd//a", "a"), ("/cwd/a/", "a"), ("/cwd/a//b/./c", "a/b/c"),
    ("/cwd/../up", "../up"), ("/cwd/../../a/../b", "../../b"), ("/cwd/", "."), ("/cwd", "."), ("/cwd/.", "."),
    ("/cwdx/a", "/cwdx/a"), ("/usr/bin//perl", "/usr/bin/perl"), ("//usr/bin/perl", "/usr/bin/perl"),
    ("a", "a"), ("./a", "a"), ("../a", "../a"), ("/cwd/é", "é"), ("/", "/"), ("..", ".."),
])
def test_names(written: str, expected: str) -> None:
    """Names become relative to the folder and normalised; what lies outside stays absolute."""
    assert one(line(inputs=written)).inputs == (expected,)
    assert one(line(outputs=written)).outputs == (expected,)


def test_a_symbolic_link_to_the_folder(tmp_path: Path) -> None:
    """makeflow writes the folder's real name; a scheduler that was given the link understands both."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    data = line(inputs=f"{tmp_path}/real/a {tmp_path}/link/b {tmp_path}/real/./a")
    (task,) = tasks(parse(data, str(tmp_path / "link")))
    assert task.inputs == ("a", "b")


def test_order_is_kept_and_repeats_are_dropped() -> None:
    """Names come in the order of the file, each once, however many spaces are between them."""
    assert one(line(inputs="/cwd/c  /cwd/a c /cwd/b ./a ")).inputs == ("c", "a", "b")


@pytest.mark.parametrize(("written", "expected"), [
    ("-1,-1,-1", Request()), ("0,0,0", Request()), ("0.5,1.25,-1", Request(0.5, 1.25)),
    ("-1.0,0.0,7", Request(None, None, 7)),
    ("01,002,3", Request(1, 2, 3)),
])
def test_resources(written: str, expected: Request) -> None:
    """-1 asks for nothing; so does 0, which makeflow writes for half a core; a person may write fractions."""
    assert one(line(rest=written)).request == expected


def test_any_file_name_survives() -> None:
    """Names and commands that are not UTF-8 come out as the bytes they were."""
    task = one(b"1,cat \xff\xfe > \x80,/cwd/\xff\xfe,\x80,-1,-1,-1,submitted\n")
    assert os.fsencode(task.inputs[0]) == b"\xff\xfe"
    assert task.command.encode("utf-8", "surrogateescape") == b"cat \xff\xfe > \x80"


def test_half_a_line_waits_for_its_rest() -> None:
    """Nothing is reported before a record's newline has arrived; at the end of a complete file a whole record
    counts."""
    parser = TaskInfoParser(CWD)
    assert parser.feed(line()[:-1]) == []
    assert parser.unfinished == 1
    assert len(parser.feed(b"\n")) == 1
    assert parser.unfinished is None
    assert parser.feed(b"2,c,,,-1,-1,-1,submitted") == []
    assert tasks(parser.finish())[0].id == 2


def test_half_a_line_at_the_end_is_malformed() -> None:
    """A complete file that ends within a record: a message, and nothing is run."""
    (problem,) = parse(b"1,cat a > b,/cwd/a,b,-1,-1,-1,submi")
    assert isinstance(problem, Malformed)
    assert problem.message("info").startswith("info:1: task 1: the record does not end")


def test_each_id_once() -> None:
    """A second record with an ID is refused and the first one stays; IDs need not follow one another."""
    found = parse(line(7) + line(3) + line(7, "other") + line(9))
    assert [t.id for t in tasks(found)] == [7, 3, 9]
    (problem,) = [r for r in found if isinstance(r, Malformed)]
    assert problem.line == 3
    assert "line 1" in problem.problem
    assert problem.task_id is None


def test_who_waits_for_an_answer_is_named() -> None:
    """The engine waits for an invalid submission: its ID comes with the problem. A removal has no such ID."""
    found = parse(line(1, "") + line(2, "a\0b") + line(3, rest="x,1,1") + b"4,half\n" + b"5,,x,,,,,aborting\n")
    assert [(r.task_id if isinstance(r, Malformed) else r) for r in found] == [1, 2, 3, None]
    assert all(isinstance(r, Malformed) for r in found)


def test_windows_line_ends_are_taken() -> None:
    """A file written by hand on Windows."""
    (task,) = tasks(parse(b"1,c,a,b,-1,-1,5,submitted\r\n\r\n"))
    assert (task.outputs, task.request.disk_mb) == (("b",), 5)


def test_blank_lines_and_comments_between_records() -> None:
    """A person may write them; lines are counted on."""
    found = parse(b"# a comment, with a comma\n\n" + line(1) + b"  \n" + line(2))
    assert [r.line for r in found] == [3, 5]


def test_a_huge_record_costs_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line, or a command of many lines, over the limit: malformed, memory bounded, the next record read."""
    monkeypatch.setattr("mfmesos.taskfiles.splitter.MAX_RECORD", 5000)
    parser = TaskInfoParser(CWD)
    found = parser.feed(b"1,")
    for _ in range(100):
        found += parser.feed(b"x" * 1000)
        assert sum(map(len, parser._splitter._rest)) < 7000
    found += parser.feed(b"\n" + line(2) + b"3," + b"y\n" * 4000 + line(4))
    assert [t.id for t in tasks(found)] == [2, 4]
    problems = [r for r in found if isinstance(r, Malformed)]
    assert [p.line for p in problems[:2]] == [1, 3]
    assert problems[0].task_id == 1
    assert all(len(p.text) <= 80 for p in problems)


def test_the_limit_as_it_is() -> None:
    """17 MB in one line."""
    found = parse(b"1," + b"x" * (17 << 20) + b",a,b,-1,-1,-1,submitted\n" + line(2))
    assert [type(r) for r in found] == [Malformed, Submitted]
    assert "16 MB" in found[0].problem  # type: ignore[union-attr]


def test_a_file_that_is_no_task_file() -> None:
    """A million lines of something else are not a million messages; a task among them is found."""
    found = parse(b"nonsense\n" * 5000 + line(1) + b"nonsense\n")
    assert len(found) == entries.SHOWN + 2
    assert "further ones are not shown" in found[entries.SHOWN].problem  # type: ignore[union-attr]
    assert [t.id for t in tasks(found)] == [1]


def test_a_message_is_one_line() -> None:
    """Whatever is in the file and in its name."""
    (problem,) = parse(b"\x1b[31m\nred\xff\r\x85\xe2\x80\xa8\n"[:5] + b"\x00\xff\x1b\r\n")
    assert isinstance(problem, Malformed)
    text = problem.message("a\nb")
    assert text.isprintable()
    assert text.startswith("a\\nb:1: ")


# --- the start after leftovers ----------------------------------------------------------------------
def test_start_at_the_last_first_id() -> None:
    """Leftovers of dead runs come before the last record with ID 1; a dead run may have ended in half a record."""
    old = line(1, "old") + line(2) + b"3,half\n"
    new = line(1, "new") + line(2) + b"1,,,,,,,aborting\n"
    assert start_at_last_first_id(new) == 0
    assert start_at_last_first_id(old + new) == len(old)
    assert start_at_last_first_id(old + old + new) == 2 * len(old)
    assert start_at_last_first_id(b"") == start_at_last_first_id(b"garbage\n") == 0
    inside = line(1) + b"2,python <<E\n1,2\nE,,,-1,-1,-1,submitted\n"
    assert start_at_last_first_id(inside) == 0


# --- all that can be ---------------------------------------------------------------------------------
word = st.text(
    st.characters(blacklist_characters=" ,\n\r\0/", blacklist_categories=("Cs",)), min_size=1, max_size=8).filter(
    lambda s: s not in (".", ".."))
names = st.lists(st.lists(word, min_size=1, max_size=3).map("/".join), max_size=4, unique=True).map(tuple)
amounts = st.none() | st.integers(1, 10**6).map(float) | st.integers(1, 1000).map(lambda n: n / 8)
commands = st.lists(
    st.text(st.characters(blacklist_characters="\n\r\0", blacklist_categories=("Cs",)), min_size=1, max_size=20),
    min_size=1, max_size=3).map("\n".join).filter(lambda s: s.strip() and "submitted" not in s and "abort" not in s)


def to_tasks(parts: list[tuple[str, tuple[str, ...], tuple[str, ...], Request]]) -> list[Task]:
    return [Task(i, *part) for i, part in enumerate(parts, 1)]


requests = st.builds(Request, amounts, amounts, amounts)
many = st.lists(st.tuples(commands, names, names, requests), max_size=5).map(to_tasks)


@given(many)
def test_what_is_written_is_read(stated: list[Task]) -> None:
    """Round trip of every task that the format can hold."""
    assert tasks(parse(b"".join(map(format_task, stated)))) == stated


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    return [data[a:b] for a, b in zip(at, at[1:])]


fragments = st.lists(st.one_of(
    many.map(lambda ts: b"".join(map(format_task, ts))), st.binary(max_size=40),
    st.sampled_from([b"\n", b"1,", b"2,,,,,,,aborting\n", b",submitted\n", b",a,b,-1,-1,-1,submitted\n", b"\r\n",
                     b"#x\n", b"-1", b"\xff", b"\0",
                     b"1,half\n", b"3,c,,,1,1,submitted\n", b"99999999999,c,,,-1,-1,-1,submitted\n"])),
    max_size=8).map(b"".join)


@given(fragments, st.lists(st.integers(0, 10**6), max_size=12))
@settings(max_examples=examples(300))
def test_pieces_make_no_difference(data: bytes, cuts: list[int]) -> None:
    """However the bytes arrive, the records are the same; nothing raises; every message is one line with its place."""
    parser = TaskInfoParser(CWD)
    found = [r for piece in in_pieces(data, cuts) for r in parser.feed(piece)] + parser.finish()
    assert found == parse(data)
    for record in found:
        if isinstance(record, Malformed):
            message = record.message("mesos_task_info")
            assert message.startswith(f"mesos_task_info:{record.line}: ")
            assert message.isprintable()


@given(fragments)
@settings(max_examples=examples(200))
def test_no_id_twice(data: bytes) -> None:
    """Whatever the bytes: each ID is submitted at most once, and only what was submitted is withdrawn."""
    seen: set[int] = set()
    for record in parse(data):
        if isinstance(record, Submitted):
            assert record.task.id not in seen
            seen.add(record.task.id)


@given(st.binary(max_size=300))
@settings(max_examples=examples(200))
def test_the_start_is_always_somewhere(data: bytes) -> None:
    """The search for the last run never raises and stays within the file."""
    assert 0 <= start_at_last_first_id(data) <= len(data)


@pytest.mark.parametrize("task", [
    Task(1, "c", ("a b",)), Task(1, "c", ("a,b",)), Task(1, "c", (), ("a\nb",)), Task(1, "c", ("",)), Task(1, " "),
    Task(1, "\0")])
def test_what_the_format_cannot_hold_is_not_written(task: Task) -> None:
    """Spaces and commas in names need JSON lines."""
    with pytest.raises(ValueError, match="task 1"):
        format_task(task)
