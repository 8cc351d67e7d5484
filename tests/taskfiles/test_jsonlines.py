"""JSON lines: what is allowed, and the messages about the rest."""
from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import examples

from mfmesos.core.model import Constraint, Remote, Request, Task
from mfmesos.taskfiles.entries import Malformed, Record, Submitted, Withdrawn
from mfmesos.taskfiles.jsonlines import JsonLinesParser, format_json
from mfmesos.taskfiles.reader import TaskReader, open_parser
from mfmesos.taskfiles.taskfile import format_task


def parse(data: bytes) -> list[Record]:
    parser = JsonLinesParser("/cwd")
    return parser.feed(data) + parser.finish()


def read(data: bytes) -> list[Record]:
    reader = open_parser("/cwd")
    return reader.feed(data) + reader.finish()


def one(**stated: object) -> Task:
    (record,) = parse(json.dumps(stated).encode())
    assert isinstance(record, Submitted), record
    return record.task


def problem(**stated: object) -> str:
    (record,) = parse(json.dumps(stated).encode())
    assert isinstance(record, Malformed), record
    return record.message("tasks.jsonl")


def test_everything_a_line_can_say() -> None:
    """All keys; names with spaces and commas; memory and disk in MB."""
    task = one(command="cat 'a b' > c", inputs=["a b", "/cwd/x,y", "./z", "a b"], outputs=["d/c"], cores=1.5,
               memory=200, disk=30, wall_time=60, gpus=1, category="cat", env={"A": "1 2"}, id=7)
    asked = Request(1.5, 200, 30, 60, 1)
    assert task == Task(7, "cat 'a b' > c", ("a b", "x,y", "z"), ("d/c",), asked, "cat", {"A": "1 2"})


def test_other_resources() -> None:
    """By Mesos's names, as many as there are; null and 0 ask for nothing; written as they were read."""
    task = one(command="a", resources={"licences": 2, "bandwidth": 0.5, "none": 0, "nil": None})
    assert task.request == Request(others=(("bandwidth", 0.5), ("licences", 2.0)))
    assert parse(format_json(task)) == [Submitted(task, 1)]
    assert one(command="a", resources=None) == one(command="a", resources={}) == Task(1, "a")


def test_other_resources_that_cannot_be() -> None:
    """What has a key of its own, is no name, or no amount; each with its cure."""
    assert 'resources: [1] is not an object' in problem(command="a", resources=[1])
    for name, key in (("cpus", "cores"), ("mem", "memory"), ("gpus", "gpus"), ("disk", "disk"), ("memory", "memory")):
        told = problem(command="a", resources={name: 1})
        assert f'resources: {name} has a key of its own' in told
        assert f'write "{key}": NUMBER beside "resources"' in told
    for name in ("", "a b", "7z", "x" * 61, "\x1b[1m"):
        assert "is not a valid name of a resource" in problem(command="a", resources={name: 1})
    assert 'licences: "2" is not a number' in problem(command="a", resources={"licences": "2"})
    assert "licences: -2 is out of range" in problem(command="a", resources={"licences": -2})


def test_a_command_is_enough() -> None:
    """null, 0, -1 and a key left out ask for nothing."""
    assert one(command="true") == Task(1, "true")
    assert one(command="true", inputs=None, cores=None, memory=0, disk=-1, env=None, category=None) == Task(1, "true")


def test_ids() -> None:
    """Without an id a task gets the number after the highest so far."""
    found = parse(b'{"command": "a"}\n{"command": "b", "id": 10}\n{"command": "c"}\n{"command": "d", "id": 2}\n'
                  b'{"command": "e"}\n')
    assert [r.task.id for r in found if isinstance(r, Submitted)] == [1, 10, 11, 2, 12]


def test_a_line_that_cancels() -> None:
    """In its own words and in those of the other format; of a task that was never submitted it is a mistake."""
    found = parse(b'{"command": "a", "id": 7}\n{"cancel": 7}\n7,,,,,,,aborting\n')
    assert found[1:] == [Withdrawn(7, 2), Withdrawn(7, 3)]
    assert problem(cancel=3) == "tasks.jsonl:1: task 3 is cancelled but was never submitted (the line is ignored)"
    for bad in ({"cancel": 7, "id": 7}, {"cancel": "7"}, {"cancel": None}, {"cancel": True}, {"cancel": 0}):
        assert "write {\"cancel\": ID}" in problem(**bad)


def test_a_task_that_cannot_be_read_is_answered() -> None:
    """Whoever wrote it under a new number waits for its end; a number that is another task's has its own."""
    found = parse(b'{"command": "", "id": 7}\n{"command": "a", "id": 7}\n{"command": "b", "id": 8}\n'
                  b'{"command": "c", "id": 8}\n{"command": ""}\n{"id": 9\n')
    assert [getattr(r, "task_id", "in") for r in found] == [7, None, "in", None, None, None]


def test_an_unknown_key_is_named_with_what_it_may_have_been() -> None:
    """A near match when there is one, else all keys."""
    assert problem(command="a", input=["b"]) == "tasks.jsonl:1: unknown key 'input' (did you mean 'inputs'?)"
    assert "wall_time" in problem(command="a", walltime=1)
    assert "the keys are command, inputs" in problem(command="a", zzzzz=1)


def test_one_string_instead_of_a_list() -> None:
    """The cure shows the list."""
    assert problem(command="a", inputs="b c") == (
        'tasks.jsonl:1: inputs is one string, not a list (write "inputs": ["b c"], one string per name)')


@pytest.mark.parametrize(("stated", "said"), [
    ({"inputs": []}, "no command"), ({"command": "a", "memory": "2G"}, "NUMBER, a number of MB"),
    ({"command": "a", "env": {"N": 8}}, 'not 8'), ({"command": "a", "id": "x"}, "numbered"),
    ({"command": "a", "wall_time": "1h"}, "seconds"),
])
def test_cures(stated: dict[str, object], said: str) -> None:
    """What is wrong comes with what to write."""
    assert said in problem(**stated)


def test_the_format_is_recognised() -> None:
    """By the first line that is neither blank nor a comment; line numbers continue from it; a BOM does not matter."""
    found = read(b"\xef\xbb\xbf\n# tasks\n\n  {\"command\": \"a\"}\n")
    assert [(type(r), r.line) for r in found] == [(Submitted, 4)]
    found = read(b"\xef\xbb\xbf# tasks\n1,c,a,b,-1,-1,-1,submitted\n")
    assert [(type(r), r.line) for r in found] == [(Submitted, 2)]
    for data in (b"", b"\n\n", b"# only\n", b"#", b" ", b"\xef\xbb\xbf"):
        assert read(data) == []


def test_the_format_is_known_once_it_is() -> None:
    """Comments alone leave it open."""
    reader = TaskReader("/cwd")
    reader.feed(b"# a\n")
    assert reader.format == ""
    reader.feed(b"{")
    assert reader.format == "json"
    assert reader.unfinished == 2


def test_a_huge_line_costs_itself_only() -> None:
    """17 MB: malformed; the next line is read."""
    found = parse(b'{"command": "' + b"x" * (17 << 20) + b'"}\n{"command": "b"}\n')
    assert [type(r) for r in found] == [Malformed, Submitted]


def test_a_number_of_a_million_digits_takes_no_time() -> None:
    """It would take minutes as an integer on older Pythons."""
    (record,) = parse(b'{"command": "a", "cores": ' + b"9" * 1_000_000 + b"}\n")
    assert isinstance(record, Malformed)


text = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), min_size=1, max_size=12)
name = text.filter(lambda s: "/" not in s and s not in (".", ".."))
amount = st.none() | st.floats(0.001, 1e9)
several = st.lists(st.builds(
    lambda command, inputs, outputs, *rest: (command, tuple(inputs), tuple(outputs), *rest),
    text.filter(str.strip), st.lists(name, max_size=3, unique=True), st.lists(name, max_size=3, unique=True),
    st.builds(Request, amount, amount, amount, amount, st.none() | st.integers(1, 1000).map(float)), st.none() | text,
    st.dictionaries(text.filter(lambda s: "=" not in s), text, max_size=2), st.none(),
    st.dictionaries(name.map("web/{}".format), st.builds(Remote, st.sampled_from(["http://h/x", "https://u:p@h/?q"]),
                                                         st.sampled_from(["", "0" * 64])), max_size=2)),
    max_size=4).map(
    lambda parts: [Task(i, *part) for i, part in enumerate(parts, 1)])


DIGEST = "0" * 60 + "aBcD"


def test_inputs_on_web_servers() -> None:
    """By name, beside others; a sha256 in any case, or none; the name is relative like any other."""
    task = one(command="x", inputs=["a", {"name": "/cwd/g.fa", "url": "https://u:p@h/g?t", "sha256": DIGEST}, "b",
                                    {"name": "../m", "url": "http://h/m"}])
    assert task == Task(1, "x", ("a", "b"), urls={
        "g.fa": Remote("https://u:p@h/g?t", DIGEST.lower()), "../m": Remote("http://h/m")})


@pytest.mark.parametrize(("item", "message"), [
    ({"url": "https://h/g"}, "no name (write {"),
    ({"name": "g"}, "no url (write {"),
    ({"name": "", "url": "https://h/g"}, "an empty name in inputs"),
    ({"name": 1, "url": "https://h/g"}, "name: 1 is not a string"),
    ({"name": "g", "url": 1}, "url: 1 is not a string"),
    ({"name": "g", "url": "https://h/g", "size": 1}, "an input has the unknown key 'size'"),
    ({"name": "g", "url": "file:///etc/passwd"}, "input g: a URL that begins with file: is not fetched"),
    ({"name": "g", "url": "FTP://u:p@h/g"}, "input g: a URL that begins with ftp: is not fetched"),
    ({"name": "g", "url": "/etc/secret"}, "input g: its URL is not valid"),
    ({"name": "g", "url": "https://u:secret@/g"}, "input g: its URL is not valid"),
    ({"name": "g", "url": "https://h/secret g"}, "input g: its URL is not valid"),
    ({"name": "g", "url": "https://h/g", "sha256": "abc"}, 'the sha256 "abc" is not 64 hexadecimal digits'),
    ({"name": "g", "url": "https://h/g", "sha256": 1}, "the sha256 1 is not 64"),
    ({"name": "a", "url": "https://h/g"}, "'a' comes from a URL, and is named again"),
    ({"name": "o", "url": "https://h/g"}, "'o' comes from a URL, and is named again"),
    ({"name": "./t", "url": "https://h/g"}, "'t' comes from a URL, and is named again"),
    ({"name": ".", "url": "https://h/g"}, "'.' is the name of a folder"),
])
def test_wrong_inputs_on_web_servers(item: dict[str, object], message: str) -> None:
    """Each mistake in one line with file, line and cure, and nothing of a URL that may be secret."""
    line = problem(command="x", inputs=["a", {"name": "t", "url": "https://h/t"}, item], outputs=["o"])
    assert message in line
    assert line.startswith("tasks.jsonl:1: ")
    assert "secret" not in line
    assert "u:p" not in line


@pytest.mark.parametrize(("stated", "count", "where"), [
    (1, 1.0, ()), (2.0, 2.0, ()), ("a100:2", 2.0, (Constraint("gpu_type", "equals", "a100"),)), ("a100:0", None, ()),
    (0, None, ()), (-1, None, ()), (None, None, ())])
def test_gpus_by_number_and_by_type(stated: object, count: float | None, where: tuple[Constraint, ...]) -> None:
    """A type is a constraint on the agent's attribute gpu_type; what is written is read as the same task."""
    task = one(command="x", gpus=stated)
    assert (task.request.gpus, task.where) == (count, where)
    assert parse(format_json(task)) == [Submitted(task, 1)]


@pytest.mark.parametrize("stated", [0.5, "2", "a100", "a100:", "a100:x", ":2", "a b:1", "a100:5000", True, [1], -2])
def test_what_is_no_number_of_gpus(stated: object) -> None:
    """Mesos gives out whole GPUs only: one line with file, line and cure, before anything starts."""
    line = problem(command="x", gpus=stated)
    assert line.startswith("tasks.jsonl:1: ")
    assert 'such as "a100:2"' in line


@given(several)
def test_what_is_written_is_read(tasks: list[Task]) -> None:
    """Round trip of every task, whatever the names."""
    assert [r.task for r in parse(b"".join(map(format_json, tasks))) if isinstance(r, Submitted)] == tasks


def test_names_that_are_not_utf8_survive() -> None:
    """Any file name can be written and read."""
    task = Task(1, "cat \udcff", ("\udcff\udcfe",))
    (record,) = parse(format_json(task))
    assert isinstance(record, Submitted)
    assert record.task == task


@given(st.lists(st.one_of(
    several.map(lambda ts: b"".join(map(format_json, ts))), st.binary(max_size=30),
    st.just(format_task(Task(3, "c", ("a",), ("b",)))),
    st.sampled_from([b"\n", b" ", b"#", b"# x\n", b"{", b"}", b'"', b"[]\n", b"\xef\xbb\xbf", b"\xef",
                     b'{"command": "a"}\n', b"\r\n"])),
    max_size=7).map(b"".join), st.lists(st.integers(0, 10**6), max_size=10))
@settings(max_examples=examples(300))
def test_pieces_make_no_difference(data: bytes, cuts: list[int]) -> None:
    """Of either format, however the bytes arrive: the same records, no exception."""
    at = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    reader = TaskReader("/cwd")
    found = [r for a, b in zip(at, at[1:]) for r in reader.feed(data[a:b])] + reader.finish()
    assert found == read(data)
    assert all(r.message("f").isprintable() for r in found if isinstance(r, Malformed))


def test_temporary_outputs():
    """An object marks an output as temporary; anything else is one line with the cure, and the line survives a
    round trip."""
    def parse(outputs: object) -> Record:
        parser = JsonLinesParser("/w")
        return parser.feed(json.dumps({"command": "x", "outputs": outputs}).encode() + b"\n")[0]

    found = parse(["a", {"name": "./b", "temporary": True}, {"name": "c", "temporary": False}])
    assert isinstance(found, Submitted)
    assert (found.task.outputs, found.task.temporary) == (("a", "b", "c"), ("b",))
    assert JsonLinesParser("/w").feed(format_json(found.task))[0].task == found.task
    for wrong in ({"name": "b"}, {"name": "b", "temporary": 1}, {"name": "b", "temporary": True, "x": 1}):
        assert '"temporary": true' in parse([wrong]).cure
    assert "lie in each other" in parse(["d", {"name": "d/b", "temporary": True}]).problem
    assert isinstance(parse([{"name": 3, "temporary": True}]), Malformed)


@pytest.mark.parametrize(("where", "problem"), [
    ([["rack", "equals"]], "not a valid constraint"), ([["rack", "unique", "x"]], "not a valid constraint"),
    ([["rack", "is", "x"]], "not a valid constraint"), ("rack", "not a valid constraint"),
    ([["rack", "max_per", "many"]], "whole number"), ([["rack", "max_per", 0]], "whole number"),
    ([["rack", "like", "("]], "regular expression"), ([["", "unique"]], "not a valid constraint"),
    ([[["rack"], "unique"]], "not a valid constraint"), ([["rack", "takes"]], "not a valid constraint"),
    ([["rack", "takes", "much"]], "not a valid amount"), ([["rack", "takes", 0]], "not a valid amount"),
])
def test_bad_constraints_are_refused(where, problem):
    """With what is wrong; the other lines count."""
    (record,) = parse(json.dumps({"command": "x", "constraints": where}).encode() + b"\n")
    assert isinstance(record, Malformed)
    assert problem in record.problem


def test_scheduling_keys():
    """Priority, group, placement, constraints and retries are read, and written the same."""
    stated = {"command": "x", "priority": -2.5, "group": "alice", "placement": "spread=rack", "network_mbps": 12.5,
              "retries": 0,
              "constraints": [["rack", "max_per", 3], ["hostname", "unique"], ["os", "unlike", "r.*"]]}
    (record,) = parse(json.dumps(stated).encode() + b"\n")
    assert isinstance(record, Submitted)
    task = record.task
    assert (task.priority, task.group, task.placement, task.retries) == (-2.5, "alice", "spread=rack", 0)
    assert task.where == (("rack", "max_per", "3"), ("hostname", "unique", ""), ("os", "unlike", "r.*"),
                          ("network_mbps", "takes", "12.5"))
    assert parse(format_json(task)) == [record]
    for bad in ({"priority": "high"}, {"priority": 1e10}, {"group": 7}, {"network_mbps": 0}, {"placement": "frist"},
                {"retries": 1.5}, {"retries": -1}):
        (record,) = parse(json.dumps({"command": "x", **bad}).encode() + b"\n")
        assert isinstance(record, Malformed)
