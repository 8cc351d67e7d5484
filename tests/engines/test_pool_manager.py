"""Questions to a manager: how it is asked, and what that costs it. The stand-in answers as real ones did."""
from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from managers import Manager, manager, recorded

from mfmesos.engines.manager import Access, Answer, Listed, Password, ask, workers_in
from mfmesos.engines.pool_worker import Identity
from mfmesos.staging.tls import make_tls

KINDS = ["taskvine-main", "workqueue-main"]
PLAIN = Access()
SESAME = Password("/pw", b"sesame\n")


def asked(one: Manager, access: Access = PLAIN, *passwords: Password) -> Answer:
    return asyncio.run(ask("127.0.0.1", one.port, access, passwords))


@pytest.mark.parametrize("kind", [*KINDS, "debian"])
def test_a_question_that_each_manager_knows(kind: str) -> None:
    """TaskVine does not know "queue_status", and counts whoever asks it as a lost worker."""
    with manager(kind) as one:
        answer = asked(one)
        assert answer.status is not None
        assert answer.status.workers_connected == 1
        listed = (Identity(2, 500, 500), Listed(1, 2)) if kind == "debian" else (Identity(5, 1000, 2000), Listed(1, 1))
        assert answer.workers == dict([listed])
        assert (one.lost, one.asked) == (0, ["resources_status", "worker_status"])


def test_a_worker_with_files() -> None:
    """It has no task and uses disk: files for tasks to come."""
    record = {"cores_total": 1, "memory_total": 2, "disk_total": 3, "disk_inuse": 1}
    for tasks, files in ((0, True), (1, False)):
        body = json.dumps([{**record, "total_tasks_running": tasks}]).encode()
        assert workers_in(body, "m") == {Identity(1, 2, 3): Listed(1, tasks, files)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_password(kind: str) -> None:
    """Found by asking; then the right one of several is used at once. Without it, the manager refuses us."""
    with manager(kind, password=SESAME.word) as one:
        assert "it requires a password" in asked(one).refuses
        assert "its password is a different one" in asked(one, Access(), Password("/other", b"x")).refuses
        answer = asked(one, Access(), Password("/other", b"x"), SESAME)
        assert answer.status is not None
        assert (answer.status.password, answer.access) == ("/pw", Access(password=SESAME))
        before = len(one.asked)
        assert asked(one, answer.access, Password("/other", b"x"), SESAME).status == answer.status
        assert len(one.asked) == before + 2
        assert one.lost == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("password", [b"", SESAME.word])
def test_tls(kind: str, password: bytes, tmp_path: Path) -> None:
    """By the record, or found by asking; with a password as well. A worker for it is told."""
    with manager(kind, password=password, tls=make_tls(("localhost",), tmp_path).context) as one:
        for access in (Access(tls=True), Access()):
            answer = asked(one, access, SESAME)
            assert answer.status is not None
            assert (answer.status.ssl, bool(answer.status.password)) == (True, bool(password))
        assert asked(one, Access(tls_possible=False), SESAME).status is None


def test_tls_that_is_not_there() -> None:
    """--ssl for a manager without TLS: the reason in one line."""
    with manager("taskvine-main") as one:
        assert "does not accept TLS" in asked(one, Access(tls=True)).refuses


def test_a_password_that_nobody_asks_for() -> None:
    """A manager without a password is asked without one, though the pool has some: nothing counts as lost."""
    with manager("workqueue-main") as one:
        assert asked(one, Access(), SESAME).status is not None
        assert one.lost == 0


def test_what_is_no_manager() -> None:
    """It closes, or answers something else: no answer, no reason."""
    made = Manager({"resources_status": []})
    assert asked(made) == Answer(None)
    made.answers = {}
    assert asked(made) == Answer(None)
    made.close()


@pytest.mark.parametrize("password", [b"", SESAME.word])
@pytest.mark.parametrize("question", ["resources_status", "worker_status"])
def test_a_manager_that_resets_the_connection(question: str, password: bytes) -> None:
    """At either question, with and without a password: it is as if it had not answered that question."""
    with manager("taskvine-main", password=password) as one:
        one.resets = {question}
        answer = asked(one, Access(tls_possible=False), SESAME)
        assert (answer.status is not None, answer.workers) == (question == "worker_status", None)


def test_no_workers_no_second_question() -> None:
    """A manager without workers is asked once."""
    with manager("taskvine-main", workers_connected=0) as one:
        assert asked(one).workers == {}
        assert one.asked == ["resources_status"]
    assert recorded("status-taskvine-main")[0]["workers_connected"] == 1
