"""The kept sandboxes of failed attempts: which are accepted, and how many stay."""
from __future__ import annotations

from pathlib import Path

from staging_help import Bench, run

from mfmesos.shared.failed_sandboxes import MOST, of_task
from mfmesos.staging.sandbox_store import SLACK_BYTES, SandboxStore


def kept(workdir: Path) -> list[str]:
    folder = workdir / ".mfmesos" / "failed"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_only_a_running_attempt_s_own_is_taken(tmp_path: Path) -> None:
    """Of another claim, of no attempt, or larger than the user allows: refused, and nothing is stored."""
    async def test(b: Bench) -> None:
        b.open("c1")
        b.open("c2")
        b.server.permit("c1", "1.n.1", (), ())
        for path, claim, data, status in (
            ("attempts/1.n.1/sandbox", "c2", b"x", 404), ("attempts/1.n.2/sandbox", "c1", b"x", 404),
            ("attempts/..%2F1/sandbox", "c1", b"x", 404),
            ("attempts/1.n.1/sandbox", "c1", bytes((1 << 20) + SLACK_BYTES + 1), 413),
        ):
            assert (await b.call("PUT", path, claim=claim, data=data))[0] == status
        assert kept(tmp_path) == []
        assert (await b.call("PUT", "attempts/1.n.1/sandbox", data=b"first"))[0] == 204
        assert (await b.call("PUT", "attempts/1.n.1/sandbox", data=b"again"))[0] == 204  # the answer was lost
        assert kept(tmp_path) == ["task-1.attempt-1.tar"]
        file = of_task(tmp_path / ".mfmesos", 1)[1]
        assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"again", 0o600)
        b.server.withdraw_permit("c1", "1.n.1")
        assert (await b.call("PUT", "attempts/1.n.1/sandbox", data=b"late"))[0] == 404
    run(tmp_path, test, keep_failed_mb=1)


def test_a_run_that_keeps_none(tmp_path: Path) -> None:
    """Without --keep-failed nothing is accepted."""
    async def test(b: Bench) -> None:
        b.open("c1")
        b.server.permit("c1", "1.n.1", (), ())
        assert (await b.call("PUT", "attempts/1.n.1/sandbox", data=b"x"))[0] == 404
        assert kept(tmp_path) == []
    run(tmp_path, test)


def test_the_newest_stay_until_the_next_run(tmp_path: Path) -> None:
    """MOST of them; a scheduler that resumes the run keeps them, without what arrived in part; another run does not."""
    async def test(b: Bench) -> None:
        b.open("c1")
        for task in range(1, MOST + 4):
            b.server.permit("c1", f"{task}.n.2", (), ())
            assert (await b.call("PUT", f"attempts/{task}.n.2/sandbox", data=b"x"))[0] == 204
        assert set(kept(tmp_path)) == {f"task-{task}.attempt-2.tar" for task in range(4, MOST + 4)}
    run(tmp_path, test, keep_failed_mb=1)
    (tmp_path / ".mfmesos/failed/part-0").write_text("x")
    SandboxStore(tmp_path, 1).start(resume=True)
    assert len(kept(tmp_path)) == MOST
    SandboxStore(tmp_path, 0).start(resume=False)
    assert kept(tmp_path) == []
