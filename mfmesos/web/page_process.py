"""The process that serves the page of a run: `mfmesos web`, and beside a run with --web.

    mfmesos.web FOLDER ADDRESS:PORT PARENT    started by mfmesos.launchers.run_page; ends with process PARENT; its
                                              first line is a JSON object with "address" and "link", or "error"
"""
from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Callable

from mfmesos.settings.config import ConfigError
from mfmesos.shared.addresses import is_loopback, split_host_port
from mfmesos.shared.messages import seeing as m
from mfmesos.shared.plainerrors import plain
from mfmesos.shared.terminal import ending_signals

PARENT_S = 1.0


def loopback(listen: str) -> tuple[str, int]:
    """Host and port of an address of this machine. Raises ConfigError for another one: the page has no TLS."""
    try:
        host, port = split_host_port(listen, 0)
    except ValueError as e:
        raise ConfigError(str(e)) from None
    if not is_loopback(host):
        raise ConfigError(m.PAGE_NOT_LOOPBACK(address=listen))
    return host, port


def serve(folder: Path, listen: str, started: Callable[[str, str], None], parent: int | None = None) -> None:
    """Until a signal ends the process, or `parent` is no longer its parent. Raises ConfigError or OSError."""
    from mfmesos.web import page_server

    host, port = loopback(listen)

    async def main() -> None:
        stop = asyncio.Event()
        for number in (*ending_signals(), signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await page_server.serve(folder, host, port, started, lambda: _ended(stop, parent))

    asyncio.run(main())


def _ended(stop: asyncio.Event, parent: int | None) -> Awaitable[None]:
    async def wait() -> None:
        while not stop.is_set() and (parent is None or os.getppid() == parent):
            await asyncio.wait([asyncio.ensure_future(stop.wait())], timeout=PARENT_S)

    return wait()


def main(argv: list[str]) -> int:
    folder, listen, parent = argv

    def report(**found: str) -> None:
        print(json.dumps(found), flush=True)

    try:
        serve(Path(folder), listen, lambda address, link: report(address=address, link=link), int(parent))
    except ConfigError as e:
        report(error=str(e))
        return 1
    except OSError as e:
        report(error=plain(e))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
