"""Large files that the first task needs are copied while the executor starts."""
from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from mfmesos_executor import first_copies as module
from mfmesos_executor.first_copies import FirstCopies, begin
from support import wait_until

from mfmesos.shared.samehost import Place, kernel, place_of

CONTENT = b"content " * 1000


@pytest.fixture(autouse=True)
def least(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large."""
    monkeypatch.setattr(module, "LEAST_BYTES", 1000)


def place(path: Path, content: bytes = CONTENT) -> Place:
    path.write_bytes(content)
    return place_of(str(path), path.stat(), kernel())


def folder(tmp_path: Path) -> Path:
    made = tmp_path / "sandbox"
    made.mkdir()
    return made


def nothing() -> None:
    """Nobody cancels."""


def ended(copies: FirstCopies) -> None:
    """Its thread has nothing more to do."""
    wait_until(lambda: not copies._waiting, 20, "the rest to be removed")


def test_the_same_version(tmp_path: Path) -> None:
    """It is given once; the next who asks makes a copy of its own."""
    where, first, second = folder(tmp_path), place(tmp_path / "a"), place(tmp_path / "b", CONTENT[::-1])
    copies = FirstCopies(str(where), [first, second])
    for one, name in ((second, "2"), (first, "1")):
        assert copies.take(one, str(tmp_path / name), nothing)
        assert (tmp_path / name).read_bytes() == Path(one.path).read_bytes()
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
        assert not copies.take(one, str(tmp_path / "again"), nothing)
    assert list(where.iterdir()) == []
    assert not (tmp_path / "again").exists()


def test_another_version(tmp_path: Path) -> None:
    """A file that has changed since it was named: what the attempt is shown is another place."""
    path = tmp_path / "in"
    copies = FirstCopies(str(folder(tmp_path)), [place(path)])
    assert not copies.take(place(path, CONTENT[::-1]), str(tmp_path / "got"), nothing)
    assert not (tmp_path / "got").exists()
    copies.stop()


def test_what_nobody_asks_for_is_removed(tmp_path: Path) -> None:
    where = folder(tmp_path)
    copies = FirstCopies(str(where), [place(tmp_path / "in")], left_s=0.0)
    ended(copies)
    assert list(where.iterdir()) == []


@pytest.mark.parametrize("change", [
    {"kernel": "another"}, {"inode": 1}, {"size": 5}, {"size": "many"}, {"size": 5000}, {"mtime_ns": 5},
    {"path": "/gone"}, {"path": "/"}, {"path": "/dev/zero"}, {"path": "a\0b"}, {"path": 5}, {"path": None}],
    ids=lambda change: "-".join(map(str, *change.items())))
def test_what_is_not_copied(tmp_path: Path, change: dict[str, Any]) -> None:
    """Files of other machines, small ones, those that are not there or are others, and nonsense: nobody waits for
    them, and nothing is left; what comes after them is copied.
    """
    where, good = folder(tmp_path), place(tmp_path / "in")
    bad = Place(**{**vars(good), **change})
    copies = FirstCopies(str(where), [bad, good])
    assert not copies.take(bad, str(tmp_path / "got"), nothing)
    assert copies.take(good, str(tmp_path / "got"), nothing)
    assert list(where.iterdir()) == []


class Held:
    """Copies that go on until they may end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        real = module.copy_of

        def copy_of(place: Place, to_fd: int, look: Any) -> bool:
            self.begun.set()
            assert self.go.wait(30)
            look()
            return real(place, to_fd, look)
        monkeypatch.setattr(module, "copy_of", copy_of)


def test_killed_while_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The attempt's own look ends its wait; another attempt can have the copy."""
    held, wanted = Held(monkeypatch), place(tmp_path / "in")
    copies = FirstCopies(str(folder(tmp_path)), [wanted])

    def look() -> None:
        raise KeyError
    with pytest.raises(KeyError):
        copies.take(wanted, str(tmp_path / "got"), look)
    held.go.set()
    assert copies.take(wanted, str(tmp_path / "got"), nothing)


def test_the_end_of_the_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits any longer, and no file appears in a folder that is being removed."""
    held, where, wanted = Held(monkeypatch), folder(tmp_path), place(tmp_path / "in")
    copies = FirstCopies(str(where), [wanted, place(tmp_path / "next")])
    assert held.begun.wait(20)
    copies.stop()
    assert not copies.take(wanted, str(tmp_path / "got"), nothing)
    held.go.set()
    ended(copies)
    assert list(where.iterdir()) == []


@pytest.mark.parametrize("named", ["", "x", "{}", "[1]", "[{}]", '[{"kernel": 1}]', "[" * 9000])
def test_nonsense(tmp_path: Path, named: str) -> None:
    """What came with the archive hinders no executor."""
    copies = begin(named, {"MESOS_SANDBOX": str(tmp_path / "none")})
    assert not copies.take(place(tmp_path / "in"), str(tmp_path / "got"), nothing)
    assert os.listdir(tmp_path) == ["in"]


def test_begun(tmp_path: Path) -> None:
    """In the executor's own folder, which others cannot enter."""
    where, wanted = folder(tmp_path), place(tmp_path / "in")
    copies = begin(json.dumps([vars(wanted)]), {"MESOS_SANDBOX": str(where)})
    assert copies.take(wanted, str(tmp_path / "got"), nothing)
    assert (where / ".mfmesos").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "got").read_bytes() == CONTENT
