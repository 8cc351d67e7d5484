"""Claims of one run on one agent: what one has fetched the others link, where only they could have put it."""
from __future__ import annotations

import os
from pathlib import Path

import pytest
from executor_fakes import FakeStaging, Running, contents, run
from mfmesos_executor.client import Cancelled
from mfmesos_executor.siblings import LEAST_BYTES, MOST_S, STALLED_S, Siblings
from support import need, wait_until

from mfmesos.shared import wire

BIG = bytes(range(256)) * (LEAST_BYTES // 256)


def sandbox(tmp_path: Path, executor: str, framework: str = "F") -> Path:
    """As Mesos makes it."""
    folder = tmp_path / "frameworks" / framework / "executors" / executor / "runs" / f"container-{executor}"
    folder.mkdir(parents=True)
    return folder


def big(staging: FakeStaging, shared: bool = True) -> wire.Input:
    item = staging.add("big", BIG, shared=shared)
    item.mtime_ns = 1_600_000_000_000000001
    return item


def two(start, tmp_path) -> tuple[Running, Running, FakeStaging]:
    """Two executors side by side, the second with a staging server of its own that counts what it fetches."""
    other = FakeStaging()
    return (start(folder=sandbox(tmp_path, "a")), start(folder=sandbox(tmp_path, "b"), server=other), other)


@pytest.fixture
def claims(start, tmp_path):
    first, second, other = two(start, tmp_path)
    yield first, second, other
    other.stop()


def inodes(executor: Running) -> set[int]:
    return {path.stat().st_ino for path in executor.folder.glob(".mfmesos/*/cache/[0-9]*")}


def test_a_second_claim_fetches_nothing(claims, staging):
    """It links the first one's file, with a lease of its own; when the first claim ends, its attempts go on."""
    first, second, other = claims
    staging.run(run("1.1", "cat big > /dev/null", [big(staging)]))
    assert staging.wait("1.1")[0].outcome == "finished"
    other.run(run("2.1", "sleep 2; sha256sum big", [big(other)]))
    wait_until(lambda: inodes(second), what="the second claim's file")
    assert inodes(second) == inodes(first)
    staging.let_go()
    assert first.end() == ("TASK_FINISHED", "")
    (result,) = other.wait("2.1")
    assert result.stdout.startswith(big(other).digest)
    assert (len(staging.gets), len(other.gets)) == (1, 0)
    other.run(run("2.2", "echo x >> big", [big(other)]))
    assert other.wait("2.2")[0].wrote_input == "big"


def test_two_that_begin_together_fetch_once(claims, staging):
    """The one that announced it later waits for the other."""
    _, _, other = claims
    staging.get_delay.clear()
    other.get_delay.clear()
    staging.run(run("1.1", "sha256sum big", [big(staging)]))
    other.run(run("2.1", "sha256sum big", [big(other)]))
    wait_until(lambda: staging.gets or other.gets, what="the first request")
    staging.get_delay.set()
    other.get_delay.set()
    assert {r.outcome for r in (*staging.wait("1.1"), *other.wait("2.1"))} == {"finished"}
    assert len(staging.gets) + len(other.gets) == 1


def test_a_writer_in_one_claim_harms_no_reader_in_another(claims, staging):
    """Both claims hold leases on one inode: the writer's own executor ends it, the other's reader finishes, and
    neither fetches again."""
    _, second, other = claims
    staging.run(run("1.1", "cat big > /dev/null", [big(staging)]))
    staging.wait("1.1")
    other.run(run("2.1", "sha256sum big > a; sleep 3; sha256sum big | cmp - a && echo same > out", [big(other)],
                  ["out"]))
    wait_until(lambda: list(second.folder.glob(".mfmesos/*/tasks/*/work/a")), what="the reader")
    staging.run(run("1.2", "echo x >> big", [big(staging)]))
    assert staging.wait("1.2")[0].wrote_input == "big"
    (result,) = other.wait("2.1")
    assert result.outcome == "finished", result.reason
    assert contents(result)["out"] == b"same\n"
    assert (len(staging.gets), len(other.gets)) == (1, 0)


def test_what_only_one_attempt_needs_is_given_away_only_if_nobody_else_has_it(claims, staging):
    """The last attempt that needs an input gets the cached file itself, to do with as it likes: not one that another
    claim has linked."""
    _, second, other = claims
    staging.run(run("1.1", "cat big > /dev/null", [big(staging)]))
    staging.wait("1.1")
    other.run(run("2.1", "sleep 2; sha256sum big", [big(other)]))
    wait_until(lambda: inodes(second), what="the second claim's file")
    staging.run(run("1.2", "echo x >> big; sha256sum big", [big(staging, shared=False)], copies=True))
    assert staging.wait("1.2")[0].outcome == "finished"
    (result,) = other.wait("2.1")
    assert (result.outcome, result.stdout[:64]) == ("finished", big(other).digest)


def test_a_folder_comes_from_the_scheduler(claims, staging, tmp_path):
    """Each claim fetches a folder for itself, as large as its files may be; a file beside it is linked all the same."""
    first, second, other = claims
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "x").write_bytes(BIG)
    for server, attempt in ((staging, "1.1"), (other, "2.1")):
        server.run(run(attempt, "cat d/e/x big | wc -c > o", [server.add_dir("d", tmp_path / "d"), big(server)], ["o"]))
        assert contents(server.wait(attempt)[0])["o"] == b"%d\n" % (2 * len(BIG))
    folder = staging.add_dir("d", tmp_path / "d").digest
    assert sorted(staging.gets) == sorted([folder, big(staging).digest])
    assert other.gets == [folder]
    assert len(inodes(first) & inodes(second)) == 1


# --- the source alone ---------------------------------------------------------------------------
class Clock:
    def __init__(self) -> None:
        self.now, self.paused = 0.0, 0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.paused += 1


def claim(tmp_path: Path, executor: str, framework: str = "F") -> Path:
    folder = sandbox(tmp_path, executor, framework) / ".mfmesos" / f"claim{executor}"
    (folder / "cache").mkdir(parents=True)
    return folder


ITEM = wire.Input("big", "0123" * 16, len(BIG), 0o644, mtime_ns=10**18)


def ready(tmp_path: Path, executor: str = "a", framework: str = "F") -> Path:
    """A claim that has the file; its cached file."""
    folder = claim(tmp_path, executor, framework)
    path = folder / "cache" / "7"
    path.write_bytes(BIG)
    Siblings(str(folder)).publish(ITEM, str(path))
    return path


def fetched(tmp_path: Path, clock: Clock | None = None, item: wire.Input = ITEM) -> Path | None:
    """What a new claim gets from the others."""
    folder, clock = claim(tmp_path, "z"), clock or Clock()
    path = folder / "cache" / "1"
    got = Siblings(str(folder), clock, clock.pause).fetch(item, str(path), lambda: False)
    assert got == path.exists()
    return path if got else None


def test_it_links_what_another_claim_has(tmp_path):
    """Where nothing is odd."""
    path = ready(tmp_path)
    got = fetched(tmp_path)
    assert got is not None
    assert got.samefile(path)


def _elsewhere(path: Path) -> None:
    os.rename(path.parent, path.parent.parent / "moved")
    path.parent.symlink_to("moved")


def _replaced(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.symlink_to("/etc/passwd")
    (path.parent / "8").write_bytes(content)


def _others(path: Path) -> None:
    need(os.geteuid() == 0, "a file cannot be given to another user", "run the tests as root")
    os.chown(path.parent, 65534, -1)


def _record(text: str):
    def write(path: Path) -> None:
        (listed,) = (path.parent / "at").iterdir()
        listed.unlink()
        listed.symlink_to(text)
    return write


@pytest.mark.parametrize("harm", [
    lambda path: path.write_bytes(BIG[:-1] + b"x"), lambda path: path.chmod(0o600), lambda path: os.utime(path, (1, 1)),
    lambda path: path.unlink(), _replaced, _elsewhere, _others, _record("ready:7"), _record("ready:../x:1:2:3:4:5"),
    _record("/etc/passwd"), _record("nonsense:7"), _record("ready:7:a:b:c:d:e"),
], ids=["written", "chmod", "utime", "gone", "a link", "a linked folder", "another user's", "short", "path",
        "no record", "unknown", "no numbers"])
def test_what_is_not_as_it_was_is_not_taken(tmp_path, harm):
    """Changed files, links, folders of other users and records that make no sense: the scheduler is asked instead."""
    path = ready(tmp_path)
    harm(path)
    assert fetched(tmp_path) is None


def test_what_is_withdrawn_or_of_another_run_is_not_taken(tmp_path):
    """Another framework is another run; a claim withdraws what it gives up."""
    ready(tmp_path, "a", "other")
    path = ready(tmp_path, "b")
    Siblings(str(path.parent.parent)).withdraw("file", ITEM.digest)
    assert fetched(tmp_path) is None


@pytest.mark.parametrize("change", [{"kind": "dir"}, {"shared": False}, {"size": LEAST_BYTES - 1}])
def test_what_it_does_not_concern_itself_with(tmp_path, change):
    """Folders, what one attempt alone needs, and small files."""
    ready(tmp_path)
    item = wire.Input(**{**vars(ITEM), **change})
    assert fetched(tmp_path, item=item) is None


def test_outside_of_mesos_layout_there_are_no_siblings(tmp_path):
    """In an image, for example: nothing is listed, nothing is taken."""
    (tmp_path / "claim" / "cache").mkdir(parents=True)
    siblings = Siblings(str(tmp_path / "claim"))
    siblings.publish(ITEM, str(tmp_path))
    assert not siblings.fetch(ITEM, str(tmp_path / "claim" / "cache" / "1"), lambda: False)
    assert not list((tmp_path / "claim" / "cache").iterdir())


def begun(tmp_path: Path) -> Path:
    """A claim that fetches the file, or died while it did; the file."""
    folder = claim(tmp_path, "a")
    (folder / "cache" / "at").mkdir()
    (folder / "cache" / "at" / ITEM.digest).symlink_to("fetching:7")
    return folder / "cache" / "7"


def test_a_claim_that_fetches_nothing_is_not_waited_for(tmp_path):
    """It may have died."""
    begun(tmp_path)
    clock = Clock()
    assert fetched(tmp_path, clock) is None
    assert STALLED_S <= clock.now < 2 * STALLED_S


def test_a_slow_one_is_waited_for_within_bounds(tmp_path):
    """While its file grows, but not for ever."""
    path, clock = begun(tmp_path), Clock()
    path.touch()

    def grow(seconds: float) -> None:
        clock.now += seconds
        os.truncate(path, path.stat().st_size + 1)

    clock.pause = grow  # type: ignore[method-assign]
    assert fetched(tmp_path, clock) is None
    assert MOST_S <= clock.now < MOST_S + 1


def test_a_kill_ends_the_wait(tmp_path):
    """At once."""
    begun(tmp_path)
    folder, clock = claim(tmp_path, "z"), Clock()
    with pytest.raises(Cancelled):
        Siblings(str(folder), clock, clock.pause).fetch(ITEM, str(folder / "cache" / "1"), lambda: True)
