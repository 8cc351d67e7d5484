"""What counts as finished by an earlier run, and the reason that is given for each task that runs again."""
from __future__ import annotations

import gc
import hashlib
import json
import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mfmesos.core.actions import ReportTask
from mfmesos.core.model import MadeTemporary, Resources, SavedTask, StagedInput
from mfmesos.engines.batchfile import Batch
from mfmesos.engines.kept import NotKept, aside
from mfmesos.shared.webrequest import Hope, Version, WebError
from mfmesos.staging import durable
from mfmesos.staging.inputs import CHUNK, InputIndex
from mfmesos.staging.remotes import Remotes
from mfmesos.store.finished import FILE, Finished, FinishedError

SORT = {"command": "sort in > a", "inputs": ["in"], "outputs": ["a"]}
WC = {"command": "wc a > b", "inputs": ["a"], "outputs": ["b"], "env": {"LC_ALL": "C"}}
TREE = {"command": "split a", "inputs": ["a"], "outputs": ["d"]}
LAST = {"command": "cat d/* b > c", "inputs": ["d", "b"], "outputs": ["c"]}
ALL = (SORT, WC, TREE, LAST)
NO_FILES = {"command": "curl example.org"}


class Folder:
    """A workflow's folder, in which tasks are run by writing their outputs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / ".mfmesos"
        self.state.mkdir()
        self.attempts = 0

    def write(self, name: str, text: str, at: float = 1e9) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (at, at))

    def batch(self, *tasks: dict[str, Any], verify: bool = False, **how: Any) -> tuple[
            Batch, list[int], dict[int, str]]:
        """A new run reads the file: the tasks that are done, and why others run again."""
        (self.path / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
        batch = Batch(self.path / "tasks.jsonl", self.path)
        assert batch.read(whole=True) == []
        done, reasons = batch.skip_done(self.state, verify, **how)
        return batch, sorted(done), {i: why for i, why in reasons.items() if why}

    def run(self, *tasks: dict[str, Any], verify: bool = False) -> list[int]:
        """To its end; the tasks that ran."""
        batch, _, _ = self.batch(*tasks, verify=verify)
        batch.earlier.begin()
        ran: list[int] = []
        ready = batch.plan.ready()
        while ready:
            task = ready.pop(0)
            ran.append(task.id)
            self.attempts += 1
            inputs = batch.inputs.stage(task)
            for late in (item for item in inputs if item.late):
                assert list(batch.inputs.late_pieces(late, lambda: 1 << 20))  # it is sent
            batch.earlier.keep_changed(task, batch.plan.read())
            for name in task.outputs:
                self.write(f"{name}/x" if name == "d" else name, f"{task.command}\n", 1e9 + self.attempts)
            batch.earlier.finished(ReportTask(
                task, finished=True, attempt_id=f"{task.id}.ab.{self.attempts}", inputs=inputs))
            ready += batch.plan.finished(task.id)
        batch.earlier.close()
        return ran


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.write("in", "1\n")
    return made


def test_nothing_runs_again(folder: Folder) -> None:
    """Whatever the numbers and the order of lines are."""
    assert folder.run(*ALL) == [1, 2, 3, 4]
    assert folder.batch(*ALL)[1] == [1, 2, 3, 4]
    assert folder.batch(LAST, NO_FILES, TREE, WC, SORT)[1] == [1, 3, 4, 5]
    assert folder.batch(SORT, TREE)[1] == [1, 2]
    assert folder.run(*ALL) == []


def test_what_is_asked_for_does_not_matter(folder: Folder) -> None:
    """Cores, memory, category: a finished task stays finished."""
    folder.run(SORT)
    assert folder.batch({**SORT, "memory": 999, "cores": 2, "category": "big", "wall_time": 9})[1] == [1]


@pytest.mark.parametrize(("edit", "why"), [
    ({"command": "sort -r in > a"}, "command changed"), ({"env": {"LC_ALL": "C"}}, "env changed"),
    ({"inputs": ["in", "more"]}, "inputs listed changed"), ({"outputs": ["a", "e"]}, "outputs listed changed")])
def test_an_edited_line(folder: Folder, edit: dict[str, Any], why: str) -> None:
    """It runs again, and so does all that comes after it; nothing else does."""
    folder.write("more", "")
    folder.run(*ALL, NO_FILES)
    _, done, reasons = folder.batch({**SORT, **edit}, *ALL[1:], NO_FILES)
    assert done == [5]
    assert reasons == {1: why, 2: "a is made again", 3: "a is made again", 4: "d is made again"}


def test_an_edited_input(folder: Folder) -> None:
    """Of the same size as well; with the same content in the end nothing runs."""
    folder.run(*ALL)
    folder.write("in", "2\n", 2e9)
    assert folder.batch(*ALL)[2][1] == "in changed"
    folder.write("in", "1\n", 3e9)
    assert folder.batch(*ALL)[1] == [1, 2, 3, 4]


def test_touch_runs_nothing_again(folder: Folder) -> None:
    """Inputs and small outputs are known by their content; the new time is kept, so that it is looked at once."""
    folder.run(*ALL)
    for name in ("in", "a", "b", "c"):
        os.utime(folder.path / name, (2e9, 2e9))
    assert folder.run(*ALL) == []
    batch, done, _ = folder.batch(*ALL)
    assert done == [1, 2, 3, 4]
    assert not batch.earlier._changed


def test_touch_of_an_input_that_was_hashed_late(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest that was computed while a large input was sent is kept like any other."""
    monkeypatch.setattr("mfmesos.staging.inputs.LEAST_BYTES", 1)
    assert folder.run(*ALL) == [1, 2, 3, 4]
    folder.write("in", (folder.path / "in").read_text(), 2e9)
    assert folder.run(*ALL) == []
    folder.write("in", "other\n", 1e9)
    assert folder.run(*ALL)[0] == 1


def test_a_copy_of_the_folder_runs_nothing_again(folder: Folder, tmp_path: Path) -> None:
    """cp -a: other inodes, the same times."""
    folder.run(*ALL)
    shutil.copytree(folder.path, tmp_path / "copy")
    copy = Batch(tmp_path / "copy" / "tasks.jsonl", tmp_path / "copy")
    copy.read(whole=True)
    assert copy.skip_done(tmp_path / "copy" / ".mfmesos")[0] == {1, 2, 3, 4}


@pytest.mark.parametrize(("ns", "done"), [
    (10**18 + 123_456_700, True), (10**18 + 123_456_000, True), (10**18, True), (10**18 + 10**9, False),
    (10**18 - 10**9, False), (10**18 + 1, False)])
def test_times_that_a_file_server_cuts(folder: Folder, ns: int, done: bool) -> None:
    """An output that is too large to be known by its content, with the time in 100 ns, µs or whole seconds."""
    batch, _, _ = folder.batch(SORT)
    batch.earlier.begin()
    folder.write("a", "x" * 100_000)
    os.utime(folder.path / "a", ns=(5, 10**18 + 123_456_789))
    batch.earlier.finished(ReportTask(batch.tasks[1], finished=True, inputs=batch.inputs.stage(batch.tasks[1])))
    batch.earlier.close()
    os.utime(folder.path / "a", ns=(5, ns))
    assert folder.batch(SORT)[1] == ([1] if done else [])


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def gone(path: Path) -> None:
    path.unlink()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def edited(path: Path) -> None:
    path.write_text("by hand\n")


@pytest.mark.parametrize(("damage", "why"), [
    (emptied, "output a is empty"), (gone, "output a is missing"), (dangling, "output a is missing"),
    (edited, "output a changed")])
def test_an_output_that_is_not_what_was_published(folder: Folder, damage, why: str) -> None:
    """It is made again, and so is what was made of it."""
    folder.run(*ALL)
    damage(folder.path / "a")
    assert folder.batch(*ALL)[2] == {1: why, 2: "a is made again", 3: "a is made again", 4: "d is made again"}


def test_a_folder_that_is_not_what_was_published(folder: Folder) -> None:
    folder.run(*ALL)
    (folder.path / "d" / "x").unlink()
    assert folder.batch(*ALL)[2][3] == "output d is empty"
    folder.write("d/x", "other\n")
    assert folder.batch(*ALL)[2][3] == "output d changed"


def test_what_else_is_in_an_output_folder_is_not_the_tasks(folder: Folder) -> None:
    """A user's notes and another task's output in it may change; what the task made there may not, and is kept alone
    when somebody has changed it."""
    fill = {"command": "fill", "outputs": ["res"]}
    into = {"command": "into", "outputs": ["res/late"]}
    folder.write("res/notes", "mine\n")
    folder.write("res/sub/made", "1\n")
    folder.write("res/x", "2\n")
    batch, _, _ = folder.batch(fill, into)
    batch.earlier.begin()
    batch.earlier.finished(ReportTask(batch.tasks[1], finished=True), {"res": ("sub/made", "x")})
    folder.write("res/late", "3\n")
    batch.earlier.finished(ReportTask(batch.tasks[2], finished=True))
    batch.earlier.close()
    folder.write("res/notes", "more of mine\n", 2e9)
    assert folder.batch(fill, into)[1] == [1, 2]
    folder.write("res/sub/made", "by hand\n", 2e9)
    batch, done, reasons = folder.batch(fill, into)
    assert (done, reasons) == ([2], {1: "output res changed"})
    batch.earlier.keep_changed(batch.tasks[1], ())
    found = {str(p.relative_to(folder.path)) for p in folder.path.glob("res*/**/*") if p.is_file()}
    assert found == {"res/notes", "res/late", "res.before-rerun/sub/made", "res.before-rerun/x"}
    (folder.path / "res" / "x").mkdir()
    assert folder.batch(fill, into)[2] == {1: "output res is empty"}


def test_what_is_not_made_again_goes(folder: Folder) -> None:
    """A task that fills a folder makes fewer files than before: who reads the folder finds no old ones, but the user's
    and another task's."""
    into = {"command": "into", "outputs": ["res/2"]}
    for command, made in (("split in 3", ("1", "2", "sub/3")), ("split in 1", ("1",))):
        fill = {"command": command, "outputs": ["res"]}
        batch, _, _ = folder.batch(fill, into)
        batch.earlier.begin()
        batch.earlier.keep_changed(batch.tasks[1], ())
        for name in (*made, "notes"):
            folder.write(f"res/{name}", "1\n")
        batch.earlier.finished(ReportTask(batch.tasks[1], finished=True), {"res": made})
        folder.write("res/2", "of the other\n")
        batch.earlier.finished(ReportTask(batch.tasks[2], finished=True))
        batch.earlier.close()
    assert sorted(p.name for p in (folder.path / "res").rglob("*") if p.is_file()) == ["1", "2", "notes"]


def test_what_a_large_folder_has_is_not_taken_for_old(folder: Folder) -> None:
    """Of very many files only the first level is on record: what lies below it was made this time. An empty folder is
    a whole one, and nothing behind a link that leads out is touched."""
    fill = {"command": "fill", "outputs": ["res"]}
    out = folder.path.with_name("elsewhere")
    out.mkdir()
    (out / "x").write_text("the user's\n")

    def made(members: tuple[str, ...], command: str) -> list[str]:
        batch, _, _ = folder.batch({**fill, "command": command})
        batch.earlier.begin()
        batch.earlier.keep_changed(batch.tasks[1], ())
        batch.earlier.finished(ReportTask(batch.tasks[1], finished=True), {"res": members})
        batch.earlier.close()
        return sorted(str(p.relative_to(folder.path)) for p in (folder.path / "res").rglob("*") if p.is_file())

    for name in ("res/a", "res/sub/1", "res/sub/2"):
        folder.write(name, "1\n")
    made(("a", "sub/1", "sub/2"), "fill few")
    assert made(("a", "sub"), "fill many") == ["res/a", "res/sub/1", "res/sub/2"]
    assert made((), "fill none") == ["res/sub/1", "res/sub/2"]
    folder.write("res/notes", "the user's\n")
    assert folder.batch({**fill, "command": "fill none"})[1] == [1]
    folder.write("res/link/x", "1\n")
    made(("link/x",), "fill link")
    shutil.rmtree(folder.path / "res" / "link")
    (folder.path / "res" / "link").symlink_to(out)
    made((), "fill none")
    assert (out / "x").read_text() == "the user's\n"
    assert not (folder.path / "res.before-rerun" / "link" / "x").exists()


def test_what_cannot_be_kept_is_not_overwritten(folder: Folder) -> None:
    """No name for the copy (too long): the task is not to run, and the line names the cure."""
    name = "n" * 250
    task = {"command": "make", "outputs": [name]}
    batch, _, _ = folder.batch(task)
    batch.earlier.begin()
    folder.write(name, "1\n")
    batch.earlier.finished(ReportTask(batch.tasks[1], finished=True))
    batch.earlier.close()
    folder.write(name, "by hand\n", 2e9)
    batch, _, _ = folder.batch(task)
    with pytest.raises(NotKept, match=r"cannot be kept as .*too long\); move it away or delete it"):
        batch.earlier.keep_changed(batch.tasks[1], ())
    assert (folder.path / name).read_text() == "by hand\n"


def filled(folder: Folder, task: dict[str, Any], *names: str) -> None:
    """The task runs and makes these in its folder `res`."""
    batch, _, _ = folder.batch(task)
    batch.earlier.begin()
    for name in names:
        folder.write(f"res/{name}", f"{name}\n")
    batch.earlier.finished(ReportTask(batch.tasks[1], finished=True), {"res": names})
    batch.earlier.close()


def test_touch_in_a_small_folder_runs_nothing_again(folder: Folder) -> None:
    """Its content decides, as for small files."""
    task = {"command": "split", "outputs": ["res"]}
    filled(folder, task, "1", "sub/2")
    os.utime(folder.path / "res" / "sub" / "2", (2e9, 2e9))
    assert folder.batch(task)[1] == [1]
    folder.write("res/1", "x\n", 2e9)
    assert folder.batch(task)[2] == {1: "output res changed"}


def test_a_file_in_place_of_a_folder_is_kept(folder: Folder) -> None:
    """The user's own, where a task had made a folder."""
    task = {"command": "split", "outputs": ["res"]}
    filled(folder, task, "1")
    shutil.rmtree(folder.path / "res")
    folder.write("res", "by hand\n", 2e9)
    batch, _, reasons = folder.batch(task)
    assert reasons == {1: "output res changed"}
    batch.earlier.keep_changed(batch.tasks[1], ())
    assert (folder.path / "res.before-rerun").read_text() == "by hand\n"


@pytest.mark.parametrize("damaged", [False, True])
def test_verify_of_a_folder(folder: Folder, damaged: bool) -> None:
    """What the task made in it is compared by content."""
    fill = {"command": "fill", "outputs": ["res"]}
    folder.write("res/x", "1\n")
    batch, _, _ = folder.batch(fill, verify=True)
    batch.earlier.begin()
    batch.earlier.finished(ReportTask(batch.tasks[1], finished=True), {"res": ("x",)})
    batch.earlier.close()
    folder.write("res/notes", "mine\n", 2e9)
    folder.write("res/x", "2\n" if damaged else "1\n")
    assert folder.batch(fill, verify=True)[1] == ([] if damaged else [1])
    assert folder.batch(fill)[1] == [1]


def test_an_output_that_was_empty_from_the_start(folder: Folder) -> None:
    """It is what was published."""
    batch, _, _ = folder.batch(SORT)
    batch.earlier.begin()
    folder.write("a", "")
    batch.earlier.finished(ReportTask(batch.tasks[1], finished=True, inputs=batch.inputs.stage(batch.tasks[1])))
    batch.earlier.close()
    assert folder.batch(SORT)[1] == [1]


def test_edits_back_and_forth(folder: Folder) -> None:
    """The file that another command has overwritten is not what the first one made."""
    folder.run(SORT)
    other = {**SORT, "command": "sort -r in > a"}
    assert folder.run(other) == [1]
    assert folder.batch(SORT)[2] == {1: "command changed"}


def test_tasks_that_read_alike_and_make_no_files(folder: Folder) -> None:
    """As many are done as have finished."""
    folder.run(NO_FILES, NO_FILES)
    assert folder.batch(NO_FILES, NO_FILES, NO_FILES)[1] == [1, 2]
    assert folder.run(NO_FILES, NO_FILES, NO_FILES) == [3]
    assert folder.batch(*[NO_FILES] * 4)[1] == [1, 2, 3]


def test_what_finished_is_not_resumed_too(folder: Folder) -> None:
    """The scheduler died between recording the end and forgetting the attempt: of two alike tasks, one is done."""
    from test_batch_engine import saved

    folder.run(NO_FILES)
    batch, done, _ = folder.batch(NO_FILES, NO_FILES)
    assert done == [1]
    (attempt,) = batch.earlier.attempts
    old = saved(folder, batch)[:1]  # type: ignore[arg-type]
    assert f"{old[0].stem}.{old[0].attempts}" == attempt
    assert batch.still_wanted(old) == []


def test_verify(folder: Folder) -> None:
    """Content that changed without its size and time is found with --verify alone, large outputs too when the run
    that made them had it."""
    folder.run(SORT, verify=True)
    folder.write("a", "SORT IN > A\n", (folder.path / "a").stat().st_mtime)
    assert folder.batch(SORT)[1] == [1]
    assert folder.batch(SORT, verify=True)[2] == {1: "output a changed"}


def test_what_somebody_changed_is_kept(folder: Folder) -> None:
    """Beside the output, one line for each; not what is empty, or what a task made; under a name that is free."""
    folder.run(*ALL)
    batch, _, _ = folder.batch(*ALL)
    folder.write("a", "by hand\n", 2e9)
    emptied(folder.path / "b")
    for task in batch.tasks.values():
        lines = batch.earlier.keep_changed(task, batch.plan.read())
        assert lines == (["a has changed since a task made it; it is kept as a.before-rerun, and the task runs again"]
                         if task.id == 1 else [])
    assert (folder.path / "a.before-rerun").read_text() == "by hand\n"
    folder.write("a", "again\n", 2e9)
    batch.earlier.keep_changed(batch.tasks[1], ())
    assert (folder.path / "a.before-rerun.2").read_text() == "again\n"


def test_records_that_are_written_take_no_memory(folder: Folder) -> None:
    """A run of 100,000 tasks keeps no record of what has finished, and still keeps what somebody changes."""
    before = records_in_memory()
    batch, _, _ = folder.batch(SORT)
    batch.earlier.begin()
    task = batch.tasks[1]
    folder.write("a", "made\n")
    batch.earlier.finished(ReportTask(task, finished=True, attempt_id="1.ab.1", inputs=batch.inputs.stage(task)))
    assert records_in_memory() == before + 1
    batch.earlier.commit()
    assert records_in_memory() == before
    assert batch.earlier.keep_changed(task, ()) == []
    folder.write("a", "by hand\n", 2e9)
    assert len(batch.earlier.keep_changed(task, ())) == 1
    assert (folder.path / "a.before-rerun").read_text() == "by hand\n"
    batch.earlier.close()


def records_in_memory() -> int:
    gc.collect()
    return sum(isinstance(one, Finished) for one in gc.get_objects())


def test_nothing_is_kept_in_a_folder_that_tasks_read() -> None:
    """They would take it for one of their inputs."""
    assert aside("d/e/x", {"d"}) == "d.before-rerun/e/x"
    assert aside("d/e/x", {"d/e"}) == "d/e.before-rerun/x"
    assert aside("d/e/x", {"f"}) == "d/e/x.before-rerun"


def test_a_folder_of_an_older_mfmesos(folder: Folder) -> None:
    """What it reported as finished with the same number and command counts, once; from then on as everything else."""
    report = [{"task": n, "command": t["command"], "finished": True} for n, t in enumerate(ALL, 1)]
    (folder.state / "report.jsonl").write_text("".join(json.dumps(r) + "\n" for r in report))
    (folder.path / "mesos_task_state").write_text("1,finished\n2,finished\n3,failed,1\n")
    folder.write("a", "1\n")
    folder.write("b", "1\n")
    assert folder.batch(*ALL)[1] == [1, 2]
    assert not (folder.state / FILE).exists()
    batch, _, _ = folder.batch(*ALL)
    batch.earlier.begin()
    batch.earlier.close()
    (folder.path / "mesos_task_state").unlink()
    assert folder.batch(*reversed(ALL))[1] == [3, 4]
    folder.write("in", "2\n", 2e9)
    assert folder.batch(*ALL)[2] == {1: "in changed", 2: "a is made again"}


def test_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files, all in a folder, and each folder that holds a name, once; a link and what is gone are left out."""
    for name in ("a", "sub/b", "d/e/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "link").symlink_to("a")
    forced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: forced.append(os.readlink(f"/proc/self/fd/{fd}")))
    durable.force(tmp_path, ["a", "sub/b", "d", "link", "gone"])
    assert sorted(forced) == sorted(str(tmp_path / name) for name in ("", "a", "d", "d/e", "d/e/c", "sub", "sub/b"))


def test_its_file(folder: Folder) -> None:
    """For its owner alone, without the words of commands and variables; a damaged one is refused."""
    folder.run({**SORT, "env": {"TOKEN": "secret-word"}})
    path = folder.state / FILE
    assert path.stat().st_mode & 0o777 == 0o600
    rows = str(sqlite3.connect(path).execute("SELECT * FROM finished").fetchall())
    assert "secret-word" not in rows
    assert "sort" not in rows
    path.write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(FinishedError, match="move it away"):
        folder.batch(SORT)


# --- inputs on web servers ------------------------------------------------------------------------
class Servers:
    """In place of the web servers: each URL's version; a text is a failure."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.versions: dict[str, Version | str] = {}
        self.asked: list[str] = []
        monkeypatch.setattr(Remotes.__init__, "__defaults__", (self.ask, *(Remotes.__init__.__defaults__ or ())[1:]))

    def ask(self, url: str) -> Version:
        self.asked.append(url)
        found = self.versions[url]
        if isinstance(found, str):
            raise WebError(found, Hope.NOWHERE, 404)
        return found


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Servers:
    return Servers(monkeypatch)


URL = "https://u:pw@h/g?k"
V1 = Version('"1"', 3)


def with_url(url: str = URL, sha256: str | None = None) -> dict[str, Any]:
    item = {"name": "g", "url": url, **({"sha256": sha256} if sha256 else {})}
    return {"command": "wc in g > o", "inputs": ["in", item], "outputs": ["o"]}


def test_a_file_on_a_web_server(folder: Folder, servers: Servers) -> None:
    """Done while ETag and size are the same, whoever asks; a change of either makes it run again, once."""
    servers.versions[URL] = V1
    assert folder.run(with_url()) == [1]
    assert folder.batch(with_url())[1] == [1]
    assert servers.asked == [URL] * 2
    other = URL.replace("pw", "new")
    servers.versions[other] = V1
    assert folder.batch(with_url(other))[1] == [1]
    for changed in (Version('"2"', 3), Version('"1"', 4)):
        servers.versions[URL] = changed
        assert folder.batch(with_url())[2] == {1: "g changed"}
    assert folder.run(with_url()) == [1]
    assert folder.batch(with_url())[1] == [1]


def test_another_url(folder: Folder, servers: Servers) -> None:
    """The same version of another URL is another file."""
    servers.versions = {URL: V1, URL + "2": V1}
    folder.run(with_url())
    assert folder.batch(with_url(URL + "2"))[2] == {1: "g changed"}


def test_a_pinned_file(folder: Folder, servers: Servers) -> None:
    """With a sha256 the server is not asked, and the URL does not matter; the first sha256 makes it run again."""
    assert folder.run(with_url(sha256="ab" * 32)) == [1]
    assert folder.batch(with_url("http://mirror/g", "ab" * 32))[1] == [1]
    assert folder.batch(with_url(sha256="cd" * 32))[2] == {1: "g changed"}
    assert servers.asked == []
    servers.versions[URL] = V1
    assert folder.batch(with_url())[2] == {1: "g changed"}
    folder.run(with_url())
    assert folder.batch(with_url(sha256="ab" * 32))[2] == {1: "g changed"}


def test_a_server_that_cannot_be_asked(folder: Folder, servers: Servers) -> None:
    """Its tasks stay done, and one line names the input; a change of anything else still counts."""
    second = {**with_url(), "command": "cat g > p", "inputs": with_url()["inputs"][1:], "outputs": ["p"]}
    servers.versions[URL] = V1
    folder.run(with_url(), second)
    servers.versions[URL] = "https://h/g?...: HTTP 404 (Not Found)"
    batch, done, _ = folder.batch(with_url(), second)
    assert done == [1, 2]
    assert batch.earlier.unchecked() == [
        "input g was not compared with its web server (https://h/g?...: HTTP 404 (Not Found)); its finished tasks stay "
        "done"]
    assert batch.earlier.unchecked() == []
    folder.write("in", "2\n", 2e9)
    assert folder.batch(with_url(), second)[2] == {1: "in changed"}


def test_only_what_may_be_done_is_asked(folder: Folder, servers: Servers) -> None:
    """A task that never finished asks no server before it starts."""
    servers.versions = {URL: V1}
    folder.run(with_url())
    servers.asked.clear()
    folder.batch(with_url(), {"command": "x", "inputs": [{"name": "y", "url": "http://nobody/"}], "outputs": ["y2"]})
    assert servers.asked == [URL]


def test_a_url_is_no_secret_of_the_records(folder: Folder, servers: Servers) -> None:
    """run.sqlite, which stays, holds neither password nor query."""
    servers.versions[URL] = V1
    folder.run(with_url())
    raw = (folder.state / FILE).read_bytes()
    assert b"pw@" not in raw
    assert b"h/g" not in raw


def test_a_file_that_moved_to_a_web_server(folder: Folder, servers: Servers) -> None:
    """With the same sha256 it is the same file."""
    task = with_url(sha256=hashlib.sha256(b"1\n").hexdigest())
    folder.write("g", "1\n")
    folder.run({**task, "inputs": ["in", "g"]})
    assert folder.batch(task)[1] == [1]
    folder.run(task)
    assert folder.batch({**task, "inputs": ["in", "g"]})[1] == [1]


# --- files in shared folders ----------------------------------------------------------------------
def test_large_inputs_in_place_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Size and time decide: the same, done, even if the file was young; another time alone, it runs again. Absolute
    outputs count like others."""
    (tmp_path / "wf").mkdir()
    folder = Folder(tmp_path / "wf")
    (tmp_path / "res").mkdir()
    big = tmp_path / "big"
    big.write_bytes(b"x" * (CHUNK + 1))
    task = {"command": "cat", "inputs": [str(big)], "outputs": ["o", str(tmp_path / "res/p")]}
    hashed: list[str] = []
    hash_file = InputIndex._hash
    monkeypatch.setattr(InputIndex, "_hash", lambda self, path: hashed.append(path) or hash_file(self, path))

    def batch() -> tuple[list[int], dict[int, str]]:
        (folder.path / "tasks.jsonl").write_text(json.dumps(task) + "\n")
        made = Batch(folder.path / "tasks.jsonl", folder.path, [str(tmp_path)])
        assert made.read(whole=True) == []
        done, reasons = made.skip_done(folder.state)
        if not done:
            made.earlier.begin()
            (one,) = made.plan.ready()
            (folder.path / "o").write_text("1")
            (tmp_path / "res/p").write_text("2")
            made.earlier.keep_changed(one, made.plan.read())
            made.earlier.finished(ReportTask(one, finished=True, attempt_id="1", inputs=made.inputs.stage(one)))
            made.earlier.close()
        return sorted(done), {i: why for i, why in reasons.items() if why}

    assert batch() == ([], {})
    assert batch() == ([1], {})
    os.utime(big, (1e9, 1e9))
    assert batch() == ([], {1: f"{big} changed"})
    (tmp_path / "res/p").write_text("other")
    assert batch() == ([], {1: f"output {tmp_path}/res/p changed"})
    assert not list(tmp_path.rglob("*.before-rerun"))
    (tmp_path / "res/p").unlink()
    assert batch() == ([], {1: f"output {tmp_path}/res/p is missing"})
    assert str(big) not in hashed


def test_the_copies_of_what_was_made_again_are_known(folder: Folder) -> None:
    """The maker of a temporary output had finished twice, since its first copy was lost; the report has its first end
    alone. The next scheduler knows where the second copy is, and its task does not run a third time.
    """
    make = {"command": "sort in > t", "inputs": ["in"], "outputs": [{"name": "t", "temporary": True}]}
    read = {"command": "wc t > b", "inputs": ["t"], "outputs": ["b"]}
    folder.run(make)
    (folder.path / "t").unlink()
    batch, done, _ = folder.batch(make, read)
    assert done == [1]
    made = MadeTemporary(StagedInput("t", "0" * 64, 2, 0o644, temporary=True), {"c": "1.ab.2"})
    inputs = batch.inputs.stage(batch.tasks[1])
    once = SavedTask(batch.tasks[1], inputs, 1, "", 1, "c", Resources(1, 1, 1), stem="1.ab")
    again = replace(once, finished=True, attempts=2, remakes=1, made=(made,))
    assert [(one.finished, one.made) for one in batch.still_wanted([again])] == [(True, (made,))]


@pytest.mark.parametrize(("text", "expected"), [
    ("1", {1: "--rerun", 2: "a is made again", 3: "a is made again", 4: "d is made again"}),
    ("b", {2: "--rerun", 4: "b is made again"}), ("split", {3: "--rerun", 4: "d is made again"}),
    ("all", dict.fromkeys((1, 2, 3, 4), "--rerun"))])
def test_finished_tasks_run_again_at_will(folder, text, expected):
    """By number, output or a part of the command, with what reads their outputs."""
    folder.write("in", "x")
    assert folder.run(*ALL) == [1, 2, 3, 4]
    _, done, reasons = folder.batch(*ALL, rerun=[text])
    assert (done, reasons) == (sorted({1, 2, 3, 4} - expected.keys()), expected)


def test_no_task_that_could_run_again(folder):
    """One line, and nothing starts."""
    folder.write("in", "x")
    with pytest.raises(FinishedError, match="no task 'nothing'"):
        folder.batch(*ALL, rerun=["nothing"])


def test_what_is_stale_may_be_kept(folder):
    """A changed input makes nothing run again then, a missing output does, alone; the next run without the option
    notices all of it."""
    folder.write("in", "x")
    folder.run(*ALL)
    folder.write("in", "y", 2e9)
    assert folder.batch(*ALL, keep_stale=True)[1:] == ([1, 2, 3, 4], {})
    (folder.path / "a").unlink()
    assert folder.batch(*ALL, keep_stale=True)[1:] == ([2, 3, 4], {1: "output a is missing"})
    assert folder.batch(*ALL)[1] == []
