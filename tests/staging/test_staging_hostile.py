"""The server under siege: ten thousand bad requests and more, with and without a stolen token, while it works on."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_help import GoodClient, Siege, request
from hostile_requests import all_of_them
from staging_help import files_tar, inline

LEAST = 10_000
GROWTH_MB = 32
"""So much more memory may be in use after them all; Python gives little of what it had back to the system."""
PEAK_MB = 96
"""And so much more at any moment, with bodies of up to 4 MB and 8 MB behind a gzip header among them."""


@pytest.fixture
def siege(tmp_path: Path) -> Iterator[Siege]:
    made = Siege(tmp_path, max_sync_bytes=4 << 20)
    yield made
    made.close()


def settle_first_task(siege: Siege) -> None:
    """Attempt 1.1 delivers, is placed and settled."""
    body = b'{"seq":1,"results":[{"attempt":"1.1","outcome":"finished","usage":{},"tar":"%s"}]}' % inline(
        files_tar(**{"result.txt": b"right"})).encode()
    assert siege.send(request("POST", "/claims/good/sync", siege.tokens["good"], body), 200) == 200
    siege.tell("place 1.1")
    assert (siege.folder / "result.txt").read_bytes() == b"right"


def test_ten_thousand_bad_requests(siege: Siege) -> None:
    """Each is refused in the right way, none is an error of the server; nothing is served that was not granted, nothing
    written, memory stays bounded, and a good client is served all the while."""
    settle_first_task(siege)
    before, asked = siege.tree(), 0
    resident, _ = siege.resident_mb()
    with GoodClient(siege) as good:
        for seed in range(10):
            for what, raw, allowed in all_of_them(siege, seed):
                siege.send(raw, *allowed, what=what)
                asked += 1
            if asked >= LEAST:
                break
    assert not siege.wrong, "\n".join(dict.fromkeys(siege.wrong))[:6000]
    assert siege.statuses[-1] == 0
    assert asked >= LEAST
    assert siege.tree() == before
    now, peak = siege.resident_mb()
    assert now - resident < GROWTH_MB, siege.statuses
    assert peak - resident < PEAK_MB
    assert good.problem == ""
    assert len(good.done) > 20
    assert good.slowest_s < 5
    for number, attempt in enumerate(good.done):
        siege.tell(f"place {attempt}")
        assert (siege.folder / f"good-{number}.out").read_bytes() == b"%d" % number * 50
    log = siege.log.read_text()
    assert not [token for token in siege.tokens.values() if token in log]
    assert "request_failed" not in log, log[-2000:]
