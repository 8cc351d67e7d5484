"""A pool's status: written by its scheduler once a second, read by `mfmesos pool --status`."""
from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mfmesos.settings.config import ConfigError
from mfmesos.shared import atomic
from mfmesos.shared.messages import pool as m
from mfmesos.shared.phrases import counted

FILE = "pool-status.json"
OLD_S = 15.0
PIPE_WIDTH = 500
"""In a pipe no name is folded."""
MOST_ADDRESS = 33
"""Columns of a terminal for an address; a longer one is folded."""
WIDE = 110
"""A terminal with fewer columns shows each of the last column's numbers in a line of its own."""


@dataclass(frozen=True)
class Row:
    """One manager. Cores; numbers of tasks and workers."""

    project: str
    host: str
    port: int
    tasks_waiting: int
    tasks_running: int
    needs: float
    has: float
    workers: int
    unplaced: int
    """Workers for which no agent has free resources yet."""
    connected: int
    idle: int
    draining: int
    why_not_more: str

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Status:
    """`written_at` in seconds since the epoch; `abandoned`: workers whose manager is gone."""

    written_at: float
    managers: tuple[Row, ...] = ()
    largest: str = ""
    """The largest worker that fits an agent; empty while no agent is known."""
    cores: float = 0.0
    problem: str = ""
    abandoned: int = 0


def write(state_dir: Path, status: Status) -> None:
    """On a full disk the status is lost, the pool continues."""
    with contextlib.suppress(OSError):
        # Not by asdict, which copies every value: 2 ms for 200 managers.
        found = {**vars(status), "managers": [vars(row) for row in status.managers]}
        atomic.write(state_dir / FILE, json.dumps(found), mode=0o600)


def read(state_dir: Path) -> Status:
    """Raises ConfigError in one line if there is no status."""
    path = state_dir / FILE
    try:
        stored = json.loads(path.read_text())
        return Status(**{**stored, "managers": tuple(Row(**row) for row in stored["managers"])})
    except FileNotFoundError:
        raise ConfigError(m.POOL_NO_POOL(folder=state_dir.parent)) from None
    except (OSError, ValueError, TypeError, KeyError) as e:
        raise ConfigError(m.POOL_NOT_A_STATUS(path=path, why=e)) from None


def show(status: Status, echo: Callable[[str], None], now: Callable[[], float] = time.time) -> None:
    """Print a table of the managers, and below it why they have no more workers."""
    from rich.console import Console
    from rich.table import Table

    age = now() - status.written_at
    if age > OLD_S:
        echo(m.POOL_STATUS_OLD(age=age))
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_WIDTH)
    between = ", " if console.width >= WIDE else ",\n"
    room = m.POOL_ROOM(largest=status.largest, cores=status.cores) if status.largest else m.POOL_ROOM_UNKNOWN()
    table = Table(title=f"Pool ({room})", title_justify="left", box=None, padding=(0, 1, 0, 0))
    longest = max((len(row.address) for row in status.managers), default=0)
    table.add_column("manager", overflow="fold", min_width=min(longest, MOST_ADDRESS))
    for heading in ("waiting", "running", "need", "had", "workers"):
        table.add_column(heading, justify="right")
    table.add_column("of them")
    for row in status.managers:
        kinds = (("unplaced", row.unplaced), ("connected", row.connected), ("idle", row.idle),
                 ("draining", row.draining))
        table.add_row(
            f"{row.project} {row.address}", str(row.tasks_waiting), str(row.tasks_running), f"{row.needs:g}",
            f"{row.has:g}", str(row.workers), between.join(f"{count} {kind}" for kind, count in kinds if count))
    console.print(table)
    for row in status.managers:
        if row.why_not_more:
            echo(f"{row.project} {row.address}: {row.why_not_more}")
    if not status.managers:
        echo(m.POOL_NO_MANAGERS())
    if status.abandoned:
        echo(m.POOL_ABANDONED(workers=counted(status.abandoned, "worker")))
    if status.problem:
        echo(status.problem)
