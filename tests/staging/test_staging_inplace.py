"""Files in shared folders as the scheduler sees them: staged as such, published as ever, and marked."""
from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mfmesos.core.model import Task
from mfmesos.shared import wire
from mfmesos.staging.check import OutputCheck
from mfmesos.staging.deliveries import Deliveries
from mfmesos.staging.inplace import InPlace
from mfmesos.staging.input_errors import InputError
from mfmesos.staging.inputs import CHUNK, InputIndex
from mfmesos.staging.publish_errors import PublishError
from mfmesos.store.markers import FILE, Markers, markers_in


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A shared folder with a workflow's folder in it."""
    (tmp_path / "share/wf").mkdir(parents=True)
    return tmp_path / "share"


def index_of(share: Path, workdir: Path | None = None) -> InputIndex:
    return InputIndex(workdir or share / "wf", shared=[str(share)])


# --- inputs -------------------------------------------------------------------------------------
def test_large_files_are_not_read(share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their size and time stand for them, and so for everything in a folder; small files have their digest."""
    big, small = share / "wf/big", share / "wf/small"
    big.write_bytes(b"x" * (CHUNK + 1))
    small.write_bytes(b"x")
    os.utime(small, (1e9, 1e9))
    (share / "wf/d").mkdir()
    (share / "wf/d/x").write_bytes(b"1")
    monkeypatch.setattr(InputIndex, "_manifest", None)
    staged = {i.name: i for i in index_of(share).stage(Task(1, "x", ("big", "small", "d", str(share / "wf/big"))))}
    assert set(staged) == {"big", "small", "d"}
    assert {i.in_place for i in staged.values()} == {str(share / "wf" / n) for n in staged}
    assert (staged["big"].size, staged["big"].tag) == (CHUNK + 1, staged["big"].stamp)
    assert (staged["small"].tag, len(staged["small"].digest)) == ("", 64)
    assert (staged["d"].kind, staged["d"].size) == ("dir", 1)
    again = {i.name: i for i in index_of(share).stage(Task(1, "x", ("big", "d")))}
    assert again["big"] == staged["big"]
    os.utime(big, (2e9, 2e9))
    (share / "wf/d/x").write_bytes(b"22")
    later = {i.name: i for i in index_of(share).stage(Task(1, "x", ("big", "d")))}
    assert later["big"].digest != staged["big"].digest
    assert later["d"].digest != staged["d"].digest


def test_what_lies_elsewhere_is_staged(share: Path, tmp_path: Path) -> None:
    """A workflow beside the shared folder: its own files are staged, absolute names in the folder are not."""
    (tmp_path / "wf").mkdir()
    (tmp_path / "wf/a").write_text("1")
    (share / "b").write_text("1")
    index = index_of(share, tmp_path / "wf")
    staged = index.stage(Task(1, "x", ("a", str(share / "b"))))
    assert [i.in_place for i in staged] == ["", str(share / "b")]
    assert index_of(share, tmp_path / "wf").in_place.used_by(Task(1, "x", ("a",))) == ()
    assert index.in_place.used_by(Task(1, "x", ("a",), env={"REF": f"{share}/b"})) == (str(share),)


def test_a_folder_that_holds_an_output_is_staged(share: Path) -> None:
    """A link to it would let the task write into the user's own folder."""
    (share / "wf/d/s").mkdir(parents=True)
    (share / "wf/d/x").write_text("1")
    (share / "wf/a").write_text("1")
    staged = index_of(share).stage(Task(1, "x", ("d", "a"), ("d/s/out",)))
    assert {i.name: bool(i.in_place) for i in staged} == {"d": False, "a": True}


def test_links_that_lead_out(share: Path, tmp_path: Path) -> None:
    """Of inputs and outputs: refused, with the path. Links within the shared folder are followed."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x").write_text("1")
    (share / "wf/l").symlink_to(tmp_path / "outside/x")
    (share / "wf/in").symlink_to(share / "y")
    (share / "y").write_text("1")
    (share / "res").symlink_to(tmp_path / "outside")
    index = index_of(share)
    with pytest.raises(InputError, match=r"input l: .*/wf/l is a symbolic link that leads out of the shared folder"):
        index.stage(Task(1, "x", ("l",)))
    assert index.stage(Task(1, "x", ("in",)))[0].in_place == str(share / "wf/in")
    assert "leads out of the shared folder" in index.outputs_problem(Task(1, "x", (), (str(share / "res/o"),)))
    assert index.outputs_problem(Task(1, "x", (), (str(share / "new/o"),))) == ""
    assert "outside" in index.outputs_problem(Task(1, "x", (), (str(tmp_path / "outside/o"),)))


def test_own_files_stay_refused(share: Path) -> None:
    """The workflow's own files and mfmesos's folder are no outputs, under any name."""
    check = OutputCheck(share / "wf", ["tasks.jsonl"], InPlace(share / "wf", [str(share)]))
    for name in (".mfmesos/x", "tasks.jsonl", str(share / "wf/.mfmesos/x"), str(share / "wf/tasks.jsonl")):
        assert check.problem(Task(1, "x", (), (name,))), name


# --- outputs ------------------------------------------------------------------------------------
class Placing:
    """What an executor does that shares the folder."""

    def __init__(self, share: Path) -> None:
        self.workdir = share / "wf"
        self.index = index_of(share)
        self.deliveries = self.new()

    def new(self, resume: bool = False) -> Deliveries:
        deliveries = Deliveries(self.workdir, inputs=self.index)
        deliveries.start(resume)
        return deliveries

    def put(self, attempt: str, **roots: str) -> None:
        for index, content in enumerate(roots.values()):
            (self.workdir / f".mfmesos/incoming/{attempt}-0.{index}").write_text(content)

    def result(self, attempt: str = "1.1") -> wire.Result:
        result = wire.Result(attempt, wire.FINISHED, placed=True)
        found = self.deliveries.get("c", attempt)
        received = self.deliveries.unpack_result(found, result)
        if received is not None and found is not None:
            self.deliveries.commit(found, received, alone=True)
        return result

    def left(self) -> list[str]:
        return sorted(p.name for p in (self.workdir / ".mfmesos/incoming").iterdir())


@pytest.fixture
def placing(share: Path) -> Placing:
    return Placing(share)


def test_placed_outputs_are_published(placing: Placing) -> None:
    """By renaming; a result that is sent twice changes nothing."""
    placing.deliveries.permit("c", "1.1", (), ("a", "d/b"))
    placing.put("1.1", a="1", b="2")
    assert placing.result().outcome == wire.FINISHED
    assert placing.result().outcome == wire.FINISHED
    placing.deliveries.publish(placing.deliveries.take("1.1"))
    placing.deliveries.settle("1.1")
    assert (placing.workdir / "a").read_text() == "1"
    assert (placing.workdir / "d/b").read_text() == "2"
    assert placing.left() == []


def test_not_as_announced(placing: Placing, tmp_path: Path) -> None:
    """A missing root, a link, or a link in a folder: the result counts as broken, and nothing is published."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    for spoil in ("missing", "link", "inner"):
        placing.deliveries.permit("c", "1.1", (), ("a", "b"))
        placing.put("1.1", a="1", b="2")
        path = placing.workdir / ".mfmesos/incoming/1.1-0.1"
        path.unlink()
        if spoil == "link":
            path.symlink_to(secret)
        elif spoil == "inner":
            path.mkdir()
            (path / "l").symlink_to(secret)
        result = placing.result()
        assert result.outcome == wire.BROKEN
        assert "not as announced" in result.reason
        placing.deliveries.withdraw_permit("1.1")
        assert placing.left() == []
    assert secret.read_text() == "x"
    with pytest.raises(PublishError):
        placing.deliveries.take("1.1")


def test_a_workflow_that_is_not_shared(tmp_path: Path) -> None:
    """Whoever says so has put nothing there."""
    (tmp_path / "wf").mkdir()
    deliveries = Deliveries(tmp_path / "wf")
    deliveries.start()
    attempt = deliveries.permit("c", "1.1", (), ("a",))
    (tmp_path / "wf/.mfmesos/incoming/1.1-0.0").write_text("x")
    result = wire.Result("1.1", wire.FINISHED, placed=True)
    assert deliveries.unpack_result(attempt, result) is None
    assert result.outcome == wire.BROKEN


def test_a_late_attempt(placing: Placing) -> None:
    """An attempt without a permit publishes nothing, whatever it puts there; the end of the run removes it."""
    placing.deliveries.permit("c", "1.1", (), ("a",))
    placing.deliveries.withdraw_permit("1.1")
    placing.put("1.1", a="late")
    placing.result()
    assert not (placing.workdir / "a").exists()
    placing.deliveries.stop()
    assert not (placing.workdir / ".mfmesos/incoming").exists()


def test_the_next_scheduler(placing: Placing) -> None:
    """It finds what executors put there before and while it started, and removes what belongs to no attempt."""
    placing.deliveries.permit("c", "1.1", (), ("a",))
    placing.deliveries.permit("c", "2.1", (), ("b",))
    placing.put("1.1", a="1")
    placing.result("1.1")
    placing.put("2.1", b="2")
    placing.put("9.1", c="3")
    placing.deliveries = placing.new(resume=True)
    for number, name in (("1.1", "a"), ("2.1", "b")):
        placing.deliveries.permit("c", number, (), (name,))
    placing.deliveries.forget_kept()
    for number in ("1.1", "2.1"):
        assert placing.result(number).outcome == wire.FINISHED
        placing.deliveries.publish(placing.deliveries.take(number))
        placing.deliveries.settle(number)
    assert (placing.workdir / "a").read_text() == "1"
    assert (placing.workdir / "b").read_text() == "2"
    assert placing.left() == []


# --- markers ------------------------------------------------------------------------------------
def test_markers(share: Path, tmp_path: Path) -> None:
    """Written for this user alone, the same by each scheduler of a run, and gone with it; one of an earlier run that
    was killed goes with the next."""
    state = tmp_path / "state"
    state.mkdir()
    warned: list[str] = []
    killed = Markers(state, [str(share)], "old")
    assert killed.write(warned.append) == {str(share): ".mfmesos-shared-old"}
    first = Markers(state, [str(share)], "new")
    found = first.write(warned.append)
    assert Markers(state, [str(share)], "new").write(warned.append) == found
    (marker,) = share.glob(".mfmesos-*")
    assert (marker.name, marker.stat().st_mode & 0o777) == (found[str(share)], 0o600)
    assert markers_in(state) == [marker]
    first.remove()
    assert not list(share.glob(".mfmesos-*"))
    assert not (state / FILE).exists()
    assert warned == []


def test_a_folder_without_a_marker(tmp_path: Path) -> None:
    """A folder that cannot be written is used all the same, and reported."""
    warned: list[str] = []
    markers = Markers(tmp_path, [str(tmp_path / "gone")], "x")
    assert markers.write(warned.append) == {str(tmp_path / "gone"): ""}
    assert "no marker can be written in the shared folder" in warned[0]
    markers.remove()


def test_only_markers_are_removed(tmp_path: Path) -> None:
    """Whatever somebody wrote into the list."""
    (tmp_path / "precious").write_text("x")
    for listed in ([str(tmp_path / "precious"), 1, None, "a\0b"], {"a": 1}, "x"):
        (tmp_path / FILE).write_text(json.dumps(listed))
        Markers(tmp_path, [], "x").write(lambda _: None)
        assert not (tmp_path / FILE).exists()
    assert (tmp_path / "precious").exists()
