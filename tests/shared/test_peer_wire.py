"""The messages about peers, from anybody."""
from __future__ import annotations

import json

import pytest

from mfmesos.shared import peer_wire
from mfmesos.shared.peer_wire import SourceAnswer, SourceRequest, load_source_answer, load_source_request
from mfmesos.shared.wire import dumps
from mfmesos.shared.wire_checks import WireError


def test_there_and_back():
    """What one side sends, the other one gets."""
    request = SourceRequest(5, 2, "c1", peer_wire.BROKEN, "10.0.0.1:77", "ab" * 32, 3, 2)
    assert load_source_request(dumps(request)) == request
    answer = SourceAnswer("AAAA", "c2", "http://10.0.0.1:77", "", "token")
    assert load_source_answer(dumps(answer)) == answer


@pytest.mark.parametrize("change", [
    {"have": -1}, {"have": True}, {"have": 1 << 70}, {"known": "1"}, {"from_peers": 1.5}, {"source": 7},
    {"source": "a\nb"}, {"source": "x" * 300}, {"failed": "because"}, {"address": "10.0.0.1"}, {"address": "h:99999"},
    {"fingerprint": "AB" * 32}, {"fingerprint": "zz"}])
def test_malformed_requests(change):
    """Each field has a type and bounds."""
    with pytest.raises(WireError):
        load_source_request(json.dumps({**vars(SourceRequest()), **change}).encode())


@pytest.mark.parametrize("raw", [b"", b"[]", b"7", b"\xff", b'{"have": NaN}'])
def test_not_a_request(raw):
    """Nor does anything else get through."""
    with pytest.raises(WireError):
        load_source_request(raw)


def test_blocks():
    """Some hundred of them, small in small inputs, and never more than fit one list."""
    for size in (1 << 20, 100 * 10**6, 10**9, 10**12, 10**14):
        block, count = peer_wire.block_bytes(size), peer_wire.blocks_in(size)
        assert block * (count - 1) < size <= block * count
        assert 16 <= count <= peer_wire.MOST_BLOCKS
    assert peer_wire.block_bytes(1 << 20) == 64 << 10
    assert peer_wire.block_bytes(10**9) == 1 << 20


def test_tokens_differ():
    """By peer and by input; nobody derives one from another."""
    tokens = {peer_wire.file_token(secret, digest) for secret in ("s1", "s2") for digest in ("a" * 64, "b" * 64)}
    assert len(tokens) == 4
    assert all(len(token) == 43 for token in tokens)


@pytest.mark.parametrize("blocks", ["?", "AAA", "AAAA"])
def test_bad_digests(blocks):
    """Not base64, or not a whole number of digests."""
    with pytest.raises(WireError):
        SourceAnswer(blocks).digests()
