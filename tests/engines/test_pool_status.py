"""What `mfmesos pool --status` shows."""
from __future__ import annotations

import io

import pytest
from rich.console import Console

from mfmesos.engines.pool_status import Row, Status, show

LONG = Row("assembly", "login1.cluster.example.org", 9123, 1200, 64, 400, 64, 8, 1, 7, 0, 1, "its share is 64 cores")
STATUS = Status(0.0, (LONG, Row("x", "10.20.30.40", 1025, 6, 2, 8, 2, 2, 0, 2, 1, 0, "")),
                "8 cores, 16000 MB memory", 64)


class Terminal(Console):
    is_terminal = True  # type: ignore[assignment]


def shown(kind: type[Console], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The table's lines, without the title."""
    out = io.StringIO()
    monkeypatch.setattr("rich.console.Console", lambda width=80: kind(width=width, color_system=None, file=out))
    show(STATUS, lambda line: None, lambda: 0.0)
    return out.getvalue().splitlines()[1:]


def test_in_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses, numbers and "7 connected" are whole; a long row has several lines."""
    lines = shown(Terminal, monkeypatch)
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("assembly") for line in lines)
    assert any(line.startswith("login1.cluster.example.org:9123 ") for line in lines)
    assert any(line.split() == ["x", "10.20.30.40:1025", "6", "2", "8", "2", "2", "2", "connected,"] for line in lines)
    assert any("7 connected," in line for line in lines)


def test_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each manager."""
    lines = shown(Console, monkeypatch)
    assert [line.split()[:2] for line in lines[1:]] == [
        ["assembly", "login1.cluster.example.org:9123"], ["x", "10.20.30.40:1025"]]
    assert lines[1].rstrip().endswith("1 unplaced, 7 connected, 1 draining")
