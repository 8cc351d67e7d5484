"""Malformed task files, by hand and by machine: no crash, no hang, a message with file and line."""
from __future__ import annotations

import json
import random
import time

import pytest

from mfmesos.taskfiles.entries import Malformed, Submitted
from mfmesos.taskfiles.reader import TaskReader

OK = "9,true,,,-1,-1,-1,submitted"
GOOD = '{"command": "true"}'

TASK_INFO = [
    # not a record at all
    "hello", "hello,world", ",", ",,,,,,,submitted", ",true,,,-1,-1,-1,submitted", "\x00", "\x7f", "\x1b[2J", "1",
    "1;true",
    "submitted", "aborting", ",submitted", ",aborting", "ID,CMD,INPUTS,OUTPUTS,CORES,MEMORY,DISK,submitted",
    "<html>", "%PDF-1.4", "\u2028", "out: in\n\tcat in > out", "- command: true", "1\ttrue\ta\tb",
    # the ID
    "x,true,,,-1,-1,-1,submitted", "-1,true,,,-1,-1,-1,submitted", "0,true,,,-1,-1,-1,submitted",
    "+1,true,,,-1,-1,-1,submitted",
    " 1,true,,,-1,-1,-1,submitted", "1 ,true,,,-1,-1,-1,submitted", "01,true,,,-1,-1,-1,submitted",
    "1.0,true,,,-1,-1,-1,submitted", "1e3,true,,,-1,-1,-1,submitted", "0x1,true,,,-1,-1,-1,submitted",
    "2147483648,true,,,-1,-1,-1,submitted", "99999999999999999999,true,,,-1,-1,-1,submitted",
    "9" * 5000 + ",true,,,-1,-1,-1,submitted", "-99999999999999999999,true,,,-1,-1,-1,submitted",
    "--1,true,,,-1,-1,-1,submitted",
    "1\x00,true,,,-1,-1,-1,submitted", "１,true,,,-1,-1,-1,submitted", "١,true,,,-1,-1,-1,submitted",
    "1_0,true,,,-1,-1,-1,submitted",
    "nan,true,,,-1,-1,-1,submitted", "task1,true,,,-1,-1,-1,submitted", "'1',true,,,-1,-1,-1,submitted",
    # too few fields, other orders
    "1,submitted", "1,true,submitted", "1,true,a,submitted", "1,true,a,b,submitted", "1,true,a,b,1,submitted",
    "1,true,a,b,1,2,submitted",
    "1,,,,,,submitted", "1,-1,-1,-1,submitted", "1,a,-1,-1,-1,submitted", "1,a,b,-1,-1,-1,submitted",
    # too few commas before the numbers to be a command with inputs and outputs
    "1,,,,,,,submitted", "1,true,a,b,,,,submitted", "1,true,a,b,1,2,,submitted", "1,true,a,b,,2,3,submitted",
    "1,true,a,b,1,,3,submitted",
    # numbers
    "1,true,a,b,x,-1,-1,submitted", "1,true,a,b,-1,x,-1,submitted", "1,true,a,b,-1,-1,x,submitted",
    "1,true,a,b,--1,-1,-1,submitted",
    "1,true,a,b,1.,-1,-1,submitted", "1,true,a,b,.5,-1,-1,submitted", "1,true,a,b,1e3,-1,-1,submitted",
    "1,true,a,b,0x10,-1,-1,submitted",
    "1,true,a,b,nan,-1,-1,submitted", "1,true,a,b,inf,-1,-1,submitted", "1,true,a,b,-1,2G,-1,submitted",
    "1,true,a,b,-1,2 GB,-1,submitted",
    "1,true,a,b,-1, 2,-1,submitted", "1,true,a,b,+1,-1,-1,submitted", "1,true,a,b,1/2,-1,-1,submitted",
    "1,true,a,b,١,-1,-1,submitted",
    "1,true,a,b,-2,-1,-1,submitted", "1,true,a,b,-1,-5,-1,submitted", "1,true,a,b,-1,-1,-0.5,submitted",
    "1,true,a,b,1_0,-1,-1,submitted",
    "1,true,a,b," + "9" * 20 + ",-1,-1,submitted", "1,true,a,b," + "9" * 390 + ",-1,-1,submitted",
    "1,true,a,b," + "9" * 5000 + ",-1,-1,submitted", "1,true,a,b,-1,1" + "0" * 12 + "1,-1,submitted",
    "1,true,a,b,$CORES,-1,-1,submitted", "1,true,a,b,'1',-1,-1,submitted", "1,true,a,b,None,None,None,submitted",
    # the command
    "1,,a,b,-1,-1,-1,submitted", "1, ,a,b,-1,-1,-1,submitted", "1,\t,a,b,-1,-1,-1,submitted",
    "1,a\x00b,a,b,-1,-1,-1,submitted",
    "1,true,a\x00,b,-1,-1,-1,submitted", "1,true,a,\x00,-1,-1,-1,submitted", "1,,,,-1,-1,-1,submitted",
    # the end of the record
    "1,true,a,b,-1,-1,-1,submitted ", "1,true,a,b,-1,-1,-1, submitted", "1,true,a,b,-1,-1,-1,Submitted",
    "1,true,a,b,-1,-1,-1,SUBMITTED",
    "1,true,a,b,-1,-1,-1,submitted,", "1,true,a,b,-1,-1,-1,submit", "1,true,a,b,-1,-1,-1,", "1,true,a,b,-1,-1,-1",
    "1,true,a,b",
    "1,true", "1,", "1,true,a,b,-1,-1,-1,submitted;", "1,true,a,b,-1,-1,-1,submitted\x00",
    "1,true,a,b,-1,-1,-1,submitted#",
    "1,true,a,b,-1,-1,-1,finished", "1,true,a,b,-1,-1,-1,submittedsubmitted",
    # removals
    "1,,,,,,,aborting", "1,,,,,,,aborting ", "1,,,,,,aborting", "1,,,,,,,,aborting", "1,aborting",
    "1,true,a,b,-1,-1,-1,aborting",
    "0,,,,,,,aborting", "-1,,,,,,,aborting", "x,,,,,,,aborting", ",,,,,,,aborting", "99999999999,,,,,,,aborting",
    "1,,x,,,,,aborting",
    "1,,,,,,,Aborting", "1, , , , , , ,aborting",
    # repeats
    "5,true,,,-1,-1,-1,submitted\n5,true,,,-1,-1,-1,submitted",
    "5,true,,,-1,-1,-1,submitted\n6,half\n5,,,,,,,aborting\n8,,,,,,,aborting",
    # odd bytes
    "\r1", "\ufeff\ufeff1,true,,,-1,-1,-1,submitted",
    "," * 3000, "\x00" * 3000, "1," * 3000, "1,\n" * 50, "\n1,\r\n\r\n",
    "1,\r\n,\r\n", "1" * 100000, "ÿ", "1,true,a,b,-1,-1,-1,submitted\x0b", "1,true,a,b,-1,-1,-1,\nsubmitted",
    "1\n,true,a,b,-1,-1,-1,submitted",
]

JSON = [
    "{", "}", "{}", "[]", "[", "{]", "null {", '{"command"}', '{"command": }', '{"command": "a"', '{"command": "a"}}',
    '{"command": "a"} {"command": "b"}', '{"command": "a",}', "{'command': 'a'}", '{command: "a"}',
    '{"command": "a" "inputs": []}', '[{"command": "a"}]', '"command"', '{"command": null}', '{"command": 1}',
    '{"command": true}', '{"command": ["a", "b"]}', '{"command": {}}', '{"command": ""}', '{"command": "  "}',
    r'{"command": "a\u0000b"}', r'{"command": "\ud800"}', '{"command": "a\tb"}', r'{"command": "\x"}',
    r'{"command": "\u12"}', '{"cmd": "a"}', '{"Command": "a"}', '{"command": "a", "input": ["b"]}',
    '{"command": "a", "mem": 1}', '{"command": "a", "": 1}', '{"command": "a", "command": "b"}',
    '{"command": "a", "inputs": "b"}', '{"command": "a", "outputs": "b c"}', '{"command": "a", "inputs": {}}',
    '{"command": "a", "inputs": 5}', '{"command": "a", "inputs": [5]}', '{"command": "a", "inputs": [null]}',
    '{"command": "a", "inputs": [["b"]]}', '{"command": "a", "inputs": [""]}', '{"command": "a", "inputs": true}',
    r'{"command": "a", "inputs": ["\u0000"]}', r'{"command": "a", "outputs": ["\udfff"]}',
    '{"command": "a", "outputs": [{"name": "x"}]}', '{"command": "a", "cores": "1"}',
    '{"command": "a", "cores": true}', '{"command": "a", "cores": [1]}', '{"command": "a", "cores": -2}',
    '{"command": "a", "memory": "2G"}', '{"command": "a", "memory": 1e400}', '{"command": "a", "memory": -0.5}',
    '{"command": "a", "disk": NaN}', '{"command": "a", "disk": Infinity}', '{"command": "a", "disk": -Infinity}',
    '{"command": "a", "cores": ' + "9" * 5000 + "}", '{"command": "a", "cores": 01}', '{"command": "a", "cores": 1.}',
    '{"command": "a", "cores": +1}', '{"command": "a", "cores": 0x1}', '{"command": "a", "wall_time": "1h"}',
    '{"command": "a", "gpus": {}}', '{"command": "a", "category": 5}', '{"command": "a", "category": []}',
    '{"command": "a", "env": []}', '{"command": "a", "env": "A=1"}', '{"command": "a", "env": {"A": 1}}',
    '{"command": "a", "env": {"A": null}}', '{"command": "a", "env": {"": "1"}}',
    '{"command": "a", "env": {"A=B": "1"}}', r'{"command": "a", "env": {"A": "\u0000"}}',
    r'{"command": "a", "env": {"\u0000": "1"}}', '{"command": "a", "id": 0}', '{"command": "a", "id": -1}',
    '{"command": "a", "id": "1"}', '{"command": "a", "id": 1.0}', '{"command": "a", "id": true}',
    '{"command": "a", "id": 2147483648}', '{"command": "a", "id": ' + "9" * 5000 + "}",
    '{"command": "a", "id": 1}\n{"command": "b", "id": 1}', '{"command": "a", "id": 2147483647}\n{"command": "b"}',
    '{"command": "a"}, ', '{"command":\n"a"}', '{"a":' * 100000, "[" * 100000, '{"command": "a"}\x00',
    '{"command": "a"}\n1,true,,,-1,-1,-1,submitted', '{"command": "a"}\n,', '{"command": "a"}\n"b"',
    '{"command": "a"}\n7', '{"command": "a"}\nnull', '{"command": "a"}\ntrue', '{"command": "a"}\n// no comment',
    '{"command": "a"} # no comment', '{"\\ud800": 1}',
]


def run(data: bytes, pieces: int = 1) -> list[Malformed]:
    """The messages of a task file's reader, with every check of messages made; fails when it takes seconds."""
    started = time.process_time()
    reader = TaskReader("/cwd")
    step = max(1, len(data) // pieces + 1)
    found = [r for at in range(0, len(data), step) for r in reader.feed(data[at:at + step])] + reader.finish()
    assert time.process_time() - started < 5
    problems = [r for r in found if isinstance(r, Malformed)]
    for problem in problems:
        message = problem.message("tasks")
        assert message.startswith(f"tasks:{problem.line}: ")
        assert message.isprintable()
        assert len(message) < 400
        assert problem.cure
        assert 1 <= problem.line <= data.count(b"\n") + 1
    return problems


def shortened(text: str) -> str:
    return json.dumps(text[:40])


@pytest.mark.parametrize("text", TASK_INFO, ids=shortened)
def test_by_hand(text: str) -> None:
    """Each is reported with file and line, alone and after a good record, and a good record before it is not lost."""
    data = text.encode("utf-8", "surrogateescape")
    assert run(data)
    assert run(data + b"\n")
    after = OK.encode() + b"\n" + data + b"\n"
    problems = run(after)
    assert problems
    assert problems[0].line >= 2
    records = TaskReader("/cwd").feed(after)
    assert isinstance(records[0], Submitted)
    assert records[0].task.id == 9


@pytest.mark.parametrize("text", JSON, ids=shortened)
def test_json_by_hand(text: str) -> None:
    """Each is reported with file and line; good lines before and after it are not lost."""
    data = text.encode("utf-8", "surrogateescape")
    if text[0] in '{["':  # else the format is not recognised as JSON lines
        assert run(data)
    assert run(data + b"\n", pieces=7)
    around = GOOD.encode() + b"\n" + data + b"\n" + b'{"command": "last", "id": 77}\n'
    assert run(around)
    reader = TaskReader("/cwd")
    records = reader.feed(around)
    assert isinstance(records[0], Submitted)
    assert isinstance(records[-1], Submitted)
    assert records[-1].task.id == 77


def test_there_are_enough_of_them() -> None:
    """The hand-made lists hold what the project promised, all different."""
    assert len(set(TASK_INFO)) == len(TASK_INFO) >= 120
    assert len(set(JSON)) == len(JSON) >= 80


@pytest.mark.parametrize("seed", range(200))
def test_by_machine(seed: int) -> None:
    """Good files with bytes changed, cut out, doubled and put in: nothing but records and messages comes of them."""
    rng = random.Random(seed)
    lines = [f"{i},cat a.{i}, 'b' > o.{i},/cwd/a.{i} /cwd/d,o.{i},{rng.choice(['-1', '1', '0.5'])},-1,-1,submitted"
             for i in range(1, 6)]
    if seed % 2:
        lines = [json.dumps({"command": f"cat a.{i}", "inputs": [f"a {i}"], "cores": i}) for i in range(1, 6)]
    data = bytearray("\n".join([*lines, ""]).encode())
    for _ in range(rng.randint(1, 12)):
        at = rng.randrange(len(data))
        what = rng.randrange(4)
        if what == 0:
            data[at] = rng.randrange(256)
        elif what == 1:
            del data[at:at + rng.randint(1, 30)]
        elif what == 2:
            data[at:at] = data[at:at + rng.randint(1, 60)]
        else:
            data[at:at] = rng.choice([b",", b"\n", b"\0", b'"', b"{", b"submitted", b"\xff", b"-1", b",submitted\n"])
        data = data or bytearray(b"x")
    run(bytes(data), pieces=rng.randint(1, 9))
