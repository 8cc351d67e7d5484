"""The usage of a run by category: the table at its end."""
from __future__ import annotations

import contextlib
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from mfmesos.core.snapshot import Transfers
from mfmesos.shared.messages import runs as m
from mfmesos.shared.phrases import counted, size
from mfmesos.store.run_reading import grouped

Entry = dict[str, Any]


def rows(entries: Sequence[Entry]) -> list[tuple[str, int, int, float, float, float, float]]:
    """By category: (name, finished, failed, peak memory MB, median memory MB, most cores, total seconds). A cancelled
    task counts with its usage, if it ran.
    """
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry["usage"] or not entry["withdrawn"]:
            groups[entry["category"]].append(entry)
    table = []
    for name, group in sorted(groups.items()):
        usages = [e["usage"] for e in group if e["usage"]] or [{"memory_mb": 0.0, "cores": 0.0, "wall_s": 0.0}]
        memory = [u["memory_mb"] for u in usages]
        table.append((
            name, sum(e["finished"] for e in group), sum(not (e["finished"] or e["withdrawn"]) for e in group),
            max(memory), median(memory), max(u["cores"] for u in usages), sum(u["wall_s"] for u in usages)))
    return table


def failures(entries: Sequence[Entry]) -> list[Entry]:
    """Failed tasks by the kind of their reasons, as status_view.failure_lines takes them."""
    return grouped(entry for entry in entries if not (entry["finished"] or entry["withdrawn"]))


def show(entries: Sequence[Entry]) -> None:
    """Print the table on stderr, unless empty."""
    found = rows(entries)
    if not found:
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title="What each category used", title_justify="left")
    table.add_column("category")
    for heading in ("finished", "failed", "peak memory", "median memory", "most cores", "task time"):
        table.add_column(heading, justify="right")
    for name, finished, failed, peak, middle, cores, seconds in found:
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
