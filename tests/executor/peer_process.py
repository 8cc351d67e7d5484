"""An agent in a process of its own, see peer_agents.py.

    python peer_process.py FOLDER    on stdin: claim and input in JSON, then "go"; ends when its stdin does

Says in JSON lines that it is ready, and then how many seconds the input took, and where it came from.
"""
from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from peer_agents import Agent

from mfmesos.shared.wire import ClaimData, Input


def main() -> None:
    data, item = json.loads(sys.stdin.readline())
    agent = Agent(ClaimData(**data), Path(sys.argv[1]))
    print(json.dumps("ready"), flush=True)
    for _ in sys.stdin:
        began = time.monotonic()
        agent.fetch(Input(**item)).unlink()
        print(json.dumps({"seconds": time.monotonic() - began, "from_peers": agent.peers.from_peers,
                          "from_scheduler": agent.peers.from_scheduler}), flush=True)
    agent.close()


main()
