"""FOLDER or URL: which words are links to a page, and where the token goes."""
from __future__ import annotations

import os

import pytest

from mfmesos.cli import run_place
from mfmesos.cli.run_place import is_page, place_and_task, without_token


@pytest.mark.parametrize(("word", "link"), [
    ("http://127.0.0.1:8080/?token=x", True), ("http://localhost:8080", True), ("http://[::1]:8080/", True),
    ("http://127.0.0.1:8080/data", False), ("https://127.0.0.1:8080/", False), ("http://example.org:8080/", False),
    ("http://127.0.0.1/", False), ("http://127.0.0.1:x/", False), ("http://[::1", False), ("out.dat", False),
    ("http://user@127.0.0.1:8080/", False), ("", False)])
def test_links(word: str, link: bool) -> None:
    """A URL in a task's command, of which a part may name the task, is none."""
    assert is_page(word) is link


def test_places() -> None:
    """A link comes first; other words name a task."""
    link = "http://127.0.0.1:8080/?token=x"
    assert place_and_task((link, "out", "dat")) == (link, "out dat")
    assert place_and_task((link,)) == (link, "")
    assert place_and_task(("http://127.0.0.1:8080/data",))[1] == "http://127.0.0.1:8080/data"


def test_the_token_leaves_the_command_line(monkeypatch) -> None:
    """Of the commands that ask pages; the same program starts with the same arguments, and with the token in its
    environment. Nothing else is started again.
    """
    started = []
    monkeypatch.setattr(os, "execve", lambda *call: started.append(call))
    own = b"python\0-m\0mfmesos\0why\0http://127.0.0.1:80/?a=b&token=s\0" + "größe".encode() + b"\0"
    environ = {"HOME": "/"}
    run_place._start_again(own, environ)
    (_, words, given), = started
    assert words == ["python", "-m", "mfmesos", "why", "http://127.0.0.1:80/?a=b", "größe"]
    assert given == {"HOME": "/", "MFMESOS_PAGE_TOKEN": "s"}
    for argv in (["run", "http://127.0.0.1:80/?token=s"], ["why", "wget http://x/?token=s"], ["top"], []):
        run_place.hide_token(argv)
    assert len(started) == 1
    assert without_token("http://127.0.0.1:80/?token=s") == ("http://127.0.0.1:80/", "s")
