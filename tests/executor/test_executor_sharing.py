"""Inputs that several sandboxes link: real files, real leases, real writers. Whatever a task does to its input, every
result is what it would be with copies."""
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from executor_fakes import FakeStaging, Running, contents, run
from mfmesos_executor import files, leases
from mfmesos_executor.placing import LEAST_LINKED, Placer
from mfmesos_executor.shared import LOST_S, Links, Shared, possible_in
from support import need, wait_until

from mfmesos.shared import wire

BIG = bytes(range(256)) * 1024  # 256 KiB
OTHER = 65534


@pytest.fixture(params=["disk", "memory", "another user"])
def executor(request, staging, tmp_path):
    """An executor in a folder on disk, on tmpfs, or of a user who is not root."""
    if request.param == "disk":
        one = Running(_made(tmp_path / "sandbox"), staging)
        yield one
        one.close()
        return
    other = request.param == "another user"
    need(not other or os.geteuid() == 0, "a process cannot change its user", "run the tests as root")
    folder = Path(tempfile.mkdtemp(dir=None if other else "/dev/shm"))
    try:
        python = {}
        if other:
            wrapper = folder / "python"
            wrapper.write_text(f'#!/bin/sh\nexec setpriv --reuid={OTHER} --regid={OTHER} --clear-groups '
                               f'{shutil.which("python3", path="/usr/bin:/bin")} "$@"\n')
            wrapper.chmod(0o755)
            folder.chmod(0o755)
            python = {"python": str(wrapper)}
        sandbox = _made(folder / "sandbox")
        if other:
            os.chown(sandbox, OTHER, OTHER)
        one = Running(sandbox, staging, **python)
        yield one
        one.close()
    finally:
        shutil.rmtree(folder)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def big(staging: FakeStaging, name: str = "big", **kw: object) -> wire.Input:
    item = staging.add(name, BIG, **kw)
    item.mtime_ns = 1_600_000_000_123456789
    return item


def inode(executor: Running, attempt_glob: str = "tasks/*/work/big") -> set[int]:
    return {path.stat().st_ino for path in executor.folder.glob(f".mfmesos/*/{attempt_glob}")}


READER = "sha256sum big > a; touch {ready}; while [ ! -e {go} ]; do sleep 0.02; done; sha256sum big > b; cmp a b && " \
         "stat -c '%a %Y' big >> b"


class Reader:
    """An attempt that reads its input before and after something happens."""

    def __init__(self, executor: Running, staging: FakeStaging, folder: Path, item: wire.Input | None = None,
                 name: str = "1.1", command: str = READER) -> None:
        self.staging, self.name = staging, name
        folder = executor.folder.parent / "signals"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        self.ready, self.go = folder / f"ready{name}", folder / f"go{name}"
        staging.run(run(name, command.format(ready=self.ready, go=self.go), [item or big(staging)], ["b"]))
        wait_until(self.ready.exists, what="the reader")

    def end(self) -> wire.Result:
        self.go.touch()
        return self.staging.wait(self.name)[0]


PYTHON = "python3 -c '{}'"
HELD = {
    "append": "echo x >> big",
    "empty by the shell": ": > big",
    "empty without waiting": "truncate -s 3 big",
    "truncate by name": PYTHON.format('import os; os.truncate("big", 3)'),
    "edit in place": PYTHON.format('f = open("big", "r+b"); f.write(b"changed"); f.close()'),
    "write over by cp": "echo other > o; cp o big",
    "map and write": PYTHON.format('import mmap; f = open("big", "r+b"); mmap.mmap(f.fileno(), 0)[0:4] = b"ABCD"'),
    "a child in another session": "setsid sh -c 'echo x >> big' & wait",
    "without noticing": "truncate -s 3 big || true; sleep 60",
}
"""What a lease holds before it has changed anything."""


@pytest.mark.parametrize("command", HELD.values(), ids=HELD.keys())
def test_a_writer_is_ended_and_its_neighbour_is_not(executor, staging, tmp_path, command):
    """Two attempts link one input. One writes to it: it ends as broken, names the input, and runs with copies as it
    would alone. The other reads unchanged content throughout, and finishes."""
    reader = Reader(executor, staging, tmp_path)
    inodes = inode(executor)
    staging.run(run("2.1", f"{command}; cat big > out", [big(staging)], ["out"]))
    (result,) = staging.wait("2.1")
    assert (result.outcome, result.wrote_input) == ("broken", "big"), result
    assert "was changed while it ran" in result.reason
    assert len(inodes) == 1
    assert inode(executor, "cache/*") == inodes
    ended = reader.end()
    if command.startswith("truncate"):  # it does not wait, so nobody knows who it was
        assert (ended.outcome, ended.wrote_input) in (("broken", "big"), ("finished", ""))
    else:
        assert ended.outcome == "finished", ended.reason
        assert b"644 1600000000" in contents(ended)["b"]
    staging.run(run("2.2", f"{command.replace('60', '0')}; cat big > out", [big(staging)], ["out"], copies=True))
    (result,) = staging.wait("2.2")
    assert result.outcome == "finished", result.reason
    assert inode(executor, "cache/*") == inodes
    assert staging.gets == [big(staging).digest]


PASSES = {
    "chmod": "chmod 600 big",
    "touch": "touch big",
    "a time in the past": "touch -d 2001-01-01 big",
}
"""What no lease holds, and comparing finds."""


@pytest.mark.parametrize("command", PASSES.values(), ids=PASSES.keys())
def test_a_change_that_passes_spoils_the_file(executor, staging, tmp_path, command):
    """Whoever has it linked runs again with copies, whether it ends later or is ended for that; the file is fetched
    again, and the next attempt finds it as it was."""
    reader = Reader(executor, staging, tmp_path)
    staging.run(run("2.1", f"{command}; cat big > out", [big(staging)], ["out"]))
    (result,) = staging.wait("2.1")
    assert (result.outcome, result.wrote_input) == ("broken", "big"), result
    ended = reader.end()
    assert (ended.outcome, ended.wrote_input) == ("broken", "big")
    staging.run(run("3.1", "stat -c '%a %Y' big; sha256sum big", [big(staging)]))
    (result,) = staging.wait("3.1")
    assert result.outcome == "finished"
    assert result.stdout.startswith("644 1600000000\n" + big(staging).digest)
    assert len(staging.gets) == 2


HARMLESS = {
    "edit by renaming": "sed -i s/A/B/g big",
    "remove": "rm big; echo x > big",
    "rename": "mv big big2",
    "read": "cat big > /dev/null",
    "link": "ln big big2; ln -s big big3",
    "map and read": PYTHON.format('import mmap; f = open("big", "rb"); mmap.mmap(f.fileno(), 0, access=1)[5]'),
}


@pytest.mark.parametrize("command", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_changes_the_name_alone_is_harmless(executor, staging, tmp_path, command):
    """The attempt finishes, and so does its neighbour."""
    reader = Reader(executor, staging, tmp_path)
    staging.run(run("2.1", command, [big(staging)]))
    (result,) = staging.wait("2.1")
    assert result.outcome == "finished", result.reason
    assert reader.end().outcome == "finished"
    assert len(staging.gets) == 1


def test_a_child_left_behind_writes_to_nothing_that_counts(executor, staging, tmp_path):
    """The command ends at once and leaves a process that would write later: it is dead before the comparison, and its
    attempt and the neighbour finish."""
    reader = Reader(executor, staging, tmp_path)
    staging.run(run("2.1", "setsid sh -c 'sleep 5 && echo x >> big' > /dev/null 2>&1 & sleep 0.1; echo done > out",
                    [big(staging)], ["out"]))
    assert staging.wait("2.1")[0].outcome == "finished"
    assert reader.end().outcome == "finished"
    assert len(staging.gets) == 1


# --- what is linked -----------------------------------------------------------------------------
@pytest.fixture
def plain(start):
    return start()


def test_twenty_attempts_of_one_input_copy_nothing(plain, staging):
    """One inode for all of them; each is charged with its bytes, and the cache with them once."""
    staging.run(*(run(f"{n}.1", "sleep 0.5; stat -c %i big > out", [big(staging)], ["out"], cores=0.1, memory_mb=10.0,
                      disk_mb=10.0) for n in range(20)))
    results = staging.wait(*(f"{n}.1" for n in range(20)))
    assert len({contents(r)["out"] for r in results}) == 1
    assert all(0.25 <= r.usage.disk_mb < 0.4 for r in results)
    assert max(s.disk_mb for s in staging.syncs) < 1.0


def test_the_claims_guard_counts_a_shared_input_once(start, staging):
    """Twelve attempts link an input, which would not fit twelve times into the claim's disk: none is ended for that."""
    start(disk_mb=2.0)
    staging.run(*(run(f"{n}.1", "sleep 2.5", [big(staging)], cores=0.1, memory_mb=10.0, disk_mb=0.1)
                  for n in range(12)))
    results = staging.wait(*(f"{n}.1" for n in range(12)))
    assert {r.outcome for r in results} == {"finished"}, results
    assert sum(r.usage.disk_mb for r in results) > 3.0


@pytest.mark.parametrize("copies", [False, True])
def test_a_cached_file_that_somebody_changed_is_fetched_again(plain, staging, copies):
    """Before it is linked, and after it was copied, it is compared."""
    staging.run(run("1.1", "cat big > /dev/null", [big(staging)]))
    staging.wait("1.1")
    (cached,) = plain.folder.glob(".mfmesos/*/cache/[0-9]*")
    cached.write_bytes(b"x" * len(BIG))
    staging.run(run("2.1", "sha256sum big", [big(staging)], copies=copies))
    (result,) = staging.wait("2.1")
    assert result.stdout.startswith(big(staging).digest)
    assert len(staging.gets) == 2


def test_what_is_not_linked(plain, staging, tmp_path):
    """Small files, inputs that are outputs as well or lie in an output's folder, other modes or times than the cached
    file's, and everything of an attempt that asks for copies."""
    reader = Reader(plain, staging, tmp_path)
    (number,) = inode(plain)
    other_mode, other_time = big(staging, mode=0o600), big(staging)
    other_time.mtime_ns += 1
    cases = {
        "2.1": run("2.1", "", [big(staging)], ["big"]), "2.2": run("2.2", "", [big(staging, "d/big")], ["d"]),
        "2.3": run("2.3", "", [other_mode]), "2.4": run("2.4", "", [other_time]),
        "2.5": run("2.5", "", [big(staging)], copies=True),
    }
    for name, case in cases.items():
        case.command = f"stat -c '%i %a %.9Y' {case.inputs[0].name}; sha256sum {case.inputs[0].name}"
        staging.run(case)
        (result,) = staging.wait(name)
        assert result.outcome == "finished", result.reason
        assert not result.stdout.startswith(f"{number} "), name
        assert case.inputs[0].digest in result.stdout
        item = case.inputs[0]
        assert f" {item.mode:o} {item.mtime_ns // 10**9}.{item.mtime_ns % 10**9:09}" in result.stdout
    assert reader.end().outcome == "finished"
    assert len(staging.gets) == 1


def test_a_program_that_another_attempt_runs(plain, staging):
    """Linux refuses to write to a program that runs. With a copy the write would succeed: so the attempt runs again."""
    program = staging.add("prog", Path("/bin/sleep").read_bytes() + bytes(LEAST_LINKED), 0o755)
    staging.run(run("1.1", "./prog 60", [program]))
    wait_until(lambda: inode(plain, "tasks/*/work/prog"), what="the program")
    staging.run(run("2.1", "sleep 0.3; echo x >> prog", [program]))
    (result,) = staging.wait("2.1")
    assert (result.outcome, result.wrote_input) == ("broken", "prog"), result
    staging.run(run("2.2", "echo x >> prog", [program], copies=True))
    assert staging.wait("2.2")[0].outcome == "finished"
    staging.kill("1.1")
    assert staging.wait("1.1")[0].outcome == "killed"


# --- folders ------------------------------------------------------------------------------------
@pytest.fixture
def tree(tmp_path):
    """A folder of 300 small files, a large one, a subfolder and a link."""
    folder = tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    for n in range(300):
        (folder / "sub" / f"f{n}").write_text(f"file {n}")
        os.utime(folder / "sub" / f"f{n}", (1e9, 1e9))
    (folder / "big").write_bytes(BIG)
    (folder / "sub" / "link").symlink_to("f1")
    (folder / "sub" / "f2").chmod(0o755)
    return folder


LISTED = "(cd d && find . ! -type l -printf '%p %m %y %T@\\n' | sort; readlink sub/link; " \
         "cat big sub/f* | sha256sum) > out"


def test_a_folder_is_linked_and_is_as_a_copy_would_be(plain, staging, tree):
    """Names, modes, times, links and content are the same as with copies; the files are the cached ones."""
    item = staging.add_dir("d", tree)
    staging.run(run("1.1", f"{LISTED}; stat -c %h d/sub/f1 >> out; sleep 0.3", [item], ["out"]))
    staging.run(run("2.1", f"{LISTED}; stat -c %h d/sub/f1 >> out", [item], ["out"], copies=True))
    linked, copied = (contents(r)["out"].decode().splitlines() for r in staging.wait("1.1", "2.1"))
    assert linked[:-1] == copied[:-1]
    assert len(linked) > 300
    assert linked[-1] != "1"
    assert copied[-1] == "1"


@pytest.mark.parametrize("command", ["echo x >> d/sub/f7", "chmod 600 d/sub/f7", ": > d/big"])
def test_a_change_in_a_folder_spoils_it(plain, staging, tree, command):
    """Its members are not leased, there are too many: comparing finds the change and ends whoever has the folder, long
    before it would end by itself; both run again with copies."""
    item = staging.add_dir("d", tree)
    staging.run(run("1.1", "sleep 60", [item]), run("2.1", f"{command}; sleep 60", [item]))
    for result in staging.wait("1.1", "2.1"):
        assert (result.outcome, result.wrote_input) == ("broken", "d")
    staging.run(run("3.1", LISTED, [item], ["out"]), run("3.2", f"{command}; {LISTED}", [item], ["out"], copies=True))
    first, second = staging.wait("3.1", "3.2")
    assert (first.outcome, second.outcome) == ("finished", "finished")
    assert contents(first) != contents(second)
    assert len(staging.gets) == 2


def test_a_folder_with_an_output_in_it(plain, staging, tree):
    """The member that the task declares as an output is its own; the others are linked."""
    item = staging.add_dir("d", tree)
    staging.run(run("1.1", "sleep 60", [item]))
    staging.run(run("2.1", "echo x >> d/sub/f7; stat -c %h d/sub/f7 d/sub/f8", [item], ["d/sub/f7"]))
    (result,) = staging.wait("2.1")
    assert result.outcome == "finished", result.reason
    own, linked = result.stdout.split()
    assert own == "1"
    assert int(linked) > 1
    assert contents(result)["d/sub/f7"] == b"file 7x\n"


# --- the parts alone ----------------------------------------------------------------------------
class User:
    """An attempt without processes."""

    def __init__(self) -> None:
        self.changed: list[str] = []

    def processes(self):
        return set()

    def input_changed(self, name: str) -> None:
        self.changed.append(name)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cached(tmp_path):
    (tmp_path / "cache").mkdir()
    path = tmp_path / "cache" / "1"
    path.write_bytes(BIG)
    path.chmod(0o644)
    return Shared(str(path))


def item_of(cached: Shared, size: int = len(BIG)) -> wire.Input:
    return wire.Input("big", "0" * 64, size, 0o644)


def placer_of(tmp_path, **kw) -> Placer:
    return Placer(Links(str(tmp_path / "cache"), **kw))


def test_where_leases_do_not_hold_nothing_is_linked(cached, tmp_path):
    """Found by trying, at the start; then attempts get copies."""
    placer = placer_of(tmp_path, possible=lambda folder: False)
    assert not placer.link(cached, item_of(cached), str(tmp_path / "t"), User())
    assert not (tmp_path / "t").exists()


LOCKS = """\
1: LEASE  BREAKING  UNLCK 7267 fe:00:215 0 EOF
1: -> LEASE  BREAKER   WRITE 7334 <none>:0 0 EOF
1:  -> LEASE  BREAKER   WRITE 7335 <none>:0 0 EOF
2: POSIX  ADVISORY  READ 5433 08:01:216 128 128
2: -> FLOCK  ADVISORY  WRITE 29117 fe:00:215 0 EOF
3: LEASE  ACTIVE    READ 7267 fe:00:217 0 EOF
"""


def test_who_waits_for_a_lease(tmp_path):
    """As the kernel lists it, each waiter below the lease; nobody where it lists nothing."""
    (tmp_path / "locks").write_text(LOCKS)
    assert leases.waiting({215, 217}, str(tmp_path / "locks")) == {7334, 7335}
    assert leases.waiting({216, 217}, str(tmp_path / "locks")) == set()
    assert leases.waiting({215}, str(tmp_path / "missing")) == set()


@pytest.mark.parametrize(("kind", "possible"), [("nfs4", False), ("fuse.sshfs", False), ("ext4", True)])
def test_nothing_is_linked_on_a_file_server(tmp_path, kind, possible):
    """Leases may seem to hold there, but not against other machines."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"36 35 0:40 / {tmp_path} rw - {kind} server:/x rw\n")
    assert possible_in(str(tmp_path), mounts) == possible


def test_leases_are_found_to_work_here_and_not_in_proc(tmp_path):
    """The probe leaves nothing."""
    assert leases.work_in(str(tmp_path))
    assert not list(tmp_path.iterdir())
    assert not leases.work_in("/proc")
    assert not leases.work_in(str(tmp_path / "missing"))


@pytest.mark.parametrize("error", ["EMLINK", "EPERM", "EXDEV"])
def test_what_cannot_be_linked_is_copied(cached, tmp_path, monkeypatch, error):
    """Too many links, protected links, another device: False, with no lease left."""
    import errno

    def refuse(*_, **__):
        raise OSError(getattr(errno, error), "no")

    placer, user = placer_of(tmp_path, most_leases=1), User()
    with monkeypatch.context() as patched:
        patched.setattr(os, "link", refuse)
        assert not placer.link(cached, item_of(cached), str(tmp_path / "t"), user)
    assert placer.link(cached, item_of(cached), str(tmp_path / "t"), user)


def test_a_sandbox_on_another_device_gets_a_copy(cached, tmp_path):
    """Really another file system."""
    need(os.stat("/dev/shm").st_dev != os.stat(tmp_path).st_dev, "/dev/shm is no other disk", "mount tmpfs there")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        assert not placer_of(tmp_path).link(cached, item_of(cached), f"{folder}/t", User())
        assert not os.listdir(folder)


def test_leases_are_bounded(tmp_path):
    """Who comes when all are used gets a copy; when one is free again, a link."""
    links, users = Links(str(tmp_path), most_leases=2), [User() for _ in range(3)]
    made = []
    for n in range(3):
        path = tmp_path / str(n)
        path.write_bytes(BIG)
        made.append(Shared(str(path)))
    assert [links.attach(s, u, "i") for s, u in zip(made, users)] == [True, True, False]
    assert links.detach(made[0], users[0])
    assert links.attach(made[2], users[2], "i")


def test_nobody_links_what_somebody_has_open_for_writing(cached, tmp_path):
    """There is no lease then."""
    links, user = Links(str(tmp_path / "cache")), User()
    with open(cached.path, "r+b"):
        assert not links.attach(cached, user, "i")
    assert links.attach(cached, user, "i")


def test_a_lease_that_cannot_be_had_again_is_given_up(cached, tmp_path):
    """A writer of others kept waiting and then has the file open: after a while all who share it are ended."""
    clock = Clock()
    links, user = Links(str(tmp_path / "cache"), clock=clock), User()
    assert links.attach(cached, user, "i")
    writer = subprocess.Popen(["sh", "-c", f"exec 3>> {cached.path}; echo open; read x"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        wait_until(lambda: not cached.all_hold(), what="the writer")
        links.look()
        assert writer.stdout.readline() == b"open\n"
        links.look()
        assert not user.changed
        clock.now += LOST_S + 1
        links.look()
        assert user.changed == ["i"]
        assert not links.detach(cached, user)
    finally:
        writer.communicate(b"x\n", timeout=10)


def test_a_lease_that_is_released_holds_again(cached, tmp_path):
    """After a break by somebody who did not wait: all who share it are ended, and the lease is back for the next."""
    links, users = Links(str(tmp_path / "cache")), [User(), User()]
    assert all([links.attach(cached, user, "i") for user in users])
    with pytest.raises(BlockingIOError):
        os.open(cached.path, os.O_WRONLY | os.O_NONBLOCK)
    assert not links.attach(cached, User(), "i")
    for _ in range(3):
        links.look()
    assert [user.changed for user in users] == [["i"], ["i"]]
    assert all([links.detach(cached, user) for user in users])
    assert links.attach(cached, users[0], "i")


def test_usage_tells_linked_bytes_apart(tmp_path):
    """A linked file counts in full, and is also named as the part that others have."""
    (tmp_path / "a").mkdir()
    (tmp_path / "own").write_bytes(BIG)
    (tmp_path / "a" / "own").write_bytes(BIG)
    os.link(tmp_path / "own", tmp_path / "a" / "link")
    os.link(tmp_path / "own", tmp_path / "a" / "link2")
    shared = Shared(str(tmp_path / "own"))
    used = files.disk_usage(str(tmp_path / "a"), [shared.sizes])
    assert used.linked == files.disk_usage(str(tmp_path / "own")).linked + used.total // 2
