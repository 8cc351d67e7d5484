"""Inputs on web servers, as the scheduler sees them: asked once, without waiting, and compared."""
from __future__ import annotations

import threading
from pathlib import Path

import pytest
from support import wait_until
from webserver import Page, WebServer, web_server

from mfmesos.core import events as ev
from mfmesos.core.model import Remote, Task
from mfmesos.engines.stager import Stager
from mfmesos.shared.webrequest import UNKNOWN, Hope, Version, WebError
from mfmesos.staging import remotes as module
from mfmesos.staging.input_errors import InputError
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.remotes import AGAIN_S, AT_ONCE, Remotes, ask, stamp, version_in

V1 = Version('"1"', 3)


@pytest.fixture
def server():
    with web_server() as found:
        yield found


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Asked:
    """In place of `ask`: answers by URL; an exception is raised."""

    def __init__(self, **answers: Version | WebError) -> None:
        self.answers = answers
        self.calls: list[str] = []

    def __call__(self, url: str) -> Version:
        self.calls.append(url)
        answer = self.answers[url.rpartition("/")[2]]
        if isinstance(answer, WebError):
            raise answer
        return answer


def known(remotes: Remotes, url: str) -> Version:
    remotes.ask_all([url])
    return remotes.version(url)


def failed(remotes: Remotes, url: str) -> str:
    with pytest.raises(WebError) as e:
        known(remotes, url)
    return str(e.value)


# --- one question -------------------------------------------------------------------------------
def test_a_head_is_enough(server: WebServer) -> None:
    """One request, without the content."""
    server.pages["/a"] = Page(b"abc", '"1"')
    assert ask(f"{server.url}/a") == V1
    assert [r.method for r in server.requests] == ["HEAD"]


@pytest.mark.parametrize("status", [403, 405, 501])
def test_a_server_without_head(server: WebServer, status: int) -> None:
    """The first byte tells the same, as of a URL that is signed for GET alone."""
    server.pages["/a"] = Page(b"abc", '"1"', head=status)
    assert ask(f"{server.url}/a") == V1
    assert [r.headers.get("Range") for r in server.requests] == [None, "bytes=0-0"]


def test_neither_head_nor_ranges(server: WebServer) -> None:
    """The head of a whole answer does; its body is not read."""
    server.pages["/a"] = Page(b"abc" * 10_000_000, "", "Mon, 1 Jan", head=405, ranges=False)
    assert ask(f"{server.url}/a") == Version("Last-Modified Mon, 1 Jan", 30_000_000)


def test_an_empty_file(server: WebServer) -> None:
    """It has no first byte."""
    server.pages["/a"] = Page(b"", '"1"', head=405)
    assert ask(f"{server.url}/a") == Version('"1"', 0)


def test_no_size(server: WebServer) -> None:
    """A server that sends no size has one version by its ETag."""
    server.pages["/a"] = Page(b"abc", '"1"', length=False, ranges=False)
    assert ask(f"{server.url}/a") == Version('"1"', UNKNOWN)


def test_no_version(server: WebServer) -> None:
    """Neither ETag nor Last-Modified: a change would not be noticed, so a sha256 is needed."""
    server.pages["/a"] = Page(b"abc")
    with pytest.raises(WebError, match=r"sends neither ETag nor Last-Modified.*give the input's sha256"):
        ask(f"{server.url}/a")


@pytest.mark.parametrize("status", [404, 410, 500])
def test_a_get_would_end_the_same_way(server: WebServer, status: int) -> None:
    """No second request for a file that does not exist or a server with a problem."""
    server.pages["/a"] = Page(b"abc", '"1"', head=status)
    with pytest.raises(WebError, match=f"HTTP {status}"):
        ask(f"{server.url}/a")
    assert len(server.requests) == 1


# --- many questions -----------------------------------------------------------------------------
def test_asked_once(server: WebServer, tmp_path: Path) -> None:
    """5,000 tasks with the same two URLs: two requests, and every task gets its input."""
    server.pages = {"/a": Page(b"abc", '"1"'), "/b": Page(b"", '"2"')}
    posted: list[ev.Event] = []
    stager = Stager(tmp_path, InputIndex(tmp_path), lambda *events: posted.extend(events))
    urls = {"a": Remote(f"{server.url}/a"), "b": Remote(f"{server.url}/b")}
    stager.submit_all(Task(i, "x", urls=urls) for i in range(5000))
    wait_until(lambda: len(posted) == 5000, 60, "all tasks")
    stager.close()
    assert {type(event) for event in posted} == {ev.TaskSubmitted}
    assert {tuple((i.name, i.tag, i.size) for i in event.inputs) for event in posted} == {
        (("a", '"1"', 3), ("b", '"2"', 0))}
    assert len(server.requests) == 2


def test_bounded(server: WebServer) -> None:
    """Never more than AT_ONCE requests at a time."""
    gate = threading.Event()
    server.pages = {f"/{i}": Page(b"abc", f'"{i}"', wait=gate) for i in range(50)}
    remotes, done = Remotes(), threading.Event()
    remotes.begin((f"{server.url}/{i}" for i in range(50)), done.set)
    wait_until(lambda: server.open == AT_ONCE, 20, "as many as allowed")
    gate.set()
    assert done.wait(20)
    assert (server.most_open, len(server.requests)) == (AT_ONCE, 50)
    assert remotes.version(f"{server.url}/7").tag == '"7"'


def test_a_slow_server_delays_nobody(server: WebServer, tmp_path: Path) -> None:
    """Neither tasks without URLs nor files to be hashed wait for it; its task is submitted when it answers."""
    gate = threading.Event()
    server.pages["/a"] = Page(b"abc", '"1"', wait=gate)
    (tmp_path / "folder").mkdir()
    posted: list[ev.Event] = []
    stager = Stager(tmp_path, InputIndex(tmp_path), lambda *events: posted.extend(events), threads=1)
    slow = Remote(f"{server.url}/a")
    stager.submit_all([*(Task(i, "x", urls={"a": slow}) for i in range(1, 9)), Task(10, "x", ("folder",)),
                       Task(11, "x"), Task(12, "x", urls={"a": Remote("http://nobody.invalid/", "0" * 64)})])
    wait_until(lambda: {10, 11, 12} <= {event.task.id for event in posted}, 20, "the others")
    assert len(posted) == 3
    gate.set()
    wait_until(lambda: len(posted) == 11, 20, "all")
    stager.close()


def test_the_end_waits_for_no_server(server: WebServer, tmp_path: Path) -> None:
    """A server that never answers holds up neither the stager's end nor whoever waits."""
    server.pages["/a"] = Page(wait=threading.Event())
    index = InputIndex(tmp_path)
    stager = Stager(tmp_path, index, lambda *events: None)
    stager.submit(Task(1, "x", urls={"a": Remote(f"{server.url}/a")}))
    waiting = threading.Thread(target=index.remotes.ask_all, args=([f"{server.url}/a"],), daemon=True)
    waiting.start()
    wait_until(lambda: server.requests, 20, "the request")
    stager.close()
    waiting.join(10)
    assert not waiting.is_alive()


def test_a_failure_counts_for_a_while() -> None:
    """Final at once; asked again later, when the next task needs it. An answer counts for the whole run."""
    clock, asked = Clock(), Asked(gone=WebError("gone", Hope.NOWHERE, 404), there=V1)
    remotes = Remotes(asked, clock, (0.0, 0.0))
    assert [failed(remotes, "http://h/gone") for _ in range(3)] == ["gone"] * 3
    assert known(remotes, "http://h/there") == V1
    clock.now += AGAIN_S
    asked.answers = {"gone": V1, "there": Version("other")}
    assert known(remotes, "http://h/gone") == V1
    clock.now += 1e6
    assert known(remotes, "http://h/there") == V1
    assert asked.calls == ["http://h/gone", "http://h/there", "http://h/gone"]


def test_a_server_with_a_problem() -> None:
    """Tried again after pauses; each URL for itself."""
    asked = Asked(a=WebError("HTTP 500", Hope.HERE, 500), b=V1)
    remotes = Remotes(asked, Clock(), (0.0, 0.0))
    assert failed(remotes, "http://h/a") == "HTTP 500"
    assert known(remotes, "http://h/b") == V1
    assert asked.calls == ["http://h/a"] * 3 + ["http://h/b"]


def test_a_server_that_does_not_answer() -> None:
    """A thousand URLs of a dead server cost the patience for one; other servers and later times are not concerned."""
    clock, dead = Clock(), WebError("nobody", Hope.HERE)
    asked = Asked(a=dead, b=dead, there=V1)
    remotes = Remotes(asked, clock, (0.0, 0.0))
    assert failed(remotes, "http://h/a") == "nobody"
    assert failed(remotes, "http://me:pw@h/b") == "nobody"
    assert known(remotes, "http://other/there") == V1
    assert asked.calls == ["http://h/a"] * 3 + ["http://other/there"]
    clock.now += AGAIN_S
    asked.answers["b"] = V1
    assert known(remotes, "http://me:pw@h/b") == V1


def test_what_an_earlier_scheduler_asked() -> None:
    """Its answer stands, unless this one has asked already."""
    asked = Asked(a=V1)
    remotes = Remotes(asked)
    remotes.adopt("http://h/b", Version("2"))
    assert known(remotes, "http://h/b") == Version("2")
    assert known(remotes, "http://h/a") == V1
    remotes.adopt("http://h/a", Version("2"))
    assert remotes.version("http://h/a") == V1


# --- staged -------------------------------------------------------------------------------------
def test_staged_inputs(tmp_path: Path) -> None:
    """With a sha256 nobody is asked and the size is unknown; else the answer counts, and its size for estimates."""
    index = InputIndex(tmp_path)
    index.remotes = Remotes(Asked(b=V1))
    pinned, asked = index.stage(Task(1, "x", urls={
        "./a": Remote("http://u:p@h/a", "ab" * 32), "b": Remote("http://h/b")}))
    assert (pinned.name, pinned.digest, pinned.size, pinned.tag, pinned.url) == (
        "a", "ab" * 32, UNKNOWN, "", "http://u:p@h/a")
    assert (asked.name, asked.size, asked.tag) == ("b", 3, '"1"')
    other = InputIndex(tmp_path)
    other.remotes = Remotes(Asked(b=Version('"1"', 4)))
    assert other.stage(Task(1, "x", urls={"b": Remote("http://h/b")}))[0].digest != asked.digest


def test_a_refused_task(tmp_path: Path) -> None:
    """In one line with the input's name."""
    index = InputIndex(tmp_path)
    index.remotes = Remotes(Asked(a=WebError("http://h/a: HTTP 404 (Not Found)", Hope.NOWHERE, 404)))
    with pytest.raises(InputError) as e:
        index.stage(Task(1, "x", urls={"in": Remote("http://h/a")}))
    assert str(e.value) == "input in is not available: http://h/a: HTTP 404 (Not Found)"


def test_stamps() -> None:
    """They hold no URL, tell URLs apart but not passwords, and keep the version."""
    for version in (V1, Version("Last-Modified Mon, 1 Jan", UNKNOWN)):
        text = stamp("https://u:secret@h/a?k=secret", version)
        assert "secret" not in text
        assert "h/a" not in text
        assert version_in(text, "https://me:new@h/a?k=secret") == version
        assert version_in(text, "https://h/a?k=other") is None
    for text in ("", "12 34", "url", "url x", "ab" * 32):
        assert version_in(text, "https://h/a") is None


def test_patience_is_bounded() -> None:
    """A dead server delays a rerun by less than two minutes."""
    assert (len(module.PAUSES_S) + 1) * module.ASK_S + sum(module.PAUSES_S) < 120
