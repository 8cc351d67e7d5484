"""Bytes and text from outside: http_parser's stand-in, RecordIO, master addresses, ZooKeeper."""
from __future__ import annotations

import contextlib
import json
import time

import pytest
from http_parser.http import HttpParser
from hypothesis import given
from hypothesis import strategies as st
from support import wait_until

from mfmesos.mesos.masters import LeaderWatch, Masters, address_of, leader_of, parse_masters
from mfmesos.mesos.stream import Records, StreamEnd
from mfmesos.shared.addresses import split_address

cuts = st.lists(st.integers(0, 2000), max_size=12)


def pieces(data, at):
    edges = [0, *sorted(min(a, len(data)) for a in at), len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:]) if b > a]


def parse(data, at):
    parser, body = HttpParser(), b""
    for piece in pieces(data, at):
        assert parser.execute(piece, len(piece)) == len(piece)
        body += parser.recv_body() if parser.is_partial_body() else b""
    return parser, body


def chunked(chunks):
    return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nMesos-Stream-Id: s\r\n\r\n"
            + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks if c) + b"0\r\n\r\n")


@given(chunks=st.lists(st.binary(max_size=200), max_size=6), at=cuts)
def test_any_cut_of_a_chunked_answer_gives_the_same_body(chunks, at):
    """Head, body and end are as if the bytes had come at once."""
    parser, body = parse(chunked(chunks), at)
    assert body == b"".join(chunks)
    assert parser.is_headers_complete()
    assert parser.is_message_complete()
    assert parser.is_chunked()
    assert parser.get_status_code() == 200
    assert {k.upper(): v for k, v in parser.get_headers().items()}["MESOS-STREAM-ID"] == "s"
    assert parser.get_errno() == 0


@given(content=st.binary(max_size=500), at=cuts)
def test_any_cut_of_an_answer_with_a_length_gives_the_same_body(content, at):
    """Content-Length, after an interim answer; what follows the end is ignored."""
    data = (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Nope\r\nA: 1\r\na: 2\r\nContent-Length: %d\r\n\r\n%s" % (
        len(content), content))
    parser, body = parse(data, at)
    assert body == content
    assert (parser.get_status_code(), parser.is_message_complete()) == (503, True)
    assert not parser.is_chunked()
    assert parser.get_headers()["A"] == "1, 2"
    assert parser.execute(b"HTTP/1.1 ", 9) == 9


def test_an_answer_without_length_ends_with_the_connection():
    """A call of execute with no bytes marks the end of the answer."""
    parser, body = parse(b"HTTP/1.0 200 OK\r\n\r\nabc", [])
    assert (body, parser.is_message_complete(), parser.get_version()) == (b"abc", False, (1, 0))
    parser.execute(b"", 0)
    assert parser.is_message_complete()


@given(st.binary(min_size=1, max_size=300))
def test_no_bytes_make_the_parser_raise(data):
    """It accepts them, or its count and errno show that they are not HTTP."""
    parser = HttpParser()
    taken = parser.execute(data, len(data))
    assert (taken == len(data)) is (parser.get_errno() == 0)
    assert parser.is_message_begin() is parser.is_headers_complete()


def test_large_answers_are_parsed_in_linear_time():
    """64 MB in one chunk, in pieces of 4 KB."""
    data = chunked([b"x" * (64 << 20)])
    parser, size, began = HttpParser(), 0, time.process_time()
    for at in range(0, len(data), 4096):
        piece = data[at:at + 4096]
        parser.execute(piece, len(piece))
        size += len(parser.recv_body())
    assert size == 64 << 20
    assert parser.is_message_complete()
    assert time.process_time() - began < 6


def test_only_what_pymesos_needs_is_offered():
    """Requests and decompression are refused, not done wrong."""
    for wrong in ({"kind": 0}, {"decompress": True}):
        with pytest.raises(NotImplementedError):
            HttpParser(**wrong)


@given(records=st.lists(st.binary(max_size=100), max_size=8), at=cuts)
def test_any_cut_of_a_record_stream_gives_the_same_records(records, at):
    """Empty records included."""
    data = b"".join(b"%d\n%s" % (len(r), r) for r in records)
    reader = Records()
    assert [r for piece in pieces(data, at) for r in reader.feed(piece)] == records


@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_the_end_of_the_stream(data):
    """Nothing else is raised."""
    with contextlib.suppress(StreamEnd):
        list(Records().feed(data))


@pytest.mark.parametrize(("text", "addresses"), [
    ("h", ("h:5050",)), ("10.0.0.1:80", ("10.0.0.1:80",)), ("a:1,b", ("a:1", "b:5050")),
    ("http://h:1/", ("h:1",)), ("[::1]", ("[::1]:5050",)), ("[::1]:7", ("[::1]:7",))])
def test_masters_as_people_write_them(text, addresses):
    """Host, port or not, list, IPv6."""
    assert parse_masters(text) == Masters(addresses=addresses)


def test_zookeeper_addresses():
    """Hosts, path, credentials."""
    assert parse_masters("zk://a:1,b:2/mesos/") == Masters(zk_hosts="a:1,b:2", zk_path="/mesos")
    assert parse_masters("zk://u:p@a/x/y") == Masters(zk_hosts="a", zk_path="/x/y", zk_auth="u:p")


@pytest.mark.parametrize("text", [
    "", " ", "h:", "h:0", "h:x", "h:70000", ":5050", "a,,b", "h/x", "a b", "https://h", "zk://", "zk://a", "zk://a/",
    "zk:///m", "zk://a:x/m", "zk://a,,b/m"])
def test_bad_masters_are_refused_in_one_line(text):
    """ValueError that names the given value, or what to give."""
    with pytest.raises(ValueError, match="master") as refused:
        parse_masters(text)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=40))
def test_any_master_text_is_parsed_or_refused(text):
    """And what is parsed can be connected to."""
    try:
        masters = parse_masters(text)
    except ValueError:
        return
    assert masters.zk_hosts or all(split_address(a) for a in masters.addresses)


def test_the_leader_is_the_lowest_json_node():
    """log_replicas and the old protobuf nodes are no masters that we can read."""
    assert leader_of(["json.info_0000000012", "info_0000000001", "log_replicas", "json.info_0000000003"]) \
        == "json.info_0000000003"
    assert leader_of(["log_replicas"]) is None


@given(st.binary(max_size=60))
def test_any_node_content_is_an_address_or_none(data):
    """Whatever is in ZooKeeper."""
    assert address_of(data) is None or ":" in address_of(data)


def node(port):
    return json.dumps({"address": {"ip": "10.0.0.1", "port": port, "hostname": "h"}}).encode()


class FakeZoo:
    """A ZooKeeper that is away, empty, and then has masters."""

    connected = False

    def __init__(self):
        self.trouble = 2
        self.children = {}
        self.watcher = None
        self.stopped = False

    def start(self, timeout):
        if self.trouble:
            self.trouble -= 1
            raise TimeoutError("no ZooKeeper")

    def exists(self, path, watch):
        assert path == "/mesos"
        self.watcher = watch
        return bool(self.children)

    def get_children(self, path, watch):
        assert path == "/mesos"
        self.watcher = watch
        return list(self.children)

    def get(self, path):
        return self.children[path.rpartition("/")[2]], None

    def stop(self):
        self.stopped = True

    def close(self):
        pass


def test_the_leader_is_waited_for_and_followed():
    """No ZooKeeper, no node: keep looking. A new leader, or no leader: reported. Nothing ends the watch."""
    zoo, found = FakeZoo(), []
    watch = LeaderWatch(
        parse_masters("zk://a:1/mesos"), lambda address, why: found.append(address or why), client=lambda m: zoo,
        retry_s=0.01)
    watch.start()
    wait_until(lambda: zoo.watcher)
    wait_until(lambda: found)
    assert "a:1 does not answer" in found.pop()
    zoo.children = {"json.info_5": node(5050), "json.info_7": node(7)}
    zoo.watcher(None)
    wait_until(lambda: found == ["10.0.0.1:5050"])
    zoo.connected = True
    del zoo.children["json.info_5"]
    zoo.watcher(None)
    wait_until(lambda: found[-1] == "10.0.0.1:7")
    zoo.children = {"log_replicas": b""}
    zoo.watcher(None)
    wait_until(lambda: "no leading master under zk://a:1/mesos" in found[-1])
    watch.stop()
    wait_until(lambda: not watch._thread.is_alive())
    assert zoo.stopped
