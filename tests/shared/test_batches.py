"""Many small files in one stream: what was sent arrives, and nothing else is taken for it."""
from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mfmesos.shared import batches
from mfmesos.shared.batches import BadBatch, Member, members

MEMBERS = st.lists(st.one_of(
    st.builds(Member, st.just(200), st.binary(max_size=3000)),
    st.builds(Member, st.sampled_from([404, 409, 503]), st.binary(max_size=200))), max_size=8)


def stream_of(sent: list[Member]) -> bytes:
    return b"".join(batches.head(one.status, len(one.body)) + one.body for one in sent)


def sizes_of(sent: list[Member]) -> list[int]:
    """The size of each file; of a refused one it could be anything."""
    return [len(one.body) if one.status == 200 else 7 for one in sent]


def cut(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    at = 0
    for size in itertools.cycle([*cuts, 1]):
        if at >= len(data):
            return
        yield data[at:at + size]
        at += size


@given(MEMBERS, st.lists(st.integers(1, 4000), max_size=5))
@example([Member(200, b"")], [])
def test_what_was_sent_arrives(sent: list[Member], cuts: list[int]) -> None:
    """However the stream is cut."""
    assert list(members(cut(stream_of(sent), cuts), sizes_of(sent))) == sent


@given(MEMBERS.filter(bool), st.data())
def test_a_truncated_stream_is_noticed(sent: list[Member], data: st.DataObject) -> None:
    """At whatever byte it ends."""
    whole = stream_of(sent)
    with pytest.raises(BadBatch):
        list(members(cut(whole[:data.draw(st.integers(0, len(whole) - 1))], []), sizes_of(sent)))


@given(MEMBERS, st.binary(min_size=1))
def test_what_follows_the_last_member_is_noticed(sent: list[Member], more: bytes) -> None:
    with pytest.raises(BadBatch):
        list(members(cut(stream_of(sent) + more, [100]), sizes_of(sent)))


@given(st.binary(max_size=400), st.lists(st.integers(0, 50), max_size=5))
def test_any_bytes(data: bytes, sizes: list[int]) -> None:
    """No stream leads to another error, nor to a file of another size than the one that was asked for."""
    found: list[Member] = []
    try:
        found.extend(members(cut(data, [7]), sizes))
        assert len(found) == len(sizes)
    except BadBatch:
        pass
    assert all(one.status != 200 or len(one.body) == size for one, size in zip(found, sizes))


@pytest.mark.parametrize("line", [
    b"200 5\n", b"200 04\n", b"200 -4\n", b"200 4 \n", b" 200 4\n", b"200 99999999999\n", b"20 4\n", b"404 2001\n",
    b"2e2 4\n", b"200 4\r\n", b"\n", b"200\n"])
def test_heads_that_are_refused(line: bytes) -> None:
    """A file of four bytes has one head."""
    assert [one.body for one in members([b"200 4\nabcd"], [4])] == [b"abcd"]
    with pytest.raises(BadBatch):
        list(members([line + b"abcd" * 1000], [4]))


def test_an_endless_stream_takes_no_memory() -> None:
    """Neither a head without an end nor content without an end is read on."""
    for piece in (b"9", b"200 4\n", b"x" * 1000):
        read = 0

        def endless(piece: bytes = piece) -> Iterator[bytes]:
            nonlocal read
            while True:
                read += len(piece)
                yield piece

        with pytest.raises(BadBatch):
            list(members(endless(), [4]))
        assert read <= 1000


def test_requests() -> None:
    """A list of digests is understood, anything else is refused."""
    digests = [hashlib.sha256(b"%d" % i).hexdigest() for i in range(batches.MOST)]
    raw = batches.request(digests)
    assert batches.asked(raw) == digests
    assert len(raw) <= batches.REQUEST_BYTES
    for bad in (b"", b"[]", b"{}", b'["x"]', b"[1]", b"[[]]", b"[" * 100_000, raw[:-1], b'"' + b"0" * 64 + b'"',
                batches.request([*digests, digests[0]]), batches.request(["../../../etc/passwd"])):
        with pytest.raises(BadBatch):
            batches.asked(bad)
