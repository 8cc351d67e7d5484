"""Many small inputs of an attempt: fetched together, each verified, with the same ends as if they came alone."""
from __future__ import annotations

import base64
import itertools

import pytest
from executor_fakes import contents, run

from mfmesos.shared import batches


def many(staging, count: int, name: str = "in", shared: bool = False):
    return [staging.add(f"{name}/{i}", f"{name} {i}\n".encode(), shared=shared) for i in range(count)]


def one(staging, attempt: str, *args, **kw):
    staging.run(run(attempt, *args, **kw))
    return staging.wait(attempt)[0]


@pytest.mark.parametrize("shared", [False, True])
def test_few_requests(executor, staging, shared):
    """2,500 files come with three requests, each with its mode and time; one alone comes alone."""
    inputs = many(staging, 2500, shared=shared)
    inputs[7].mode, inputs[7].mtime_ns = 0o750, 1_000_000_000_123_456_789
    command = "cat `ls in | sort -n | sed s,^,in/,` > o; stat -c '%a %.9Y' in/7 > p"
    result = one(staging, "1.1", command, inputs, ["o", "p"])
    made = contents(result, staging)
    assert made["o"] == b"".join(b"in %d\n" % i for i in range(2500))
    assert made["p"] == b"750 1000000000.123456789\n"
    assert [len(digests) for digests in staging.batches] == [1000, 1000, 500]
    alone = staging.add("alone", b"alone")
    assert contents(one(staging, "2.1", "cat alone > o", [alone], ["o"])) == {"o": b"alone"}
    assert len(staging.batches) == 3


def test_overlapping_sets(executor, staging):
    """Two attempts at once that need partly the same files: each file is fetched once and both have all of theirs."""
    inputs = many(staging, 60, shared=True)
    staging.get_delay.clear()
    staging.run(run("1.1", "cat in/* | wc -l > o", inputs[:40], ["o"]),
                run("2.1", "cat in/* | wc -l > o", inputs[20:], ["o"]))
    with staging.changed:
        assert staging.changed.wait_for(lambda: len(staging.batches) == 2, 20)
    staging.get_delay.set()
    assert [contents(r)["o"].strip() for r in staging.wait("1.1", "2.1")] == [b"40", b"40"]
    assert sorted(staging.gets) == sorted(i.digest for i in inputs)


@pytest.mark.parametrize("shared", [False, True])
def test_a_file_that_has_changed_fails_alone(executor, staging, shared):
    """The attempt that needs it ends for good and names it; another one, which shares the rest, runs."""
    inputs = many(staging, 20, shared=shared)
    staging.statuses[inputs[4].digest] = 409
    result = one(staging, "1.1", "true", inputs)
    assert (result.outcome, result.final) == ("broken", True)
    assert result.reason == "input in/4 could not be fetched: no such file"
    assert one(staging, "2.1", "cat in/* > o", inputs[5:], ["o"]).outcome == "finished"
    assert staging.gets.count(inputs[7].digest) == (1 if shared else 2)


def test_damaged_files_come_again(executor, staging):
    """Only they; after three tries the attempt ends as with a file that comes alone."""
    inputs = many(staging, 10)
    staging.damage = 2
    assert one(staging, "1.1", "cat in/* > o", inputs, ["o"]).outcome == "finished"
    assert [len(digests) for digests in staging.batches] == [10, 2]
    staging.damage = 1 << 30
    result = one(staging, "2.1", "true", inputs)
    assert result.outcome == "broken"
    assert result.reason == ("input in/0 could not be fetched: after 3 tries the received data differs from what was "
                             "announced (its sha256 differs)")


@pytest.mark.parametrize("spoil", [
    lambda body: body[:-1], lambda body: b"", lambda body: body + body, lambda body: b"200 5\n" + body,
    lambda body: b"x" * 100_000, lambda body: body[len(body) // 2:]],
    ids=["truncated", "empty", "twice", "one more", "no members", "from the middle"])
def test_spoiled_answers(executor, staging, spoil):
    """Two in a row do no harm; nothing that was not asked for gets into a sandbox, and never is a file taken for
    another."""
    inputs = many(staging, 10)
    left = itertools.count()
    staging.spoil = lambda body: spoil(body) if next(left) < 2 else body
    result = one(staging, "1.1", "cat in/* > o; ls | wc -l >> o; ls in | wc -l >> o", inputs, ["o"])
    assert contents(result)["o"] == b"".join(b"in %d\n" % i for i in range(10)) + b"2\n10\n"


def test_only_spoiled_answers(executor, staging):
    """The attempt ends as broken; its claim goes on."""
    inputs = many(staging, 10)
    staging.spoil = lambda body: body[:20]
    result = one(staging, "1.1", "true", inputs)
    assert result.outcome == "broken"
    assert "after 3 tries the answer with many inputs is incomplete or damaged" in result.reason
    staging.spoil = lambda body: body
    assert one(staging, "2.1", "true", inputs).outcome == "finished"


def test_files_in_other_order(executor, staging):
    """An answer with the right files in another order is refused, file by file."""
    inputs = many(staging, 10)

    def turned(body: bytes) -> bytes:
        found = list(batches.members([body], [5] * 10))
        return b"".join(batches.head(200, len(one.body)) + one.body for one in found[::-1])

    staging.spoil = turned
    result = one(staging, "1.1", "true", inputs)
    assert result.outcome == "broken"
    assert "its sha256 differs" in result.reason


def test_a_scheduler_that_asks_to_come_again(executor, staging):
    """One file that is unavailable at the moment is asked for again, alone."""
    inputs = many(staging, 10)
    staging.statuses[inputs[3].digest] = 503
    staging.spoil = lambda body: (staging.statuses.clear(), body)[1]
    assert one(staging, "1.1", "cat in/* > o", inputs, ["o"]).outcome == "finished"
    assert [len(digests) for digests in staging.batches] == [10, 1]


def test_killed_while_files_come(executor, staging):
    """It ends as killed at once, and an attempt that waits for one of its files fetches that itself."""
    inputs = many(staging, 10, shared=True)
    staging.get_delay.clear()
    staging.run(run("1.1", "true", inputs))
    with staging.changed:
        assert staging.changed.wait_for(lambda: staging.batches, 20)
    staging.run(run("2.1", "cat in/* | wc -l > o", inputs[:2], ["o"]))
    staging.kill("1.1")
    staging.get_delay.set()
    assert staging.wait("1.1")[0].outcome in ("killed", "finished")
    assert contents(staging.wait("2.1")[0])["o"].strip() == b"2"


def test_the_same_content_under_many_names(executor, staging):
    """Also if no other attempt needs it; a file that lies in an input folder replaces the folder's."""
    inputs = [staging.add(f"in/{i}", b"same", shared=False) for i in range(5)]
    inputs += [staging.add(f"shared/{i}", b"same too", shared=True) for i in range(5)]
    result = one(staging, "1.1", "cat in/* shared/* > o", inputs, ["o"])
    assert contents(result)["o"] == b"same" * 5 + b"same too" * 5


def test_a_file_in_an_input_folder(executor, staging, tmp_path):
    """Declared files replace what an input folder has under their names."""
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "x").write_bytes(b"of the folder")
    inputs = [staging.add("tree/x", b"x", shared=False), staging.add("tree/y", b"y", shared=False),
              staging.add_dir("tree", folder)]
    assert contents(one(staging, "1.1", "cat tree/x tree/y > o", inputs, ["o"])) == {"o": b"xy"}


def came_along(item, content: bytes):
    item.content = base64.b64encode(content).decode()
    return item


def test_content_that_comes_with_the_attempt(executor, staging, tmp_path):
    """It is not fetched, has its mode and time, and replaces what an input folder has under its name."""
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "x").write_bytes(b"of the folder")
    tree = staging.add_dir("tree", folder)
    own = came_along(staging.add("tree/x", b"own\n", mode=0o750, shared=False), b"own\n")
    own.mtime_ns = 1_000_000_000_123_456_789
    other = came_along(staging.add("a/b", b"other\n", shared=False), b"other\n")
    command = "cat tree/x a/b > o; stat -c '%a %.9Y' tree/x >> o"
    result = one(staging, "1.1", command, [own, other, tree], ["o"])
    assert contents(result)["o"] == b"own\nother\n750 1000000000.123456789\n"
    assert staging.gets == [tree.digest]


@pytest.mark.parametrize("spoil", [lambda text: "b3RoZXI=", lambda text: text[:-1], lambda text: "\u00e4" + text],
                         ids=["other", "cut", "not base64"])
def test_content_that_is_not_the_input(executor, staging, spoil):
    """The input is fetched instead, alone or with others."""
    alone, first, second = (came_along(staging.add(name, name.encode(), shared=False), name.encode())
                            for name in ("alone", "first", "second"))
    for item in (alone, first, second):
        item.content = spoil(item.content)
    assert contents(one(staging, "1.1", "cat alone > o", [alone], ["o"])) == {"o": b"alone"}
    assert contents(one(staging, "2.1", "cat first second > o", [first, second], ["o"])) == {"o": b"firstsecond"}
    assert [len(digests) for digests in staging.batches] == [2]
    assert sorted(staging.gets) == sorted(item.digest for item in (alone, first, second))
