"""Shared folders at an agent: checked, linked, and outputs put where the scheduler looks for them."""
from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from executor_fakes import contents, run
from hypothesis import given
from hypothesis import strategies as st
from mfmesos_executor import shared_folders
from mfmesos_executor.client import Cancelled
from mfmesos_executor.outputs import Member
from mfmesos_executor.sandbox import Sandbox

from mfmesos.shared import wire
from mfmesos.shared.sharedfs import folder_of, path_of, used_by

MARKER = ".mfmesos-shared-x"
BIG = os.urandom(200_000)


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A shared folder with a workflow's folder in it."""
    (tmp_path / "share/wf/.mfmesos/incoming").mkdir(parents=True)
    (tmp_path / "share" / MARKER).touch()
    return tmp_path / "share"


def in_place(path: Path, name: str = "") -> wire.Input:
    found = path.stat()
    return wire.Input(name or path.name, "0" * 64, found.st_size if path.is_file() else 0,
                      kind="dir" if path.is_dir() else "file", mtime_ns=found.st_mtime_ns, in_place=str(path))


def shared_run(share: Path, command: str, inputs: list[wire.Input], outputs: list[str], **more: object) -> wire.Run:
    return run("1.1", command, inputs, outputs, str(share / "wf"), shared={str(share): MARKER},
               **{"place": f"{share}/wf/.mfmesos/incoming/1.1-0", **more})


def one(staging, message: wire.Run) -> wire.Result:
    staging.run(message)
    return staging.wait(message.attempt)[0]


def test_inputs_are_links_to_the_files(executor, staging, share: Path):
    """Files, folders and names above the working folder; a name in a linked folder needs no link; nothing is fetched,
    and absolute names in the command stay as they are."""
    (share / "wf/d/s").mkdir(parents=True)
    for name in ("wf/a", "wf/d/s/b", "up"):
        (share / name).write_text(f"{name}\n")
    items = [in_place(share / "wf/a"), in_place(share / "wf/d"), in_place(share / "wf/d/s/b", "d/s/b"),
             in_place(share / "up", "../up"), in_place(share / "up", str(share / "up"))]
    command = f"cat a d/s/b ../up {share}/up > o; readlink a d ../up >> o; echo {share}/wf/a {share}/up >> o"
    result = one(staging, shared_run(share, command, items, ["o"]))
    assert result.outcome == "finished", result.reason
    assert contents(result)["o"].decode() == (
        f"wf/a\nwf/d/s/b\nup\nup\n{share}/wf/a\n{share}/wf/d\n{share}/up\n{share}/wf/a {share}/up\n")
    assert staging.gets == []
    staging.let_go()
    executor.end()
    assert sorted(p.name for p in (share / "wf/d/s").iterdir()) == ["b"]


def test_an_agent_without_the_folder(executor, staging, share: Path):
    """No marker, or a folder that is missing: the attempt ends at once, with the folder, and nothing ran."""
    (share / MARKER).unlink()
    result = one(staging, shared_run(share, f"touch {share}/ran", [], []))
    assert (result.outcome, result.lacks, result.final) == ("broken", str(share), False)
    assert not (share / "ran").exists()
    message = shared_run(share, "true", [], [])
    message.attempt, message.shared = "2.1", {str(share / "gone"): ""}
    assert one(staging, message).lacks == str(share / "gone")
    message.attempt, message.shared = "3.1", {str(share): ""}  # the scheduler could not write a marker
    assert one(staging, message).outcome == "finished"


def test_a_file_server_that_hangs(share: Path, monkeypatch: pytest.MonkeyPatch):
    """Nothing waits for it for ever."""
    never = threading.Event()
    monkeypatch.setattr(shared_folders, "_is_here", lambda *_: never.wait(600))
    with pytest.raises(shared_folders.NotReady, match=r"did not answer within 0 s"):
        shared_folders.check(shared_run(share, "true", [], []), answer_s=0.05)
    never.set()


def test_an_input_that_differs(share: Path, tmp_path: Path):
    """Size, time, kind and existence are compared; a file server that shows the right state late is waited for."""
    path = share / "wf/a"
    path.write_text("12345")
    item = in_place(path)
    sandboxes = iter(range(99))

    def link(item: wire.Input, settle_s: float = 0.0, cancelled=lambda: False) -> Path:
        root = tmp_path / f"box{next(sandboxes)}"
        sandbox = Sandbox(str(root), shared_run(share, "true", [item], []))
        os.makedirs(sandbox.work)
        shared_folders.link_inputs(sandbox, cancelled, settle_s)
        return Path(sandbox.path("a"))

    assert link(item).read_text() == "12345"
    os.utime(path, ns=(0, item.mtime_ns // 10**9 * 10**9))
    link(item)  # a file server with whole seconds
    os.utime(path, ns=(0, item.mtime_ns + 5 * 10**9))
    with pytest.raises(shared_folders.NotReady, match=r"is not what the scheduler saw \(5 bytes of"):
        link(item)
    os.utime(path, ns=(0, item.mtime_ns))
    path.write_text("1234")
    with pytest.raises(shared_folders.NotReady, match=r"\(4 bytes of .*, not 5 bytes"):
        link(item)
    path.unlink()
    with pytest.raises(shared_folders.NotReady, match=r"No such file"):
        link(item)
    path.mkdir()
    with pytest.raises(shared_folders.NotReady, match=r"\(a folder, not 5 bytes"):
        link(item)
    path.rmdir()
    with pytest.raises(Cancelled):
        link(item, 600.0, lambda: True)

    def appears() -> bool:
        path.write_text("12345")
        os.utime(path, ns=(0, item.mtime_ns))
        return False

    assert link(item, 60.0, appears).read_text() == "12345"


def test_a_changed_input_is_no_agents_fault(executor, staging, share: Path, monkeypatch: pytest.MonkeyPatch):
    """It ends after a few seconds, as a cause outside of the cluster."""
    (share / "wf/a").write_text("1")
    item = in_place(share / "wf/a")
    (share / "wf/a").write_text("22")
    result = one(staging, shared_run(share, "true", [item], []))
    assert (result.outcome, result.outside, result.lacks) == ("broken", True, "")
    assert f"input a: {share}/wf/a on the agent is not what the scheduler saw" in result.reason


def test_large_outputs_are_put_in_place(executor, staging, share: Path):
    """Every root with its number, in the order of the outputs, modes and times kept; nothing is sent, nothing else is
    written."""
    (share / "wf/in").write_bytes(BIG)
    command = "cp in big; chmod 750 big; touch -d @1000 big; mkdir -p d/e d/s; cp in d/s/x; echo 1 > small"
    result = one(staging, shared_run(share, command, [in_place(share / "wf/in")], ["big", "d", "small"]))
    assert (result.outcome, result.placed, result.tar) == ("finished", True, None)
    assert staging.puts == {}
    incoming = share / "wf/.mfmesos/incoming"
    assert sorted(p.name for p in incoming.iterdir()) == ["1.1-0.0", "1.1-0.1", "1.1-0.2"]
    found = (incoming / "1.1-0.0").stat()
    assert (found.st_mode & 0o777, found.st_mtime) == (0o750, 1000.0)
    assert (incoming / "1.1-0.1/s/x").read_bytes() == BIG
    assert (incoming / "1.1-0.1/e").is_dir()
    assert (incoming / "1.1-0.2").read_text() == "1\n"
    assert sorted(p.name for p in (share / "wf").iterdir()) == [".mfmesos", "in"]


@pytest.mark.parametrize("others", [[], ["small"], ["big", "small"]])
def test_temporary_outputs_stay_in_the_claim(executor, staging, share: Path, others: list[str]):
    """They are not put into the shared folder, and are kept whatever becomes of the outputs beside them."""
    (share / "wf/in").write_bytes(BIG)
    result = one(staging, shared_run(share, "cp in t; cp in big; echo 1 > small", [in_place(share / "wf/in")],
                                     ["t", *others], temporary=["t"]))
    assert (result.outcome, result.placed) == ("finished", "big" in others)
    assert [(kept.name, kept.size) for kept in result.kept] == [("t", len(BIG))]
    placed = sorted(p.read_bytes()[:9] for p in (share / "wf/.mfmesos/incoming").iterdir())
    assert placed == (sorted((b"1\n", BIG[:9])) if result.placed else [])
    assert staging.puts == {}


@pytest.mark.parametrize("spoil", ["gone", "link"])
def test_outputs_that_cannot_be_put_there_are_sent(executor, staging, share: Path, spoil: str):
    """Another user's incoming folder, or links, whose targets are checked on arrival."""
    (share / "wf/in").write_bytes(BIG)
    if spoil == "gone":
        (share / "wf/.mfmesos/incoming").rmdir()
    command = "mkdir d; cp in d/x; " + ("ln -s x d/l" if spoil == "link" else "true")
    result = one(staging, shared_run(share, command, [in_place(share / "wf/in")], ["d"]))
    assert (result.outcome, result.placed) == ("finished", False)
    assert list(staging.puts) == ["1.1"]
    assert not list((share / "wf").glob(".mfmesos/incoming/*"))


def test_a_full_disk_leaves_nothing(share: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All outputs or none."""
    for name in "ab":
        (tmp_path / name).write_bytes(BIG)
    members = [Member(n, str(tmp_path / n), len(BIG), 0o644, False) for n in "ab"]
    real = shared_folders.copy_file

    def full(source: str, target: str, mode: int, mtime_ns: int = 0) -> None:
        real(source, target, mode, mtime_ns=mtime_ns)
        if source.endswith("b"):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(shared_folders, "copy_file", full)
    stem = f"{share}/wf/.mfmesos/incoming/1.1-0"
    message, result = shared_run(share, "true", [], [], place=stem), wire.Result("1.1", wire.FINISHED)
    with pytest.raises(OSError, match="No space"):
        shared_folders.place_outputs(members, message, result, lambda: False)
    with pytest.raises(Cancelled):
        shared_folders.place_outputs(members, message, result, lambda: True)
    assert not result.placed
    assert list((share / "wf/.mfmesos/incoming").iterdir()) == []


def test_outputs_that_the_command_writes_itself(executor, staging, share: Path):
    """An absolute name outside of the workflow's folder is neither rewritten nor sent; without it the task fails."""
    target = share / "res/x"
    target.parent.mkdir()
    message = shared_run(share, f"echo 1 > {target}; echo 2 > o", [], ["o", str(target)], stay=[str(target)])
    result = one(staging, message)
    assert contents(result) == {"o": b"2\n"}
    assert target.read_text() == "1\n"
    target.unlink()
    message = shared_run(share, "echo 2 > o", [], ["o", str(target)], stay=[str(target)])
    message.attempt = "2.1"
    assert one(staging, message).missing_outputs == [str(target)]


# --- names ---------------------------------------------------------------------------------------
NAME = st.text(st.sampled_from("ab./ "), max_size=8)


@given(st.lists(NAME, max_size=3), NAME, NAME)
def test_any_names(folders: list[str], workdir: str, name: str):
    """A path lies in at most the folders that are above it, and in none that only begins alike."""
    found = [f"/{os.path.normpath('/' + folder).strip('/')}" for folder in folders]
    found = [folder for folder in found if folder != "/"]
    path = path_of(f"/{workdir}", name)
    folder = folder_of(found, path)
    assert os.path.isabs(path)
    assert bool(folder) == any(path.startswith(one + "/") for one in found)
    assert not folder or path.startswith(folder + "/")


def test_what_uses_a_folder():
    """A file in it, the folder itself, or a word of the command; a longer name does not."""
    def used(words: str, *names: str) -> bool:
        return bool(used_by(["/nfs"], "/nfs/wf", words, names)) if names else bool(used_by(["/nfs"], "/w", words, ()))

    assert used("x", "in")
    assert used("x", "/nfs/y")
    assert used("cat /nfs/x")
    assert used("cd /nfs; ls")
    assert used("python3 -c 'open(\"/nfs/x\")'")
    assert not used("cat /nfs2/x /nfs-old /nfs.d")
    assert not used("x", "/other", "/nfs2/x")
