"""Each hazard of pymesos's scheduler side: ours survives it, and, where it is cheap to show, pymesos does not."""
from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time

import pytest
from fake_mesos import FakeMesos, offer, offers
from plain import run_plain
from pymesos.process import Connection, Process
from pymesos.scheduler import MesosSchedulerDriver

from mfmesos.core import events
from mfmesos.mesos.process import Backoff
from mfmesos.mesos.stream import Records, StreamEnd, Timing, tune


def with_offers(s):
    s.subscribed()
    s.send(offers(offer(1)))
    s.send(offers(offer(2)))
    s.hold()


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError("disk full")])
def test_an_exception_in_a_callback_changes_nothing(connect, error):
    """The stream continues, nothing is torn down, nothing is subscribed again: OSError included."""
    def post(event):
        raise error

    with FakeMesos(with_offers) as mesos:
        link, seen = connect(mesos.address, post)
        seen.wait(events.OffersReceived, 2)
        link.stop(False, 2)
        assert len(mesos.subscriptions) == 1
        assert mesos.of("TEARDOWN") == []


def test_plain_pymesos_tears_down_on_an_exception_in_a_callback():
    """The hazard is real: every task of the framework would be killed."""
    with FakeMesos(with_offers) as mesos:
        run_plain(mesos.address, "raise")
        mesos.await_call("TEARDOWN")


def test_plain_pymesos_takes_an_oserror_for_a_network_fault():
    """The hazard is real: it subscribes again and again."""
    with FakeMesos(with_offers) as mesos:
        run_plain(mesos.address, "oserror")
        assert len(mesos.subscriptions) > 2


def test_stop_keeps_the_framework_unless_told(connect):
    """stop(teardown=False) sends nothing to the master."""
    with FakeMesos() as mesos:
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        link.stop(False, 2)
        assert mesos.calls == []


def test_plain_pymesos_tears_down_on_stop():
    """The hazard is real: stop() without an argument ends the framework."""
    with FakeMesos() as mesos:
        run_plain(mesos.address, "stop")
        mesos.await_call("TEARDOWN")


def test_stop_with_teardown_flushes_first(connect):
    """Queued calls are sent before TEARDOWN, and the master's answer to it is not posted as an event."""
    with FakeMesos() as mesos:
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        link.kill("c-1", "A-1", 1.0)
        link.stop(True, 5)
        assert [body["type"] for body, _ in mesos.calls] == ["KILL", "TEARDOWN"]
        assert mesos.of("TEARDOWN")[0]["framework_id"] == {"value": "F-1"}
        assert seen.of(events.Disconnected) == []


def test_teardown_waits_for_the_connection(connect):
    """A teardown while disconnected is sent as soon as the master is back."""
    back = threading.Event()

    def later(s):
        assert back.wait(10)
        s.subscribed()
        s.hold()

    with FakeMesos(lambda s: s.subscribed(), later) as mesos:
        link, seen = connect(mesos.address, timing=Timing(reply_s=8, first_backoff_s=0.05, most_backoff_s=0.1))
        seen.wait(events.Disconnected)
        threading.Timer(0.2, back.set).start()
        link.stop(True, 10)
        assert len(mesos.of("TEARDOWN")) == 1


def unavailable(s):
    s.answer(503)


def test_no_storm_on_503(connect):
    """A master that is not ready is asked again with pauses, and asked until it is."""
    with FakeMesos(*[unavailable] * 4, lambda s: (s.subscribed(), s.hold())) as mesos:
        _link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        assert mesos.times[-1] - mesos.times[0] > 0.05 + 0.1 + 0.2 + 0.2


def test_plain_pymesos_storms_on_503():
    """The hazard is real: hundreds of SUBSCRIBEs in a second and a half, where ours sends four."""
    with FakeMesos(unavailable) as mesos:
        run_plain(mesos.address, "nothing")
        assert len(mesos.subscriptions) > 20  # on a busy machine


def test_no_storm_when_streams_end_at_once(connect):
    """Subscribed and closed, again and again: pauses all the same."""
    with FakeMesos(lambda s: s.subscribed()) as mesos:
        connect(mesos.address)
        mesos.await_subscriptions(4)
        assert mesos.times[3] - mesos.times[0] > 0.05 + 0.1 + 0.2


def test_an_unknown_error_event_is_retried_a_few_times(connect):
    """With pauses; then FrameworkEnded with the master's message."""
    with FakeMesos(lambda s: s.send({"type": "ERROR", "error": {"message": "odd mood"}})) as mesos:
        _, seen = connect(mesos.address)
        assert "odd mood" in seen.wait(events.FrameworkEnded).reason
        assert len(mesos.subscriptions) == 5


@pytest.mark.parametrize("message", [
    "Framework has been removed", "Framework failed over", "Not authorized to use role 'x'"])
def test_a_final_error_event_ends_it(connect, message):
    """The refusal is final: reported once, with the master's words, and without another SUBSCRIBE."""
    with FakeMesos(lambda s: (s.send({"type": "ERROR", "error": {"message": message}}), s.hold())) as mesos:
        link, seen = connect(mesos.address)
        assert message in seen.wait(events.FrameworkEnded).reason
        assert len(mesos.subscriptions) == 1
        link.stop(True, 1)


@pytest.fixture
def deaf():
    """The address of a listener whose queue is full: a connect to it stays half open."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        for filler in fillers:
            filler.close()


def test_a_half_open_connection_is_given_up(connect, deaf):
    """It does not count as connected, and the reason is reported."""
    _, seen = connect(deaf)
    assert "no connection within 0.4 s" in seen.wait(events.Disconnected).reason


def test_plain_pymesos_takes_a_half_open_connection_for_connected(deaf):
    """The hazard is real."""
    class Callback:
        def gen_request(self):
            return b""

        def on_close(self):
            pass

    connection = Connection(deaf, Callback())
    assert connection.handle_connect_event() == ""
    assert connection.connected
    connection.close()


def test_backoff_is_random_bounded_and_never_overflows():
    """Up to 15 s, half of it random, for as long as one likes; pymesos's overflows."""
    asked = []
    backoff = Backoff(0.5, 15.0, lambda low, high: asked.append((low, high)) or high)
    pauses = [backoff.next() for _ in range(5000)]
    assert pauses[:7] == [0.5, 1, 2, 4, 8, 15, 15]
    assert pauses[-1] == 15
    assert asked[-1] == (7.5, 15)
    with pytest.raises(OverflowError):
        Process._backoff(Process(), 5000)


def test_missed_heartbeats_mean_a_new_connection(connect):
    """Five intervals of silence, then SUBSCRIBE again."""
    with FakeMesos(lambda s: (s.subscribed(heartbeat_s=0.06), s.hold())) as mesos:
        _, seen = connect(mesos.address)
        assert "no event within 0.3 s" in seen.wait(events.Disconnected).reason
        mesos.await_subscriptions(2)
        assert mesos.times[1] - mesos.times[0] > 0.3


def test_heartbeats_keep_the_connection(connect):
    """As long as they come there is no reconnect."""
    def beat(s):
        s.subscribed(heartbeat_s=0.1)
        for _ in range(10):
            s.send({"type": "HEARTBEAT"})
            time.sleep(0.1)  # as a master does: the heartbeats' own pace
        s.send(offers(offer(1)))
        s.hold()

    with FakeMesos(beat) as mesos:
        _, seen = connect(mesos.address)
        seen.wait(events.OffersReceived)
        assert len(mesos.subscriptions) == 1


def silent(s):
    s.hold()


def test_no_answer_to_subscribe_is_given_up(connect):
    """A read timeout, and the reason."""
    with FakeMesos(silent) as mesos:
        _, seen = connect(mesos.address)
        assert "no answer to SUBSCRIBE within 0.5 s" in seen.wait(events.Disconnected).reason


def test_plain_pymesos_waits_for_ever_for_an_answer():
    """The hazard is real: one SUBSCRIBE, and nothing more."""
    with FakeMesos(silent) as mesos:
        run_plain(mesos.address, "nothing")
        assert len(mesos.subscriptions) == 1


@pytest.mark.parametrize("status", [400, 404, 405, 429, 500, 502])
def test_no_http_status_is_fatal_but_refusals(connect, status):
    """Told to the user, tried again."""
    with FakeMesos(lambda s: s.answer(status, body="odd day"), lambda s: (s.subscribed(), s.hold())) as mesos:
        _, seen = connect(mesos.address)
        seen.wait(events.Registered)
        assert f"HTTP {status}: odd day" in seen.of(events.Disconnected)[0].reason


def test_plain_pymesos_dies_of_an_http_500():
    """The hazard is real."""
    with FakeMesos(lambda s: s.answer(500)) as mesos:
        assert "alive" not in run_plain(mesos.address, "nothing")


@pytest.mark.parametrize(("status", "secret", "words"), [
    (401, None, "requires a principal and a secret; add --principal NAME --secret-file FILE"),
    (401, "s", "does not accept this principal and secret; correct --principal and --secret-file"),
    (403, None, "does not allow this framework; correct --principal, --role or --user")])
def test_a_refusal_ends_it_in_plain_words(connect, status, secret, words):
    """Authentication and authorisation do not mend themselves."""
    with FakeMesos(lambda s: s.answer(status)) as mesos:
        _, seen = connect(mesos.address, principal="p" if secret else None, secret=secret)
        assert words in seen.wait(events.FrameworkEnded).reason
        assert len(mesos.subscriptions) == 1


def test_a_name_that_does_not_resolve_is_tried_again(connect):
    """Names come and go; pymesos dies of it."""
    _, seen = connect("no-such-master.invalid:5050")
    assert "cannot be resolved" in seen.wait(events.Disconnected).reason
    assert "alive" not in run_plain("no-such-master.invalid:5050", "nothing")


def test_odd_version_strings_do_no_harm(connect):
    """1.12.0-rc1 registers and gets offers; pymesos's FrameworkInfo fails on it."""
    with FakeMesos(with_offers) as mesos:
        mesos.pages["/version"] = b'{"version": "1.12.0-rc1"}'
        _, seen = connect(mesos.address)
        seen.wait(events.OffersReceived)
    plain = MesosSchedulerDriver(None, {}, "h:1")
    plain.version = "1.12.0-rc1"
    with pytest.raises(ValueError, match="rc1"):
        _ = plain.framework


def test_credentials_do_not_leak_between_drivers(connect):
    """Each call bears its own Authorization or none; pymesos shares one dictionary."""
    with FakeMesos() as one, FakeMesos() as two:
        first, seen_1 = connect(one.address, principal="p", secret="s")
        second, seen_2 = connect(two.address)
        seen_1.wait(events.Registered), seen_2.wait(events.Registered)
        first.revive()
        one.await_call("REVIVE")
        second.revive()
        two.await_call("REVIVE")
        assert one.calls[0][1]["Authorization"] == "Basic cDpz"
        assert one.subscriptions[0].headers["Authorization"] == "Basic cDpz"
        assert "Authorization" not in two.calls[0][1]
    assert MesosSchedulerDriver._send.__defaults__[-1] is MesosSchedulerDriver._send.__defaults__[-1] is not None


@pytest.mark.parametrize("gpus", [False, True])
def test_gpus_are_announced_on_request_only(connect, gpus):
    """An agent with GPUs would otherwise be offered to those who do not need it."""
    with FakeMesos() as mesos:
        connect(mesos.address, gpus=gpus)
        info = mesos.await_subscriptions(1).body["subscribe"]["framework_info"]
        assert ({"type": "GPU_RESOURCES"} in info["capabilities"]) is gpus
    plain = MesosSchedulerDriver(None, {}, "h:1")
    plain.version = "1.11.0"
    assert {"type": "GPU_RESOURCES"} in plain.framework["capabilities"]


def test_large_events_are_read_in_linear_time():
    """64 MB in pieces of 4 KB; quadratic buffering takes most of a minute."""
    event = b'"' + b"x" * (64 << 20) + b'"'
    data = b"%d\n%s" % (len(event), event)
    records, began = Records(), time.process_time()
    found = [r for at in range(0, len(data), 4096) for r in records.feed(data[at:at + 4096])]
    assert found == [event]
    assert time.process_time() - began < 3


@pytest.mark.parametrize("junk", [b"12x\n{}", b"9" * 30, b"-1\n", b"\n"])
def test_a_length_that_is_no_number_ends_the_stream(junk):
    """With a reason, not with the thread."""
    with pytest.raises(StreamEnd, match="not an event stream"):
        list(Records().feed(junk))


@pytest.mark.parametrize("raw", [
    b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n3\n{x}\r\n", b"\x15\x03"[:1]])
def test_garbage_on_the_stream_means_another_try(connect, raw):
    """Whatever bytes come, the driver subscribes again."""
    with FakeMesos(lambda s: s.raw(raw), lambda s: (s.subscribed(), s.hold())) as mesos:
        _, seen = connect(mesos.address)
        seen.wait(events.Registered)


def test_odd_events_do_not_cost_the_others(connect):
    """Events without type or content, of unknown type, and one malformed offer: the next offer arrives."""
    def odd(s):
        s.subscribed()
        for event in ({}, {"type": "OFFERS"}, {"type": "NEW"}, {"type": "UPDATE", "update": {}}, {"type": 7},
                      offers({"id": "x"}, offer(5))):
            s.send(event)
        s.hold()

    with FakeMesos(odd) as mesos:
        _, seen = connect(mesos.address)
        assert [o.id for o in seen.wait(events.OffersReceived).offers] == ["O-5"]
        assert len(mesos.subscriptions) == 1


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return done.stdout.strip() + (f" stderr: {done.stderr[-300:]}" if done.returncode else "")


def test_import_leaves_the_process_as_it_was():
    """No SIGINT handler, no log handler, no log level; pymesos's own import leaves all three."""
    look = ("import signal, logging; l = logging.getLogger('pymesos');"
            "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, l.handlers == [], l.level)")
    # A shell that started us in the background lets SIGINT be ignored.
    usual = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    ours = "import mfmesos.mesos.master_link, mfmesos.mesos.executor_driver"
    assert run_python(f"{usual}; {ours}; {look}") == "True True 0"
    assert run_python(f"{usual}; import pymesos; {look}") == "False False 20"


def test_import_works_off_the_main_thread():
    """pymesos's own does not."""
    code = ("import threading\ndef f():\n try:\n  import {}; print('ok')\n except ValueError as e: print('fails')\n"
            "t = threading.Thread(target=f); t.start(); t.join()")
    assert run_python(code.format("mfmesos.mesos.master_link")) == "ok"
    assert run_python(code.format("pymesos")) == "fails"


MANY = """
import os, resource, sys, threading, json
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
held = [os.dup(0) for _ in range(1100)]
"""


def test_more_than_1024_open_files(connect):
    """poll, not select."""
    with FakeMesos() as mesos:
        ours = run_python(MANY + f"""
from mfmesos.mesos.master_link import MesosLink, FrameworkSettings
got = threading.Event()
link = MesosLink({mesos.address!r}, FrameworkSettings("n", "u", "h"), lambda e: (print(type(e).__name__), got.set()))
link.start(); got.wait(10); link.stop(False, 1)""")
        assert ours == "Registered"
        plain = run_python(MANY + f"""
import time
from pymesos import MesosSchedulerDriver, Scheduler
driver = MesosSchedulerDriver(Scheduler(), {{"name": "n", "user": "u"}}, {mesos.address!r}, failover=True)
try:
    driver.start(); time.sleep(1); print("dead" if driver.aborted else "alive", driver._wakeup_fds)
except KeyboardInterrupt: pass""")
        assert "alive" not in plain
        assert len(mesos.subscriptions) == 1


def test_an_https_master_is_refused_in_plain_words(connect):
    """A TLS alert in answer, an https redirect, an https:// address."""
    for script in (lambda s: (s.raw(b"\x15\x03\x03\x00\x02\x02\x46"), s.hold()),
                   lambda s: s.answer(307, "Location: https://leader:5050/api/v1/scheduler\r\n")):
        with FakeMesos(script) as mesos:
            _, seen = connect(mesos.address)
            assert "https" in seen.wait(events.FrameworkEnded).reason
    with pytest.raises(ValueError, match="https is not supported"):
        connect("https://h:5050")


def test_a_master_that_hangs_up_on_plain_http_is_asked_for_tls(connect, monkeypatch):
    """The usual behaviour of an https-only Mesos: no answer at all."""
    monkeypatch.setattr("mfmesos.mesos.scheduler_driver.speaks_tls", lambda address: True)
    with FakeMesos(lambda s: None) as mesos:
        _, seen = connect(mesos.address)
        assert "supports https only" in seen.wait(events.FrameworkEnded).reason


def test_no_delay_on_every_socket(connect, monkeypatch):
    """The stream's and the calls'."""
    tuned = []
    monkeypatch.setattr("mfmesos.mesos.stream.tune", lambda s: tuned.append("stream"))
    monkeypatch.setattr("mfmesos.mesos.calls.tune", lambda s: tuned.append("call"))
    with FakeMesos() as mesos:
        link, seen = connect(mesos.address)
        seen.wait(events.Registered)
        link.revive()
        mesos.await_call("REVIVE")
        assert tuned == ["stream", "call"]
    with socket.socket() as s:
        tune(s)
        assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


