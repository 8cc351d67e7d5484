"""The usage of a run by category: the table at its end."""
from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

from mfmesos.core.snapshot import Transfers
from mfmesos.shared.messages import runs as m
from mfmesos.shared.phrases import counted, size
from mfmesos.store.run_totals import CategoryUse


def show(rows: Sequence[CategoryUse]) -> None:
    """Print the table on stderr, unless empty."""
    if not rows:
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="What each category used", title_justify="left")
    table.add_column("category")
    for heading in ("finished", "failed", "peak memory", "median memory", "most cores", "task time"):
        table.add_column(heading, justify="right")
    for name, finished, failed, peak, middle, cores, seconds in rows:
        table.add_row(
            name, str(finished), str(failed), f"{peak:.0f} MB", f"{middle:.0f} MB", f"{cores:.1f}", f"{seconds:.1f} s")
    with contextlib.suppress(OSError):
        Console(file=sys.stderr).print(table)


def moved(one: Transfers) -> Iterator[str]:
    """Lines about temporary outputs, if there were any, and about --peer-transfers, if it is on."""
    (kept, kept_bytes), (brought, brought_bytes) = one.kept, one.brought
    if kept or one.remade:
        line = m.TEMPORARIES_KEPT(
            stayed=max(kept - brought, 0), stayed_size=size(max(kept_bytes - brought_bytes, 0)),
            brought=brought, brought_size=size(brought_bytes))
        yield m.TEMPORARIES_REMADE(kept=line, tasks=counted(one.remade, "task")) if one.remade else line
    if one.from_peers_bytes:
        yield m.INPUTS_FROM_PEERS(peers=size(one.from_peers_bytes), scheduler=size(one.sent_bytes))
    elif one.from_peers_bytes == 0:
        yield m.INPUTS_FROM_NO_PEER(scheduler=size(one.sent_bytes))
