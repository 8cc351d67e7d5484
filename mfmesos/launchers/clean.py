"""`mfmesos clean`: removes the leftovers of a crashed run from Mesos and from the workflow's folder, never an
output.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mfmesos.mesos.calls import Caller, CallLost, CallRefused, basic_credential
from mfmesos.settings.config import STATE_DIR, ConfigError
from mfmesos.shared.disk import remove_tree
from mfmesos.shared.messages import launchers as m
from mfmesos.shared.plainerrors import plain
from mfmesos.store import framework
from mfmesos.store.leftovers import FILES, JOURNAL, FolderLock, give_back, plain_engine_in
from mfmesos.store.markers import FILE as MARKERS
from mfmesos.store.markers import markers_in

Echo = Callable[[str], None]
TIMEOUT_S = 10.0
TEMPORARY = ("incoming", "temporary", JOURNAL, "scheduler.json", "makeflow.debug", MARKERS, "mfmesos-executor*",
             "framework_id.new", "control.json*")
"""In .mfmesos/; the records of the run (scheduler.log, report.jsonl, record.sqlite, logs/) stay."""
NO_FRAMEWORK = "No framework found"


@dataclass(frozen=True)
class Leftover:
    """A leftover of a crashed run: `what` names it for the user; `remove` raises ConfigError in one line if it
    fails.
    """

    what: str
    remove: Callable[[], None]


def clean(workdir: Path, *, dry_run: bool, echo: Echo, master: str = "", principal: str | None = None,
          secret: str | None = None) -> int:
    """Remove (or with `dry_run` only list) each leftover. Exit code 1: a leftover could not be removed.

    `master` (HOST:PORT) replaces the master with which the crashed run was registered. Raises ConfigError if a run is
    active in the folder.
    """
    state_dir = workdir / STATE_DIR
    if not state_dir.is_dir():
        echo(m.NOTHING_TO_CLEAN(folder=workdir))
        return 0
    engine = plain_engine_in(workdir)
    if engine is not None:
        raise ConfigError(m.ENGINE_ACTIVE(folder=workdir, process=engine))
    with FolderLock(state_dir, echo):
        found = leftovers(workdir, master, basic_credential(principal, secret))
        bad = [line for leftover in found if (line := _handle(leftover, dry_run, echo))]
        if not dry_run:
            give_back(workdir)
    for line in bad:
        echo(line)
    if not found:
        echo(m.NOTHING_BUT_LOGS(folder=workdir))
    return 1 if bad else 0


def _handle(leftover: Leftover, dry_run: bool, echo: Echo) -> str:
    """The reason why the leftover could not be removed; empty on success."""
    if dry_run:
        echo(m.WOULD_REMOVE(what=leftover.what))
        return ""
    try:
        leftover.remove()
    except (ConfigError, OSError) as e:
        return m.NOT_REMOVED(what=leftover.what, why=plain(e))
    echo(m.REMOVED(what=leftover.what))
    return ""


def leftovers(workdir: Path, master: str, headers: dict[str, str]) -> list[Leftover]:
    """The leftovers of a crashed run; the framework first, since its record is the only way to find it."""
    state_dir, found = workdir / STATE_DIR, []
    known = framework.load(state_dir)
    if known is not None:
        address = master or known.master
        found.append(Leftover(
            m.FRAMEWORK_OF_RUN(id=known.id, master=address or m.UNKNOWN_MASTER()),
            lambda: _end_framework(state_dir, known.id, address, headers)))
        if known.engine in ("makeflow", "factory"):  # the batch runner's task file is the user's own
            found += [_file(workdir / name) for name in FILES if (workdir / name).exists()]
    found += [_file(path) for path in markers_in(state_dir)]
    for pattern in TEMPORARY:
        found += [_file(path) for path in sorted(state_dir.glob(pattern))]
    return found


def _file(path: Path) -> Leftover:
    def remove() -> None:
        remove_tree(str(path))
        if path.exists():
            raise ConfigError(m.STILL_EXISTS())

    return Leftover(str(path), remove)


def _end_framework(state_dir: Path, framework_id: str, address: str, headers: dict[str, str]) -> None:
    """Tear the framework down; a framework that the master does not know counts as torn down."""
    if not address:
        raise ConfigError(m.MASTER_NOT_RECORDED())
    caller = Caller(TIMEOUT_S)
    try:
        caller.call(address, "/api/v1", {
            "type": "TEARDOWN", "teardown": {"framework_id": {"value": framework_id}}}, headers)
    except CallRefused as e:
        if NO_FRAMEWORK not in str(e):
            raise ConfigError(m.MASTER_REFUSED_TEARDOWN(why=e)) from None
    except CallLost as e:
        raise ConfigError(m.CLEAN_MASTER_UNREACHABLE(why=e)) from None
    finally:
        caller.close()
    framework.forget(state_dir)
