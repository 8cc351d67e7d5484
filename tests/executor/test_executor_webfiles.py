"""Inputs from web servers: continued after a break, verified, and refused in one line."""
from __future__ import annotations

import hashlib
import random
import threading
from pathlib import Path

import pytest
from executor_fakes import contents, run
from hypothesis import given, settings
from hypothesis import strategies as st
from mfmesos_executor.client import Cancelled
from mfmesos_executor.webfiles import Web
from support import examples, wait_until
from webserver import Page, WebServer, web_server

from mfmesos.shared import wire
from mfmesos.shared.webrequest import Hope, WebError

BODY = random.Random(1).randbytes(700_000)
QUICK = Web(5.0, (0.0, 0.0, 0.0))


@pytest.fixture
def server():
    with web_server() as found:
        yield found


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pinned(url: str, content: bytes = BODY) -> wire.Input:
    return wire.Input("in", sha256(content), -1, url=url)


def tagged(url: str, tag: str = '"1"', size: int = len(BODY)) -> wire.Input:
    return wire.Input("in", "0" * 64, size, url=url, tag=tag)


def fetched(source: Web, item: wire.Input, path: Path) -> bytes:
    assert source.fetch(item, str(path), lambda: False)
    return path.read_bytes()


def failure(source: Web, item: wire.Input, path: Path) -> WebError:
    with pytest.raises(WebError) as e:
        source.fetch(item, str(path), lambda: False)
    assert not path.exists()
    return e.value


def test_only_inputs_with_a_url(tmp_path: Path):
    """Others come from elsewhere, and nothing is left at their place."""
    assert not QUICK.fetch(wire.Input("in", "0" * 64, 1), str(tmp_path / "x"), lambda: False)
    assert list(tmp_path.iterdir()) == []


def test_a_break_costs_no_byte_twice(server: WebServer, tmp_path: Path):
    """Each request continues where the last one broke, however often, while each brings something."""
    server.pages["/a"] = Page(BODY, '"1"', cuts=[100_000] * 6)
    assert fetched(QUICK, pinned(f"{server.url}/a"), tmp_path / "x") == BODY
    assert [r.headers.get("Range") for r in server.requests] == [
        None, *(f"bytes={i}00000-" for i in range(1, 7))]


def test_a_server_that_always_starts_again(server: WebServer, tmp_path: Path):
    """Without ranges the file begins again; that works if one connection lasts."""
    server.pages["/a"] = Page(BODY, ranges=False, cuts=[300_000, 200_000])
    assert fetched(QUICK, pinned(f"{server.url}/a"), tmp_path / "x") == BODY


def test_a_body_that_is_always_cut_short(server: WebServer, tmp_path: Path):
    """At the same place each time: given up after the pauses, with the numbers of bytes."""
    server.pages["/a"] = Page(BODY, ranges=False, cuts=[1000] * 99)
    found = failure(QUICK, pinned(f"{server.url}/a"), tmp_path / "x")
    assert str(found) == f"{server.url}/a: the connection ended after 1000 of 700000 bytes"
    assert found.hope is Hope.HERE
    assert len(server.requests) == 4


@given(st.lists(st.integers(0, 3000), max_size=8), st.booleans(), st.booleans(), st.integers(0, 3000))
@settings(max_examples=examples(40), deadline=None)
def test_any_breaks(tmp_path_factory, cuts: list[int], ranges: bool, length: bool, size: int):
    """Wherever a server breaks off, with and without ranges and lengths: the whole file, or an error and no file."""
    with web_server() as server:
        content = BODY[:size]
        server.pages["/a"] = Page(content, ranges=ranges, length=length, cuts=list(cuts))
        path = tmp_path_factory.mktemp("any") / "x"
        try:
            assert fetched(QUICK, pinned(f"{server.url}/a", content), path) == content
        except WebError:
            assert not path.exists()


def test_500_then_200(server: WebServer, tmp_path: Path):
    """A server with a problem is asked again, after a pause."""
    server.pages["/a"] = Page(BODY, statuses=[500, 503, 429])
    assert fetched(QUICK, pinned(f"{server.url}/a"), tmp_path / "x") == BODY
    server.pages["/a"] = Page(BODY, statuses=[500] * 9)
    found = failure(QUICK, pinned(f"{server.url}/a"), tmp_path / "y")
    assert str(found) == f"{server.url}/a: HTTP 500 (Internal Server Error)"
    assert len(server.requests) == 4 + 4


@pytest.mark.parametrize("status", [404, 403])
def test_refusals_are_final_at_once(server: WebServer, tmp_path: Path, status: int):
    """One request."""
    server.pages["/a"] = Page(BODY, statuses=[status])
    found = failure(QUICK, pinned(f"{server.url}/a"), tmp_path / "x")
    assert (found.hope, found.status, len(server.requests)) == (Hope.NOWHERE, status, 1)


def test_another_sha256(server: WebServer, tmp_path: Path):
    """Fetched once more, since something on the way may have damaged it; then final, with both sums."""
    server.pages["/a"] = Page(b"other")
    found = failure(QUICK, pinned(f"{server.url}/a"), tmp_path / "x")
    assert str(found) == f"{server.url}/a: its sha256 is {sha256(b'other')}, not {sha256(BODY)}"
    assert (found.hope, len(server.requests)) == (Hope.NOWHERE, 2)


def test_another_version(server: WebServer, tmp_path: Path):
    """ETag, Last-Modified or size differ from what the scheduler saw: final at once, with both."""
    server.pages = {"/e": Page(BODY, '"2"'), "/s": Page(BODY[1:], '"1"'), "/m": Page(BODY, "", "Tue")}
    found = failure(QUICK, tagged(f"{server.url}/e?t=secret"), tmp_path / "x")
    assert str(found) == (
        f'{server.url}/e?...: changed on the server since its task was submitted ("2", 700000 bytes instead of "1", '
        "700000 bytes); run again, or give the input's sha256")
    for item in (tagged(f"{server.url}/s"), tagged(f"{server.url}/m", "Last-Modified Mon")):
        assert failure(QUICK, item, tmp_path / "x").hope is Hope.NOWHERE
    assert fetched(QUICK, tagged(f"{server.url}/m", "Last-Modified Tue"), tmp_path / "x") == BODY
    assert len(server.requests) == 4


def test_a_change_in_the_middle(server: WebServer, tmp_path: Path):
    """The parts of two versions are never put together: with a tag final, with a sha256 from the beginning."""
    page = server.pages["/a"] = Page(BODY, '"1"', cuts=[1000])

    def replaced() -> bool:
        if server.requests and page.etag == '"1"':
            page.etag, page.content = '"2"', BODY[::-1]
        return False

    with pytest.raises(WebError, match="changed on the server"):
        QUICK.fetch(tagged(f"{server.url}/a"), str(tmp_path / "x"), replaced)
    page.etag, page.content, page.cuts = '"1"', BODY, [1000]
    assert QUICK.fetch(pinned(f"{server.url}/a", BODY[::-1]), str(tmp_path / "x"), replaced)
    assert (tmp_path / "x").read_bytes() == BODY[::-1]


def test_a_stalled_transfer(server: WebServer, tmp_path: Path):
    """A server that sends nothing is given up after the timeout, as often as there are pauses."""
    server.pages["/a"] = Page(BODY, wait=threading.Event())
    found = failure(Web(0.1, (0.0,)), pinned(f"{server.url}/a"), tmp_path / "x")
    assert str(found) == f"{server.url}/a: timed out"
    assert len(server.requests) == 2


def test_a_kill_ends_a_pause(server: WebServer, tmp_path: Path):
    """Whoever is not wanted any more does not wait for the next try."""
    server.pages["/a"] = Page(BODY, statuses=[500])
    with pytest.raises(Cancelled):
        Web(5.0, (3600.0,)).fetch(pinned(f"{server.url}/a"), str(tmp_path / "x"), lambda: bool(server.requests))
    assert not (tmp_path / "x").exists()


# --- in a claim ---
def test_once_per_claim(executor, staging, server: WebServer):
    """Many tasks, one request; each has its own copy, if it needs one, that it may change; nothing is asked of the
    scheduler."""
    server.pages["/a"] = Page(BODY, '"1"')
    item = tagged(f"{server.url}/a")
    staging.run(*(run(f"{i}.1", "cat in | sha256sum > o; echo x >> in", [item], ["o"], copies=True) for i in range(6)))
    results = staging.wait(*(f"{i}.1" for i in range(6)))
    assert {contents(r)["o"].split()[0].decode() for r in results} == {sha256(BODY)}
    assert (len(server.requests), staging.gets) == (1, [])


def test_a_final_failure(executor, staging, server: WebServer):
    """One line with the name and the URL; no retry helps, and the agent is not to blame."""
    staging.run(run("1.1", "true", [pinned(f"{server.url.replace('://', '://me:pw@')}/gone?key=k")]))
    (result,) = staging.wait("1.1")
    assert (result.outcome, result.final, result.outside) == ("broken", True, True)
    assert result.reason == f"input in could not be fetched: {server.url}/gone?...: HTTP 404 (Not Found)"
    assert ":pw@" not in executor.log.read_text()


def test_failures_are_not_mixed_up(executor, staging, server: WebServer):
    """The same content from a server that fails, and from one that works: each task hears of its own URL."""
    server.pages = {"/a": Page(BODY), "/bad": Page(BODY, statuses=[403] * 9, wait=threading.Event())}
    bad, good = pinned(f"{server.url}/bad"), pinned(f"{server.url}/a")
    staging.run(run("1.1", "true", [bad]))
    wait_until(lambda: server.asked(path="/bad"), 10, "the first request")
    staging.run(run("2.1", "wc -c < in > o", [good], ["o"]))
    wait_until(lambda: "2.1" in staging.running(), 10, "the second task")
    server.pages["/bad"].wait.set()
    first, second = staging.wait("1.1", "2.1")
    assert "HTTP 403" in first.reason
    assert contents(second)["o"] == b"700000\n"


def test_beside_inputs_of_the_scheduler(executor, staging, server: WebServer):
    """Small inputs of the scheduler come together, and those with a URL from their servers."""
    server.pages = {"/a": Page(b"A", '"1"'), "/b": Page(b"B")}
    items = [staging.add("x", b"X"), tagged(f"{server.url}/a", size=1), staging.add("y", b"Y"),
             pinned(f"{server.url}/b", b"B")]
    for item, name in zip(items, "xayb"):
        item.name = name
    staging.run(run("1.1", "cat x a y b > o", items, ["o"]))
    assert contents(staging.wait("1.1")[0]) == {"o": b"XAYB"}
    assert len(server.requests) == 2
