"""What users read of an error of the operating system, and of texts that are too long."""
from __future__ import annotations

import http.client
import os
import socket

import pytest

from mfmesos.core.reasons import explain
from mfmesos.launchers.binaries import find_makeflow
from mfmesos.shared.phrases import printable, shortened
from mfmesos.shared.plainerrors import plain, reason


@pytest.mark.parametrize(("error", "text"), [
    (PermissionError(13, "Permission denied", "/a/b"), "/a/b: Permission denied (check that you may use it)"),
    (OSError(18, "Invalid cross-device link", "a", None, "b"), "a and b: Invalid cross-device link"),
    (OSError(98, "cannot listen on h port 1: Address already in use"),
     "cannot listen on h port 1: Address already in use (choose another port)"),
    (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
    (OSError("[Errno 5] in the words of a library"), "in the words of a library"),
    (TimeoutError(), "TimeoutError"), (ValueError("another kind"), "another kind")])
def test_file_reason_and_cure(error: Exception, text: str) -> None:
    """One line without the number, which means nothing to users."""
    assert plain(error) == text


@pytest.mark.parametrize(("error", "text"), [
    (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
    (http.client.BadStatusLine("no\nstatus"), "no status"),
    (http.client.RemoteDisconnected("Remote end closed connection without response"),
     "Remote end closed connection without response"),
    (http.client.ImproperConnectionState(), "ImproperConnectionState"), (ValueError("two\n lines"), "two lines")])
def test_the_reason_alone(error: Exception, text: str) -> None:
    """As part of a sentence that has the name already: one line, never empty."""
    assert reason(error) == text


def test_the_end_is_never_cut() -> None:
    """The end matters most: in Mesos's messages, in commands, in names."""
    path = "/var/lib/mesos/" + "x" * 500
    assert explain("TASK_FAILED", "", f"Failed to make '{path}': No such user 'me'").endswith("No such user 'me')")
    assert shortened("a" * 100 + "\n the end", 20) == "a" * 9 + "…aa the end"
    assert printable("a" * 2000 + "end", 11) == "aaaaa…aaend"
    assert printable(b"a" * 2000 + b"end", 11) == "aaaaa…aaend"


def test_a_folder_on_path_that_may_not_be_entered(tmp_path, monkeypatch) -> None:
    """As `su USER` leaves root's: it is passed over."""
    real = os.stat

    def stat(path, *args, **more):
        if str(path).startswith("/root/bin"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **more)

    monkeypatch.setattr(os, "stat", stat)
    program = tmp_path / "makeflow"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    assert find_makeflow({"PATH": f"/root/bin:{tmp_path}"}) == program


def test_printable_text_is_fit_for_a_terminal():
    """What is not printable is escaped or replaced, bytes and half surrogates too."""
    assert printable("a\x1b[1m\nb") == r"a\x1b[1m\nb"
    assert printable("a\x1b\nb", instead="?") == "a??b"
    assert printable("\ud800") == r"\ud800"
    assert printable(b"\xff") == r"\udcff"
    assert printable("a" * 2000, 0) == "a" * 2000
