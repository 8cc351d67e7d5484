"""Real makeflow (and the batch runner) on the embedded cluster and on a real Mesos: whole workflows."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from flows import Flow, nothing_stays, plain_makeflow, steady
from support import need, wait_until

EXAMPLES = Path(__file__).parents[2] / "examples" / "workflows"


def copy_example(name: str, target: Path) -> Path:
    shutil.copytree(EXAMPLES / name, target)
    return target


@pytest.fixture
def flow(cluster, tmp_path):
    """An empty folder on each cluster; afterwards nothing may be left on the agents and no framework registered."""
    with nothing_stays(cluster):
        yield Flow(tmp_path / "flow", cluster)


def test_one_rule(flow):
    """The thinnest path: one rule, its input there and its output back."""
    flow.write("in.txt", "hello\n")
    flow.write("Makeflow", "out.txt: in.txt\n\ttr a-z A-Z < in.txt > out.txt\n")
    ended = flow.makeflow()
    assert ended.code == 0, ended.out + flow.log()
    assert (flow.folder / "out.txt").read_text() == "HELLO\n"


@pytest.mark.parametrize("name", ["features", "sweep", "wordcount"])
def test_examples_make_what_makeflow_local_makes(flow, tmp_path, name):
    """Byte for byte the outputs of makeflow -T local: diamonds, fan-outs, subdirectories, quoting, LOCAL rules."""
    plain = copy_example(name, tmp_path / "plain" / name)
    plain_makeflow(plain)
    shutil.rmtree(flow.folder)
    copy_example(name, flow.folder)
    ended = flow.makeflow()
    assert ended.code == 0, ended.out + flow.log()
    assert flow.files() == Flow(plain, flow.cluster).files()


ENVIRONMENTS = r"""export V_CALLER
V_SPACES=a  b  " c"
V_DOLLAR=a\$b 'c'
V_EMPTY=
V_RULE=of all
export V_SPACES V_DOLLAR
export V_DOLLAR V_RULE
export V_EMPTY
.MAKEFLOW CATEGORY big
CORES=2
V_CATEGORY=big
.MAKEFLOW CATEGORY small
CORES=1
V_CATEGORY=small
export V_CATEGORY
.MAKEFLOW CATEGORY big
a: dump
	./dump > a
b: dump
@V_RULE=of b
	./dump > b
.MAKEFLOW CATEGORY small
c: dump a
	./dump > c
V_RULE=later
d: dump c
	LOCAL ./dump > d
e: dump d
	./dump > e
"""
JX = {
    "environment": {"V_TOP": "two\nlines  \n", "V_RULE": "top"},
    "categories": {"k": {"environment": {"V_CATEGORY": "k"}}},
    "rules": [
        {"command": "./dump > a", "inputs": ["dump"], "outputs": ["a"], "environment": {"V_RULE": "\"q\" 'r' \\ $HO"}},
        {"command": "./dump > b", "inputs": ["dump"], "outputs": ["b"], "category": "k"},
        {"command": "./dump > c", "inputs": ["dump"], "outputs": ["c"], "resources": {"cores": 2}}]}
DUMP = """#!/bin/sh
env -0 | sort -z | grep -zE '^(V_|CORES=|OMP_NUM_THREADS=)' | tr '\\0' ';'
"""


@pytest.mark.parametrize("jx", [False, True], ids=["make", "jx"])
def test_environments_are_those_of_makeflow_local(flow, tmp_path, monkeypatch, jx):
    """export, environment, variables of categories and of single rules, and the number of threads, reach the tasks."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    if not jx:
        monkeypatch.setenv("V_CALLER", "the caller's")
    args = ["--jx", "Makeflow"] if jx else ["Makeflow"]
    plain = Flow(tmp_path / "plain", flow.cluster)
    for one in (plain, flow):
        one.write("dump", DUMP, 0o755)
        one.write("Makeflow", json.dumps(JX) if jx else ENVIRONMENTS)
    plain_makeflow(plain.folder, *args)
    ended = flow.makeflow(*args)
    assert ended.code == 0, ended.out + flow.log()
    assert flow.files() == plain.files()
    assert "V_RULE" in (flow.folder / "b").read_text()


def test_the_whole_environment_is_sent(flow, monkeypatch):
    """--send-environment: all that makeflow has, but not our secret; no file that others may read holds it."""
    monkeypatch.setenv("V_SENT", "secret-word")
    monkeypatch.setenv("MFMESOS_SECRET", "secret-word")
    flow.write("Makeflow", "a:\n\tenv > a\n")
    ended = flow.makeflow("--send-environment", "Makeflow")
    assert ended.code == 0, ended.out + flow.log()
    made = (flow.folder / "a").read_text()
    assert "V_SENT=secret-word\n" in made
    assert "MFMESOS_SECRET" not in made
    for path in (p for p in flow.folder.rglob("*") if p.is_file() and p.name != "a"):
        assert b"secret-word" not in path.read_bytes() or path.stat().st_mode & 0o077 == 0, path


NAMES = """F "C D" G: in
\tcat in > "C D"; echo x > F; echo x > G

H x,y: "C D" G "sub dir/in"
\tcat "C D" G "sub dir/in" > H; echo 1 > x,y
J: x,y "C D" H
\tcat x,y "C D" $PWD/H > J
"""


ODD_NAMES = json.dumps({"rules": [
    {"command": "cat in > 'a,'; echo b > ',b'; echo n > 'l\nl'", "inputs": ["in"], "outputs": ["a,", ",b", "l\nl"]},
    {"command": "echo 1 > a; echo 2 > b; echo 3 > 'a,b'", "inputs": [], "outputs": ["a", "b", "a,b"]},
    {"command": "cat a, ,b 'l\nl' a b a,b > end", "inputs": ["a,", ",b", "l\nl", "a", "b", "a,b"], "outputs": ["end"]},
]})


@pytest.mark.parametrize("folder", ["my data", "a,b, c", "l\nl"])
def test_spaces_commas_and_newlines_in_names(cluster, tmp_path, folder):
    """In the workflow's folder and in files: what makeflow -T local makes."""
    plain, flow = (Flow(tmp_path / one / folder, cluster) for one in ("plain", "flow"))
    for one in (plain, flow):
        one.write("in", "in\n")
        one.write("sub dir/in", "sub\n")
        one.write("Makeflow", ODD_NAMES if "\n" in folder else NAMES.replace("$PWD", f"'{one.folder}'"))
    args = ["--json", "Makeflow"] if "\n" in folder else ["Makeflow"]
    plain_makeflow(plain.folder, *args)
    with nothing_stays(cluster):
        ended = flow.makeflow(*args)
    assert ended.code == 0, ended.out + flow.log()
    assert {name: text for name, text in flow.files().items() if name != "Makeflow"} == {
        name: text for name, text in plain.files().items() if name != "Makeflow"}


def test_a_rule_that_is_a_workflow(flow):
    """MAKEFLOW in a rule: makeflow itself runs on the agent, under the path that it has here."""
    flow.write("seed", "7\n")
    flow.write("sub.makeflow", "one: seed\n\tcat seed > one\ntwo: one\n\tcat one seed > two\n")
    flow.write("Makeflow", "total: one two\n\tcat one two > total\n"
               "one two: sub.makeflow seed\n\tMAKEFLOW sub.makeflow\n")
    ended = flow.makeflow("-r", "0", "Makeflow")
    assert ended.code == 0, ended.out + flow.log()
    assert (flow.folder / "total").read_text() == "7\n7\n7\n"


@pytest.mark.parametrize("size", [10, 300_000])
def test_what_a_failed_rule_made(flow, tmp_path, size):
    """Partial outputs and a declared file for stderr lie where makeflow -T local leaves them."""
    command = f"{{ head -c {size} /dev/zero; mkdir d; echo 1 > d/x; echo oh >&2; exit 3; }} > out 2> err"
    plain = Flow(tmp_path / "plain", flow.cluster)
    for one in (plain, flow):
        one.write("Makeflow", f"out err d none:\n\t{command}\n")
    subprocess.run(["makeflow", "-T", "local", "Makeflow"], cwd=plain.folder, capture_output=True, check=False)
    ended = flow.makeflow("-r", "0", "Makeflow")
    assert ended.code == 1
    wanted = {name: data for name, data in plain.files().items() if not name.endswith("INFO.json")}
    assert "makeflow.failed.0/out" in wanted
    assert {name: data for name, data in flow.files().items() if not name.endswith("INFO.json")} == wanted


def test_blast_example(flow, tmp_path):
    """The BLAST search with real blast programs of Debian gives what makeflow -T local gives."""
    need(shutil.which("makeblastdb") is not None, "no BLAST here", "apt-get install ncbi-blast+")
    plain = copy_example("blast", tmp_path / "plain" / "blast")
    plain_makeflow(plain)
    shutil.rmtree(flow.folder)
    copy_example("blast", flow.folder)
    ended = flow.makeflow()
    assert ended.code == 0, ended.out + flow.log()
    assert steady(flow.files()) == steady(Flow(plain, flow.cluster).files())


def test_folders_as_outputs_eat_nothing(flow):
    """Another task's output in the folder and the user's own files stay, with both engines; reported at the start."""
    makes = [("res", "sleep 1; mkdir res; echo a > res/a"), ("res/b", "mkdir -p res; echo b > res/b")]
    flow.write("Makeflow", "".join(f"{name}:\n\t{command}\n\n" for name, command in makes))
    flow.write("tasks.jsonl", "".join(json.dumps({"command": c, "outputs": [n]}) + "\n" for n, c in makes))
    for start in (flow.makeflow, lambda: flow.run("--plain", ".")):
        flow.write("res/notes", "mine")
        ended = start()
        assert ended.code == 0, ended.out + flow.log()
        assert "'res/b' in it: each task replaces only its own files" in ended.out
        assert {name: data for name, data in flow.files().items() if name.startswith("res")} == {
            "res/a": b"a\n", "res/b": b"b\n", "res/notes": b"mine"}
        shutil.rmtree(flow.folder / "res")
        shutil.rmtree(flow.folder / ".mfmesos")


MAKES_ALL_KINDS = """
mkdir -p d/bin d/lib d/empty; echo 'echo hello' > d/lib/tool; chmod 775 d/lib/tool; ln -s ../lib/tool d/bin/tool
ln -s . d/self; ln -s gone d/lost; ln -s /nonexistent/x d/lock; ln -s $PWD/d/lib d/bin/lib; ln -s /bin/sh d/bin/sh
truncate -s 300M d/holes; echo x >> d/holes; chmod 664 d/holes; touch -d '2001-02-03 04:05:06.7' d/lib/old
echo data > data; echo index > index; touch -d '2001-02-03 04:05:06.000000001' data
touch -d '2001-02-03 04:05:06.000000002' index
"""
READS_ALL_KINDS = """
d/bin/sh d/bin/tool; find d -printf '%p %y %l %m %s\\n' | grep -v bin/lib | sort; stat -c %y d/lib/old
[ index -nt data ] && echo younger; [ $(du -m d | tail -1 | cut -f1) -lt 30 ] && echo sparse
"""


def test_folders_arrive_as_they_were_made(flow, tmp_path):
    """Links, modes, times and holes: here as makeflow -T local leaves them, and the same for the next task."""
    def found(folder):
        listed = subprocess.run(["find", "d", "index", "data", "-printf", "%p %y %l %m %s %TY\\n"], cwd=folder,
                                capture_output=True, text=True, check=True).stdout.splitlines()
        said = (folder / "said").read_text()
        assert "younger\nsparse\n" in said
        # An absolute link into the task's folder is made relative.
        assert os.path.realpath(folder / "d" / "bin" / "lib") == str(folder / "d" / "lib")
        return said, sorted(line for line in listed if not line.startswith("d/bin/lib"))

    plain = Flow(tmp_path / "plain", flow.cluster)
    for place in (plain, flow):
        place.write("make.sh", MAKES_ALL_KINDS)
        place.write("read.sh", READS_ALL_KINDS)
        place.write("Makeflow", "d data index: make.sh\n\tsh make.sh\n\n"
                                "said: d data index read.sh\n\tsh read.sh > said\n")
    plain_makeflow(plain.folder)
    ended = flow.makeflow()
    assert ended.code == 0, ended.out + flow.log()
    assert found(flow.folder) == found(plain.folder)
    assert (flow.folder / "d" / "holes").stat().st_blocks * 512 < 1 << 20


def test_unix_sockets_fit(flow):
    """Python's multiprocessing works in a task, with either engine; nothing of it stays in /tmp."""
    code = ("import multiprocessing, os\nif __name__ == '__main__':\n    with multiprocessing.Manager() as m:\n"
            "        print(m.list([1]), max(len(os.environ[n]) for n in ('TMPDIR', 'HOME', 'PWD')),"
            " os.environ['TMPDIR'])\n")
    flow.write("t.py", code)
    flow.write("Makeflow", "a: t.py\n\tpython3 t.py > a\n")
    flow.write("tasks.jsonl", json.dumps({"command": "python3 t.py > b", "inputs": ["t.py"], "outputs": ["b"]}) + "\n")
    for ended in (flow.makeflow(), flow.run("--plain", ".")):
        assert ended.code == 0, ended.out + flow.log()
    for name in ("a", "b"):
        said, length, temporary = (flow.folder / name).read_text().split()
        assert (said, int(length) < 80) == ("[1]", True)
        assert not os.path.lexists(os.path.dirname(os.path.dirname(temporary)))


def test_impossible_outputs_are_all_named_before_anything_runs(flow, tmp_path):
    """By `mfmesos run` and its --dry-run, with file and line, one printable line each; the task file stays as it is."""
    (tmp_path / "scratch").mkdir()
    (flow.folder / "scratch").symlink_to(tmp_path / "scratch")
    bad = ["../b", "tasks.jsonl", ".mfmesos/x", "scratch/c", "n" * 256, "first/x", "evil\x1b[2J/../../x"]
    tasks = [{"command": "echo \x1b[31m > first", "outputs": ["first"]},
             *({"command": "true", "outputs": [name]} for name in bad)]
    text = "".join(json.dumps(one) + "\n" for one in tasks)
    flow.write("tasks.jsonl", text)
    for args in (("--dry-run",), ("--plain", "--keep-going")):
        ended = flow.run(*args, ".")
        assert ended.code == 2, ended.out
        lines = ended.out.splitlines()
        assert [line.split(":")[2] for line in lines[:-1]] == [str(n) for n in range(2, len(bad) + 2)], ended.out
        assert lines[-1] == "mfmesos: nothing was started"
        assert "\x1b" not in ended.out
    assert (flow.folder / "tasks.jsonl").read_text() == text
    flow.write("tasks.jsonl", text.splitlines()[0])
    assert flow.run("--dry-run", ".").out == "1: echo \\x1b[31m > first\n"


@pytest.mark.parametrize("tasks", ["tasks.jsonl", "tasks.info"])
def test_sweep_as_a_task_file(flow, tmp_path, tasks):
    """The same sweep as a plain task file in both formats, run by the batch runner: same final result."""
    plain = copy_example("sweep", tmp_path / "plain" / "sweep")
    plain_makeflow(plain)
    shutil.rmtree(flow.folder)
    copy_example("sweep", flow.folder)
    ended = flow.run(tasks)
    assert ended.code == 0, ended.out + flow.log()
    theirs = Flow(plain, flow.cluster).files()
    mine = flow.files()
    assert {n: mine.get(n) for n in theirs} == theirs


def test_names_with_spaces_and_commas_in_json_lines(flow):
    """JSON lines have no ambiguity: spaces, commas and quotes in names arrive as they are."""
    flow.write("in put, 1.txt", "x\n")
    flow.write("tasks.jsonl", json.dumps({
        "command": "cat 'in put, 1.txt' > \"out 'put'.txt\"", "inputs": ["in put, 1.txt"],
        "outputs": ["out 'put'.txt"]}) + "\n")
    ended = flow.run("tasks.jsonl")
    assert ended.code == 0, ended.out + flow.log()
    assert (flow.folder / "out 'put'.txt").read_text() == "x\n"


def test_a_file_of_many_megabytes_goes_both_ways(flow):
    """Large inputs and outputs are streamed and arrive whole."""
    data = bytes(range(256)) * 4096 * 40
    (flow.folder / "big.in").write_bytes(data)
    flow.write("Makeflow", "big.out: big.in\n\tcat big.in big.in > big.out\n")
    ended = flow.makeflow()
    assert ended.code == 0, ended.out + flow.log()
    assert (flow.folder / "big.out").read_bytes() == data * 2


def test_executables_and_input_folders(flow):
    """An executable input stays executable; a folder as input arrives with all that is in it."""
    flow.write("tool.sh", "#!/bin/sh\nfind data -type f | sort | xargs cat\n", 0o755)
    flow.write("data/a/1", "one\n")
    flow.write("data/2", "two\n")
    flow.write("Makeflow", "res/out.txt: tool.sh data\n\tmkdir -p res && ./tool.sh > res/out.txt\n")
    ended = flow.makeflow()
    assert ended.code == 0, ended.out + flow.log()
    assert (flow.folder / "res/out.txt").read_text() == "two\none\n"


def test_a_folder_as_output(flow):
    """A declared output that is a folder arrives with all that is in it, and is the input of the next task."""
    first = {"command": "mkdir -p d/e && echo 1 > d/e/x && echo 2 > d/y", "outputs": ["d"]}
    second = {"command": "cat d/e/x d/y > o", "inputs": ["d"], "outputs": ["o"]}
    flow.write("tasks.jsonl", f"{json.dumps(first)}\n{json.dumps(second)}\n")
    ended = flow.run("tasks.jsonl")
    assert ended.code == 0, ended.out + flow.log()
    assert (flow.folder / "o").read_text() == "1\n2\n"
    assert (flow.folder / "d" / "e" / "x").read_text() == "1\n"


def test_a_task_that_writes_to_its_input_spoils_nothing(flow):
    """Each task appends to its copy of the shared input; the workflow's own and the other tasks' stay as they are."""
    flow.write("in.txt", "clean\n")
    rules = "".join(f"o{i}: in.txt\n\techo dirt >> in.txt; cat in.txt > o{i}\n\n" for i in range(8))
    flow.write("Makeflow", rules)
    ended = flow.makeflow()
    assert ended.code == 0, ended.out + flow.log()
    assert (flow.folder / "in.txt").read_text() == "clean\n"
    assert all((flow.folder / f"o{i}").read_text() == "clean\ndirt\n" for i in range(8))


def test_an_up_to_date_workflow_runs_nothing_again(flow):
    """A second run finds nothing to do and reports that, and leaves no stale file behind that would harm a third."""
    flow.write("in.txt", "1\n")
    flow.write("Makeflow", "out: in.txt\n\tcat in.txt > out\n")
    for _ in range(3):
        assert flow.makeflow().code == 0
    assert len(flow.report()) == 1
    assert not (flow.folder / "mesos_done").exists()


def test_a_followed_file_after_a_failure(flow):
    """Without --keep-going nothing new is started, but each later task gets its line: nobody waits for it in vain."""
    tasks = flow.write("tasks.jsonl", json.dumps({"command": "exit 3"}) + "\n"
                       + json.dumps({"command": "cat x > y", "inputs": ["x"], "outputs": ["y"]}) + "\n")
    state = flow.folder / "mesos_task_state"
    process = flow.start("run", "--plain", "--master", flow.cluster.master, "--follow", "tasks.jsonl")
    wait_until(lambda: state.exists() and state.read_text() == "1,failed,3\n2,aborted\n", 30, "both lines")
    with tasks.open("a") as f:
        f.write(json.dumps({"command": "echo late > z", "outputs": ["z"]}) + "\n")
        f.write(json.dumps({"id": 9, "command": "true", "memroy": 3}) + "\n")
    wait_until(lambda: {"3,aborted", "9,failed,1"} <= {*state.read_text().splitlines()}, 10, "the later lines")
    flow.write("mesos_done", "finished")
    ended = flow.end(process)
    assert ended.code == 1, ended.out
    assert not (flow.folder / "z").exists()


def test_tasks_of_a_followed_file_are_cancelled(flow):
    """One that waits for another's output, one that runs and one that has ended: a line each, and none runs later."""
    first = [{"command": f"echo 1 > a; sleep 300.{os.getpid()}", "outputs": ["a"]},
             {"command": "cat a > b", "inputs": ["a"], "outputs": ["b"]}, {"command": "echo 3 > c", "outputs": ["c"]},
             {"command": "cat later > d", "inputs": ["later"], "outputs": ["d"]},
             {"command": "echo 5 > e", "outputs": ["e"]}, {"cancel": 5}]
    tasks = flow.write("tasks.jsonl", "".join(json.dumps(task) + "\n" for task in first))
    state = flow.folder / "mesos_task_state"
    process = flow.start("run", "--plain", "-k", "--master", flow.cluster.master, "--follow", "tasks.jsonl")
    wait_until(lambda: (flow.folder / "c").exists() and state.read_text() == "5,aborted\n3,finished\n", 30, "the third")
    with tasks.open("a") as f:
        f.write("".join(json.dumps({"cancel": number}) + "\n" for number in (4, 1, 3)))
    wait_until(lambda: len(state.read_text().splitlines()) == 5, 20, "three more lines")
    flow.write("later", "x")
    flow.write("mesos_done", "finished")
    ended = flow.end(process)
    assert sorted(state.read_text().splitlines()) == ["1,aborted", "2,failed,1", "3,finished", "4,aborted", "5,aborted"]
    assert not (flow.folder / "d").exists()
    assert not (flow.folder / "e").exists()
    ended.line_with("task 2 cannot run: it needs a, which task 1 did not make because it was not run")
    ended.line_with("1 of 2 tasks finished")  # those that nobody cancelled


def test_follow_a_growing_file(flow):
    """--follow: tasks appended while it runs are run; the done file ends it."""
    tasks = flow.write("tasks.jsonl", json.dumps({"command": "echo 1 > a", "outputs": ["a"]}) + "\n")
    process = flow.start("run", "--master", flow.cluster.master, "--follow", "tasks.jsonl")
    wait_until(lambda: (flow.folder / "a").exists(), 30, "the first task")
    with tasks.open("a") as f:
        f.write(json.dumps({"command": "cat a a > b", "inputs": ["a"], "outputs": ["b"]}) + "\n")
    wait_until(lambda: (flow.folder / "b").exists(), 30, "the second task")
    flow.write("mesos_done", "finished")
    ended = flow.end(process)
    assert ended.code == 0, ended.out
    assert (flow.folder / "mesos_task_state").read_text() == "1,finished\n2,finished\n"
