"""Outputs that stay in the claim's cache, for the attempts that read them."""
from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

from executor_fakes import contents, run
from support import wait_until

from mfmesos.shared import wire
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.trees import walk

BIG = "head -c 300000 /dev/zero | tr '\\0' x"
DIGEST = hashlib.sha256(b"x" * 300000).hexdigest()


def ended(staging, attempt: str, command: str, inputs=(), outputs=(), **kw):
    staging.run(run(attempt, command, list(inputs), list(outputs), **kw))
    return staging.wait(attempt)[0]


def as_input(name: str, result: wire.Result, mode: int = 0o644, **kw) -> wire.Input:
    kept = next(k for k in result.kept if k.name == name)
    return wire.Input(name, kept.digest, kept.size, mode, **kw)


def test_a_kept_output_is_read_without_being_fetched(executor, staging):
    """An output that later tasks read reaches the scheduler once, and the next attempt of the claim reads it with the
    mode and time that the scheduler gives it, without any GET."""
    made = ended(staging, "1.1", f"{BIG} > a; {BIG} > b; echo small > c", (), ["a", "b", "c"], keep=["a"])
    assert [(k.name, k.digest, k.size) for k in made.kept] == [("a", DIGEST, 300000)]
    assert b"x" * 300000 in staging.puts["1.1"]
    read = ended(staging, "2.1", "stat -c '%a %Y' a > o; wc -c < a >> o",
                 [as_input("a", made, 0o750, shared=False, mtime_ns=1_500_000_000 * 10**9)], ["o"])
    assert contents(read) == {"o": b"750 1500000000\n300000\n"}
    assert staging.gets == []


def test_a_chain_of_five(executor, staging):
    """Each reads what the one before has made: nothing is fetched."""
    before = ended(staging, "1.1", f"{BIG} > f1", (), ["f1"], keep=["f1"])
    for step in range(2, 6):
        before = ended(staging, f"{step}.1", f"(cat f{step - 1}; echo {step}) > f{step}",
                       [as_input(f"f{step - 1}", before, shared=False)], [f"f{step}"], keep=[f"f{step}"])
        assert before.kept[0].size == 300000 + 2 * (step - 1)
    assert staging.gets == []


def test_a_kept_folder(executor, staging, tmp_path):
    """A folder stays with the digest that it has as an input: modes, and files that nobody may read, included."""
    made = ended(staging, "1.1", f"mkdir -p d/e; {BIG} > d/e/x; echo y > d/y; chmod 200 d/y; chmod 755 d/e/x",
                 (), ["d"], keep=["d"])
    with tarfile.open(fileobj=io.BytesIO(staging.puts["1.1"])) as tar:
        tar.extractall(tmp_path)
    (tmp_path / "d/y").chmod(0o600)  # as it is published
    assert made.kept[0].digest == InputIndex(tmp_path)._manifest(walk(str(tmp_path / "d")))
    read = ended(staging, "2.1", "find d | sort > o; cat d/y >> o; test -x d/e/x",
                 [as_input("d", made, 0o755, kind="dir")], ["o"])
    assert contents(read) == {"o": b"d\nd/e\nd/e/x\nd/y\ny\n"}
    assert staging.gets == []


def test_what_is_not_kept(executor, staging):
    """A small delivery travels in the result; a file with a second name, or one reached through a link in a folder,
    could change or does not lie where it seems to: these are fetched again."""
    made = ended(staging, "1.1", "echo 1 > a", (), ["a"], keep=["a"])
    assert made.kept == []
    made = ended(staging, "2.1", f"{BIG} > a; ln a twin", (), ["a"], keep=["a"])
    assert made.kept == []
    made = ended(staging, "3.1", f"mkdir d; {BIG} > x; ln -s ../x d/x", (), ["d"], keep=["d"])
    assert made.kept == []
    made = ended(staging, "4.1", f"{BIG} > a; exit 3", (), ["a"], keep=["a"])
    assert made.outcome == wire.FAILED
    assert made.kept == []


def test_no_room(start, staging):
    """Half of the claim's disk at most is cache: what does not fit is not kept, and what was kept makes room."""
    start(disk_mb=2.0)  # a cache of 1 MiB
    made = ended(staging, "1.1", "head -c 1200000 /dev/urandom > a", (), ["a"], keep=["a"], disk_mb=2.0)
    assert made.kept == []
    digests = []
    for n in range(2, 5):
        made = ended(staging, f"{n}.1", "head -c 400000 /dev/urandom > a", (), ["a"], keep=["a"], disk_mb=2.0)
        digests.append(made.kept[0].digest)
    staging.files[digests[0]] = b"fetched again"  # found damaged
    last = ended(staging, "5.1", "wc -c < a > o", [wire.Input("a", digests[-1], 400000)], ["o"], disk_mb=2.0)
    assert contents(last) == {"o": b"400000\n"}
    assert staging.gets == []
    assert ended(staging, "6.1", "true", [wire.Input("a", digests[0], 400000)], disk_mb=2.0).outcome == wire.BROKEN
    assert staging.gets[0] == digests[0]


def test_nothing_stays_of_it(start, staging):
    """The claim's end removes what was kept."""
    running = start()
    ended(staging, "1.1", f"{BIG} > a", (), ["a"], keep=["a"])
    cache = [p for p in Path(running.folder).rglob("*") if p.is_file() and os.stat(p).st_size == 300000]
    assert len(cache) == 1
    staging.let_go()
    running.process.wait(20)
    assert not cache[0].exists()


def test_temporary_outputs(executor, staging):
    """They are not delivered, and stay pinned until they are dropped; a small one as well."""
    made = ended(staging, "1.1", f"{BIG} > t; echo s > u; echo out > o", (), ["t", "u", "o"], temporary=["t", "u"])
    assert contents(made) == {"o": b"out\n"}
    assert [(k.name, k.size) for k in made.kept] == [("t", 300000), ("u", 2)]
    read = ended(staging, "2.1", "wc -c < t > o; cat u >> o",
                 [as_input("t", made, shared=False, temporary=True), as_input("u", made, shared=False, temporary=True)],
                 ["o"])
    assert contents(read) == {"o": b"300000\ns\n"}
    again = ended(staging, "3.1", "wc -c < t > o", [as_input("t", made, temporary=True)], ["o"])
    assert again.outcome == wire.FINISHED
    assert staging.gets == []
    staging.file_status = 404
    staging.ask(drop=[f"1.1 {DIGEST}"])
    gone = ended(staging, "4.1", "true", [as_input("t", made, temporary=True)])
    assert gone.outcome == wire.BROKEN
    assert DIGEST in {digest for sync in staging.syncs for digest in sync.lacking}


def test_a_copy_for_the_scheduler(executor, staging):
    """It is sent on request; what is not there is reported."""
    made = ended(staging, "1.1", f"{BIG} > t", (), ["t"], temporary=["t"])
    assert made.tar is None
    staging.ask(send=[DIGEST, "0" * 64])
    wait_until(lambda: staging.puts.get(DIGEST) == b"x" * 300000, 10, "the copy")
    wait_until(lambda: any("0" * 64 in sync.lacking for sync in staging.syncs), 10, "what is lacking")


def test_discarded_outputs_and_equal_ones(executor, staging):
    """Outputs that the scheduler has are not sent again; one of two pins of the same content keeps it."""
    first = ended(staging, "1.1", f"{BIG} > t; echo o > o", (), ["t", "o"], temporary=["t"], discard=["o"])
    assert first.tar is None
    assert "1.1" not in staging.puts
    ended(staging, "2.1", f"{BIG} > v", (), ["v"], temporary=["v"])
    staging.ask(drop=[f"1.1 {DIGEST}", f"1.1 {DIGEST}"])
    read = ended(staging, "3.1", "wc -c < v > o", [wire.Input("v", DIGEST, 300000, temporary=True)], ["o"])
    assert contents(read) == {"o": b"300000\n"}
    assert staging.gets == []


def test_a_temporary_folder_is_refused(executor, staging):
    """With a reason and a cure; nothing of the attempt is kept."""
    failed = ended(staging, "1.1", "mkdir t; echo u > u", (), ["u", "t"], temporary=["u", "t"])
    assert failed.outcome == wire.FAILED
    assert "must be a file" in failed.reason
    assert failed.kept == []


def test_more_temporary_outputs_than_room(start, staging):
    """They stay all the same, and the scheduler learns that there is no room."""
    start(disk_mb=2.0)
    made = ended(staging, "1.1", "head -c 1200000 /dev/zero > a", (), ["a"], temporary=["a"], disk_mb=2.0)
    assert [k.crowded for k in made.kept] == [True]
    read = ended(staging, "2.1", "wc -c < a > o", [as_input("a", made, temporary=True)], ["o"], disk_mb=2.0)
    assert contents(read) == {"o": b"1200000\n"}


def test_only_what_counts_stays(start, staging):
    """A scheduler that resumed the claim states what counts: the rest is dropped, except what an attempt made whose
    result it has not acknowledged."""
    running = start()
    for number in (1, 2):
        ended(staging, f"{number}.1", f"{BIG} > t; echo {number} >> t", (), ["t"], temporary=["t"])
    staging.acking = False
    third = ended(staging, "3.1", f"{BIG} > t", (), ["t"], temporary=["t"])
    kept = [p for p in Path(running.folder).rglob("*") if p.is_file() and os.stat(p).st_size >= 300000]
    assert len(kept) == 3
    second = hashlib.sha256(b"x" * 300000 + b"2\n").hexdigest()
    staging.count(f"2.1 {second}")
    wait_until(lambda: sum(p.exists() for p in kept) == 2, 10, "the first one to be dropped")
    assert third.kept[0].digest == DIGEST
    staging.acking = True
    read = ended(staging, "4.1", "wc -c < t > o", [as_input("t", third, temporary=True)], ["o"])
    assert contents(read) == {"o": b"300000\n"}
    assert sum(p.exists() for p in kept) == 2
    staging.count()
    wait_until(lambda: not any(p.exists() for p in kept), 10, "all to be dropped")


def test_a_copy_that_does_not_get_through_is_sent_again(executor, staging):
    """The scheduler waits for it, so it is offered until it is there or not wanted."""
    staging.put_status = 409
    ended(staging, "1.1", f"{BIG} > t", (), ["t"], temporary=["t"])
    staging.ask(send=[DIGEST])
    wait_until(lambda: DIGEST in staging.puts, 10, "the first try")
    staging.puts.clear()
    staging.put_status = 200
    wait_until(lambda: staging.puts.get(DIGEST) == b"x" * 300000, 20, "the second")
    assert not any(sync.lacking for sync in staging.syncs)


def test_a_damaged_copy(start, staging):
    """The scheduler finds that the content is another one, or the file is gone: it learns that no copy is here."""
    running = start()
    staging.put_status = 400
    ended(staging, "1.1", f"{BIG} > t", (), ["t"], temporary=["t"])
    staging.ask(send=[DIGEST])
    wait_until(lambda: any(DIGEST in sync.lacking for sync in staging.syncs), 10, "the report")
    staging.put_status = 200
    ended(staging, "2.1", f"{BIG} > t; echo >> t", (), ["t"], temporary=["t"])
    other = hashlib.sha256(b"x" * 300000 + b"\n").hexdigest()
    for path in Path(running.folder).rglob("*"):
        if path.is_file() and path.stat().st_size == 300001:
            path.unlink()
    staging.ask(send=[other])
    wait_until(lambda: any(other in sync.lacking for sync in staging.syncs), 10, "the report")
