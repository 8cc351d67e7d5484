"""A link or an executor driver that ends with its test."""
from __future__ import annotations

import pytest
from support import wait_until

from mfmesos.mesos.master_link import FrameworkSettings, MesosLink
from mfmesos.mesos.stream import Timing

FAST = Timing(connect_s=0.4, reply_s=0.5, first_backoff_s=0.1, most_backoff_s=0.4, call_s=2.0, again_s=0.3)


class Seen(list):
    """What was posted."""

    def of(self, kind):
        return [e for e in list(self) if isinstance(e, kind)]

    def wait(self, kind, count=1, timeout=10.0):
        return wait_until(lambda: self.of(kind)[count - 1:], timeout, f"{count} {kind.__name__}")[0]


@pytest.fixture
def connect():
    """Start a link; all are stopped, without a teardown, at the end."""
    links = []

    def start(master, post=None, timing=FAST, **settings):
        seen = Seen()

        def both(event):
            seen.append(event)
            if post is not None:
                post(event)

        given = {"name": "n", "user": "u", "hostname": "h", **settings}
        link = MesosLink(master, FrameworkSettings(**given), both, timing=timing)
        link.start()
        links.append(link)
        return link, seen

    yield start
    for link in links:
        link.stop(False, 0.5)
