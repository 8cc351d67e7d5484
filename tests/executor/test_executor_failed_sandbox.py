"""The sandbox of a failed attempt is sent before its result, where that is wanted."""
from __future__ import annotations

import io
import tarfile

import pytest
from test_executor_files import one


def sent(staging, attempt: str) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(staging.puts[attempt])) as tar:
        return {member.name: member for member in tar}


def test_what_is_sent(executor, staging):
    """The working folder without the inputs, TMPDIR, and all that was printed; outputs that exist as well. Nothing of
    an attempt that finishes, or where it is not wanted."""
    given = staging.add("in", b"input")
    command = ("mkdir d; cat in > d/copy; ln -s copy d/link; mkfifo pipe; echo x > $TMPDIR/scratch; echo 1 > o;"
               "head -c 100000 /dev/zero | tr '\\0' a; echo bad >&2; exit 3")
    result = one(staging, "1.1", command, [given], ["o"], keep_failed_mb=10)
    assert (result.outcome, result.exit_code, result.tar) == ("failed", 3, None)
    found = sent(staging, "1.1")
    assert set(found) == {"stdout", "stderr", "work", "work/d", "work/d/copy", "work/d/link", "work/o", "tmp",
                          "tmp/scratch"}
    assert (found["stdout"].size, found["stderr"].size, found["work/d/copy"].size) == (100000, 4, 5)
    assert found["work/d/link"].linkname == "copy"
    one(staging, "2.1", "echo 1 > o", [], ["o"], keep_failed_mb=10)
    one(staging, "3.1", "exit 1", [], [])
    assert set(staging.puts) == {"1.1"}


def test_a_limit_and_a_missing_output_count_too(executor, staging):
    """An attempt that exceeds a limit, and one whose output is missing."""
    ended = one(staging, "1.1", "echo 1 > there; sleep 60", [], [], keep_failed_mb=1, limit_wall_s=0.2)
    assert ended.resource == "wall"
    assert "missing" in one(staging, "2.1", "echo 1 > misspelt", [], ["output"], keep_failed_mb=1).reason
    assert "work/there" in sent(staging, "1.1")
    assert "work/misspelt" in sent(staging, "2.1")


def test_what_is_too_large(executor, staging):
    """The largest files are left out, and named with their sizes; what arrives is within the bound."""
    command = "head -c 3000000 /dev/zero > large; head -c 700000 /dev/zero > some; echo > small; exit 1"
    assert one(staging, "1.1", command, [], [], keep_failed_mb=1).outcome == "failed"
    found = sent(staging, "1.1")
    assert {"work/some", "work/small", "left-out"} < set(found)
    assert len(staging.puts["1.1"]) <= 1 << 20
    with tarfile.open(fileobj=io.BytesIO(staging.puts["1.1"])) as tar:
        content = tar.extractfile("left-out")
        assert content is not None
        assert content.read() == b"3000000 work/large\n"


@pytest.mark.parametrize("status", [404, 413])
def test_who_refuses_it_gets_the_result(executor, staging, status):
    """A scheduler of the version before, or one that has no room: the result is the same."""
    staging.put_status = status
    result = one(staging, "1.1", "echo 1 > o; exit 3", [], ["o"], keep_failed_mb=10, keep_partial=True)
    assert (result.outcome, result.exit_code, result.tar is None) == ("failed", 3, False)
