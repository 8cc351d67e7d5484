"""A staging server in a process of its own, so that its memory can be looked at; see test_staging_hostile.py.

    python hostile_server.py FOLDER SETTINGS    says in one line of JSON where it is, ends when its stdin does

Claim `good` works; the token of `thief` is stolen; `ended` was closed. Lines on stdin are commands, each answered by
one line of JSON: "place ATTEMPT", "seen".
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from mfmesos.core.model import Task
from mfmesos.shared import wire
from mfmesos.staging.inputs import InputIndex
from mfmesos.staging.publish_errors import PublishError
from mfmesos.staging.server import StagingServer


class Fort:
    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.index = InputIndex(folder)
        self.server = StagingServer(folder, self.on_sync, inputs=self.index, **settings)
        self.seen: Counter[str] = Counter()

    async def on_sync(self, claim: str, request: wire.SyncRequest) -> wire.SyncAnswer:
        self.seen[claim] += 1
        for result in request.results:
            # What a scheduler does with it: writes it down and says it.
            json.dumps(vars(result), default=vars, allow_nan=False).encode("ascii")
            f"{result.reason}{result.stdout}{result.stderr}".encode()
        return wire.SyncAnswer(number=request.seq, acked=[r.attempt for r in request.results])

    def permit(self, claim: str, attempt: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> list[str]:
        staged = self.index.stage(Task(1, "x", inputs))
        self.server.permit(claim, attempt, staged, outputs)
        return [item.digest for item in staged]

    async def begin(self) -> dict[str, Any]:
        await self.server.start()
        archive = Path(__file__)
        self.server.archive.serve(archive)
        tokens = {claim: self.server.open_claim(claim) for claim in ("good", "thief", "ended")}
        digests = {
            "good": self.permit("good", "1.1", ("secret.txt",), ("result.txt",)),
            "thief": self.permit("thief", "2.1", ("own.txt",), ("own.out", "folder", "folder/twice")),
            "ended": self.permit("ended", "3.1", ("secret.txt",), ("ended.out",)),
        }
        self.permit("good", "4.1", ("secret.txt",), ())  # which goes on running
        for number in range(2000):
            self.permit("good", f"{100 + number}.1", (), (f"good-{number}.out",))
        self.server.close_claim("ended")
        return {"url": self.server.url, "archive": self.server.archive.url(), "tokens": tokens, "digests": digests}

    def obey(self, line: str) -> Any:
        command, _, rest = line.partition(" ")
        if command == "place":
            try:
                self.server.publish_outputs(rest)
                self.server.settle(rest)
            except PublishError as e:
                return e.reason
        return dict(self.seen)


async def main(folder: Path, settings: dict[str, Any]) -> None:
    fort = Fort(folder, settings)
    print(json.dumps(await fort.begin()), flush=True)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        print(json.dumps(fort.obey(line.decode().strip())), flush=True)
    await fort.server.stop()


if __name__ == "__main__":
    settings = json.loads(sys.argv[2])
    if descriptors := settings.pop("descriptors", 0):
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    asyncio.run(main(Path(sys.argv[1]), settings))
