"""The claim's life: syncs, kills, release, shutdown, silence, refusal; and nothing left afterwards."""
from __future__ import annotations

import json
import re
import time

import pytest
from executor_fakes import FakeStaging, contents, gone, left_of_tasks, number_in, run
from support import wait_until

from mfmesos.shared import wire

STUBBORN = "trap '' TERM; echo $$ > {pid}; while :; do sleep 0.05; done"


def one(staging, attempt: str, command: str, *args, **kw):
    staging.run(run(attempt, command, *args, **kw))
    return staging.wait(attempt)[0]


def test_the_first_sync_comes_at_once(executor, staging):
    """seq 1, nothing running, nothing got; every request bears the token."""
    wait_until(lambda: staging.syncs)
    first = staging.syncs[0]
    assert (first.seq, first.got, first.running, first.results, first.closing) == (1, 0, [], [], False)
    assert staging.authorizations == {"Bearer s3cret-token-of-the-claim"}


def test_syncs_tell_the_whole_truth(executor, staging):
    """What runs is in `running`, what was not acknowledged in `results` again and again, `got` is the last answer.
    While a result is under way in a sync, the next one does not repeat it."""
    staging.acking = False
    staging.run(run("1.1", "true"), run("2.1", "sleep 60"))
    staging.wait("1.1")
    staging.run(run("3.1", "true"))
    staging.wait("3.1")
    wait_until(lambda: {r.attempt for r in staging.syncs[-1].results} == {"1.1", "3.1"})
    alone = next(s for s in staging.syncs if [r.attempt for r in s.results] == ["3.1"])
    assert set(alone.running) == {"1.1", "2.1"}
    assert staging.result_count["3.1"] == 2
    assert staging.syncs[-1].running == ["2.1"]
    assert staging.syncs[-1].got == staging.number
    assert [s.seq for s in staging.syncs] == list(range(1, len(staging.syncs) + 1))
    staging.kill("2.1")
    staging.wait("2.1")


def test_a_result_that_got_lost_is_told_after_the_next_answer(executor, staging):
    """A connection may be dead without anybody noticing: what was sent over it counts as under way only until a newer
    sync is answered."""
    staging.swallow = 1
    staging.run(run("1.1", "true"))
    assert staging.swallowed.wait(20)
    one(staging, "2.1", "true")
    staging.wait("1.1", timeout=10)


def test_a_result_that_got_lost_is_told_with_the_next_heartbeat(start, staging):
    """When nothing else happens, either; not only when the connection is given up."""
    start(give_up_s=16.0)
    staging.swallow = 1
    staging.run(run("1.1", "true"))
    assert staging.swallowed.wait(20)
    staging.kill("9.1")  # the sync before it is answered in time
    staging.wait("1.1", timeout=10)


def test_acknowledged_results_are_forgotten(executor, staging):
    """A result is reported once when its acknowledgement arrives."""
    one(staging, "1.1", "true")
    one(staging, "2.1", "true")
    wait_until(lambda: not staging.syncs[-1].results)
    assert staging.result_count == {"1.1": 1, "2.1": 1}


def test_results_are_batched(executor, staging):
    """200 tasks that end at about the same time need fewer syncs."""
    names = [f"{i}.1" for i in range(200)]
    before = len(staging.syncs)
    staging.run(*(run(name, "true") for name in names))
    assert all(r.outcome == "finished" for r in staging.wait(*names))
    assert len(staging.syncs) - before < 150


def test_a_sync_is_bounded(executor, staging):
    """60 results of 60 kB each, held back by a deaf scheduler, do not come in one sync, and all of them come."""
    names = [f"{i}.1" for i in range(60)]
    staging.acking = False
    staging.run(*(run(name, "head -c 60000 /dev/zero > o", [], ["o"]) for name in names))
    wait_until(lambda: staging.syncs and sum(len(r.tar) for r in staging.syncs[-1].results) > 3_900_000)
    wait_until(lambda: not left_of_tasks(executor.folder))
    staging.acking = True
    staging.kill("0.0")
    staging.wait(*names)
    assert all(sum(len(r.tar) for r in s.results) < 5 << 20 for s in staging.syncs)


def test_lost_answers_cost_nothing(executor, staging):
    """Three dropped requests in a row: results arrive all the same, and nothing runs twice."""
    count = executor.folder.parent / "count"
    staging.run(run("1.1", f"echo x >> {count}; sleep 0.3"))
    wait_until(count.exists)
    staging.broken = 3
    staging.wait("1.1")
    assert count.read_text() == "x\n"


def test_kill_with_grace(executor, staging, tmp_path):
    """SIGTERM to the whole group; a child that cleans up within the grace period is let finish."""
    done = tmp_path / "done"
    child = f"trap 'sleep 0.4; echo clean > {done}; exit' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.05; done"
    staging.run(run("1.1", f"sh -c \"{child.replace('$', chr(92) + '$')}\"; true"))
    number_in(tmp_path / "pid")
    staging.kill("1.1")
    (result,) = staging.wait("1.1")
    assert (result.outcome, result.reason) == ("killed", "killed on request")
    assert done.read_text() == "clean\n"


def test_kill_of_the_stubborn(executor, staging, tmp_path):
    """What ignores SIGTERM gets SIGKILL after kill_grace_s, and not before."""
    staging.run(run("1.1", STUBBORN.format(pid=tmp_path / "pid")))
    pid = number_in(tmp_path / "pid")
    began = time.monotonic()
    staging.kill("1.1")
    assert staging.wait("1.1")[0].outcome == "killed"
    assert time.monotonic() - began > 1.8
    assert gone(pid)


def test_kill_while_inputs_are_fetched(executor, staging):
    """An attempt that waits for its inputs ends at once; another that waits for the same input gets it."""
    item = staging.add("in", b"x" * 1000)
    staging.file_status = 500
    staging.run(run("1.1", "true", [item]))
    wait_until(lambda: staging.gets)
    staging.run(run("2.1", "cat in", [item]))
    wait_until(lambda: len(staging.running()) == 2)
    staging.kill("1.1")
    assert staging.wait("1.1")[0].outcome == "killed"
    staging.file_status = 0
    assert staging.wait("2.1")[0].stdout == "x" * 1000


def test_kill_of_an_unknown_attempt(executor, staging):
    """Is nothing."""
    staging.kill("77.1")
    assert one(staging, "1.1", "true").outcome == "finished"


def test_release_kills_what_runs(executor, staging, tmp_path):
    """Release: no process and no file is left, TASK_FINISHED."""
    staging.run(run("1.1", f"(setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 300' &); sleep 300"))
    pid = number_in(tmp_path / "pid")
    staging.let_go()
    assert executor.end() == ("TASK_FINISHED", "")
    assert gone(pid)
    assert executor.left() == []


@pytest.mark.parametrize("printed", ["here\n", ""])
def test_what_a_released_attempt_has_printed(executor, staging, tmp_path, printed):
    """Ctrl-C releases claims: a last sync brings what their attempts have printed, if they have."""
    staging.run(run("1.1", f"printf '{printed}'; echo $$ > {tmp_path}/pid; sleep 300"))
    number_in(tmp_path / "pid")
    staging.let_go()
    assert executor.end() == ("TASK_FINISHED", "")
    last = staging.syncs[-1]
    assert last.closing is bool(printed)
    assert [(r.outcome, r.stdout) for r in last.results] == ([("killed", printed)] if printed else [])


def test_shutdown(start, staging, tmp_path):
    """SHUTDOWN: SIGTERM, SIGKILL after less than the agent's grace, a last closing sync, TASK_KILLED, nothing left."""
    executor = start(kill_grace_s=60.0)
    (executor.folder / "stdout").touch()
    (executor.folder / "mfmesos-executor.pyz").touch()
    (executor.folder / "mfmesos-executor-0123.tar.gz").touch()
    staging.run(run("1.1", STUBBORN.format(pid=tmp_path / "pid")))
    pid = number_in(tmp_path / "pid")
    began = time.monotonic()
    executor.say("shutdown")
    assert executor.end()[0] == "TASK_KILLED"
    assert 1.8 < time.monotonic() - began < 20
    assert gone(pid)
    assert executor.left() == ["stdout"]
    last = staging.syncs[-1]
    assert last.closing
    assert [(r.attempt, r.outcome) for r in last.results] == [("1.1", "killed")]


def test_kill_from_mesos(start, staging, tmp_path):
    """KILL of the Mesos task ends the claim within its grace, not within ours."""
    executor = start(kill_grace_s=60.0)
    staging.run(run("1.1", STUBBORN.format(pid=tmp_path / "pid")))
    pid = number_in(tmp_path / "pid")
    began = time.monotonic()
    executor.say("kill", "r-1", 1.0)
    assert executor.end()[0] == "TASK_KILLED"
    assert time.monotonic() - began < 20
    assert gone(pid)


def test_kill_before_the_launch(start, staging):
    """SHUTDOWN before any task came: the executor just ends."""
    executor = start(launch=False)
    executor.say("shutdown")
    assert executor.end() == ("", "")


def test_sigterm(executor, staging, tmp_path):
    """SIGTERM to the executor is a SHUTDOWN."""
    staging.run(run("1.1", f"echo $$ > {tmp_path}/pid; sleep 300"))
    pid = number_in(tmp_path / "pid")
    executor.process.terminate()
    assert executor.end()[0] == "TASK_KILLED"
    assert gone(pid)
    assert executor.left() == []


def test_a_silent_scheduler(start, staging, tmp_path):
    """After give_up_s without an answer: everything is killed and removed, and TASK_FAILED has the reason."""
    executor = start(give_up_s=1.5, kill_grace_s=0.5)
    staging.run(run("1.1", f"echo $$ > {tmp_path}/pid; sleep 300"))
    pid = number_in(tmp_path / "pid")
    staging.broken = 1 << 30
    state, message = executor.end()
    assert state == "TASK_FAILED"
    assert re.fullmatch(r"the scheduler did not answer for \d s", message)
    assert gone(pid)
    assert executor.left() == []


def test_a_dead_scheduler_is_not_waited_for_as_long_as_a_silent_one(start, staging):
    """Nothing listens at its port: a claim without work ends after deserted_s, which is nobody's failure."""
    executor = start(give_up_s=60.0, deserted_s=0.5)
    one(staging, "1.1", "true")
    wait_until(lambda: not staging.syncs[-1].results)
    staging.die()
    state, message = executor.end()
    assert state == "TASK_FINISHED"
    assert re.fullmatch(r"the scheduler has been gone for \d s", message)
    assert executor.left() == []


def test_work_is_kept_for_as_long_as_it_took(start, staging, tmp_path):
    """What runs is not ended, and its result is kept until the scheduler has been gone for as long as it ran."""
    executor = start(give_up_s=60.0, deserted_s=0.2)
    staging.run(run("1.1", f"echo $$ > {tmp_path}/pid; sleep 2; echo > {tmp_path}/done"))
    number_in(tmp_path / "pid")
    began = time.monotonic()
    staging.die()
    state, _ = executor.end()
    assert state == "TASK_FINISHED"
    assert (tmp_path / "done").exists()
    assert 1.9 <= time.monotonic() - began < 15


def test_a_scheduler_that_says_nothing_is_alive(start, staging):
    """A sync held for longer than give_up_s is no silence: newer ones are answered for the older."""
    executor = start(give_up_s=0.6)
    until = time.monotonic() + 1.5
    wait_until(lambda: time.monotonic() > until)
    assert executor.process.poll() is None
    assert one(staging, "1.1", "true").outcome == "finished"


@pytest.mark.parametrize("status", [401, 403, 410])
def test_a_refused_token(executor, staging, tmp_path, status):
    """The claim has ended for the scheduler: kill, clean up, end, without any wait."""
    staging.run(run("1.1", f"echo $$ > {tmp_path}/pid; sleep 300"))
    pid = number_in(tmp_path / "pid")
    staging.refuse_with = status
    staging.kill("0.1")  # the held sync is answered, the next one is refused
    assert executor.end() == ("TASK_FAILED", "the scheduler refused this claim: this claim has ended")
    assert gone(pid)
    assert executor.left() == []


def test_the_agent_may_go_and_come_back(executor, staging):
    """When the agent is disconnected, tasks and syncs continue."""
    executor.say("disconnected")
    assert one(staging, "1.1", "true").outcome == "finished"
    executor.say("connected")
    assert one(staging, "2.1", "true").outcome == "finished"


def test_a_lost_agent(executor, staging, tmp_path):
    """No way back to the agent: clean up and end; no update, since nobody would get it."""
    staging.run(run("1.1", f"echo $$ > {tmp_path}/pid; sleep 300"))
    pid = number_in(tmp_path / "pid")
    executor.say("lost", "recovery timed out")
    assert executor.end() == ("TASK_RUNNING", "")
    assert gone(pid)
    assert executor.left() == []
    assert staging.syncs[-1].closing


def test_a_second_launch(executor, staging):
    """One executor, one claim; the same launch again is no second one."""
    wait_until(lambda: "TASK_RUNNING" in executor.states())
    executor.say("launch", "r-1", executor.data)
    executor.say("launch", "r-2", executor.data)
    wait_until(lambda: "TASK_FAILED" in executor.states())
    assert executor.updates[-1][0] == "r-2"
    assert one(staging, "1.1", "true").outcome == "finished"


@pytest.mark.parametrize(("data", "words"), [
    ("{", "not JSON"), ("{}", "missing"), (None, "protocol 99"),
])
def test_claim_data_that_makes_no_sense(start, staging, data, words):
    """TASK_FAILED with one line that reveals no secret."""
    executor = start(launch=False)
    if data is None:
        data = json.dumps({**vars(staging.claim()), "protocol": 99})
    executor.say("launch", "r-1", data)
    state, message = executor.end()
    assert state == "TASK_FAILED"
    assert words in message
    assert "s3cret" not in message
    assert executor.left() == []


def test_an_answer_that_makes_no_sense(executor, staging):
    """Is no answer: the executor asks again."""
    whole = wire.dumps
    try:
        wire.dumps = lambda message: b"[]"
        staging.kill("0.1")
        wait_until(lambda: "its answer is invalid" in executor.log.read_text())
    finally:
        wire.dumps = whole
    assert one(staging, "1.1", "true").outcome == "finished"


@pytest.mark.parametrize("right", [True, False])
def test_tls_by_fingerprint(start, tmp_path, right):
    """https works with the certificate that was announced and with no other; the token is not sent to that."""
    import hashlib
    import ssl
    import subprocess

    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=x"], check=True, capture_output=True)
    der = ssl.PEM_cert_to_DER_cert(cert.read_text())
    fingerprint = hashlib.sha256(der).hexdigest()
    staging = FakeStaging((str(cert), str(key)))
    try:
        executor = start(server=staging, fingerprint=fingerprint if right else "0" * 64)
        if right:
            item = staging.add("in", bytes(300_000))
            result = one(staging, "1.1", "cat in > o", [item], ["o"])
            assert contents(result, staging) == {"o": bytes(300_000)}
        else:
            state, message = executor.end()
            assert state == "TASK_FAILED"
            assert "certificate is not the one" in message
            assert not staging.authorizations
    finally:
        staging.stop()
