"""`mfmesos runs`: the runs of this user."""
from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mfmesos.settings.config import STATE_DIR
from mfmesos.shared.messages import seeing as m

if TYPE_CHECKING:
    from mfmesos.store.run_registry import Known

MOST_SHOWN = 50
WIDE = 110
"""Columns of a terminal in which the cluster is shown as well."""
CLUSTER = 24


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def runs(as_json: bool) -> None:
    """List your runs: one line for each folder, the latest first."""
    from mfmesos.shared.phrases import cut, duration, without_controls
    from mfmesos.store import run_registry

    found = [_seen(one) for one in run_registry.known()[:MOST_SHOWN]]
    if as_json:
        click.echo(json.dumps(found))
        return
    if not found:
        click.echo(m.NO_RUNS())
        return
    width, now = shutil.get_terminal_size((80, 24)).columns, time.time()
    wide = width >= WIDE
    cluster = f"{'cluster':<{CLUSTER}}" if wide else ""
    click.echo(f"{'state':<9}{'finished':>13}{'failed':>8}  {'engine':<9}{'started':<17}{cluster}folder")
    for one in found:
        tasks = f"{one['finished']}/{one['total']}" if one["total"] is not None else "-"
        ago = m.AGO(time=duration(max(now - one["started"], 0.0)))
        failed = "-" if one["failed"] is None else one["failed"]
        line = f"{one['state']:<9}{tasks:>13}{failed:>8}  {one['engine']:<9}{ago:<17}"
        if wide:
            line += f"{cut(without_controls(one['master']), CLUSTER - 2):<{CLUSTER}}"
        click.echo((line + cut(without_controls(one["folder"]), max(width - len(line), 20))).rstrip())


def _seen(known: Known) -> dict[str, Any]:
    """With what the folder's record says of its last run, and whether a scheduler answers."""
    from mfmesos.control.control_client import ControlClient, ControlError, NotAlive
    from mfmesos.store.run_reading import RunReader
    from mfmesos.store.run_tables import RUNNING, RecordError
    from mfmesos.views.status_view import CRASHED

    state_dir, row = Path(known.folder) / STATE_DIR, None
    try:
        with RunReader(state_dir) as reader:
            row = reader.last()
    except RecordError:
        pass
    found = {**vars(known), "state": row["state"] if row else m.RUN_GONE(),
             **{name: row[name] if row else None for name in ("total", "finished", "failed")}}
    if found["state"] == RUNNING:
        try:
            with ControlClient(state_dir) as client:
                counts = client.ask("status")["counts"]
                found.update({name: counts[name] for name in ("total", "finished", "failed")})
        except NotAlive:
            found["state"] = CRASHED
        except ControlError:  # on another machine: its record says what it is
            pass
    return found
