"""`mfmesos top`: tasks and agents of a live run on a whole terminal, by curses alone."""
from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from mfmesos.cli.failing import fail
from mfmesos.cli.run_place import PLACE, Place
from mfmesos.cli.run_sources import run_of
from mfmesos.shared.messages import seeing as m

if TYPE_CHECKING:
    import curses

LOOK_S = 1.0


@click.command()
@click.argument("place", required=False, default=".", metavar="[FOLDER|URL]", type=PLACE)
def top(place: Place) -> None:
    """Show what runs and waits in a live run, until q.

    Keys: t running tasks, w waiting tasks and why they wait, a agents, < and > choose the column to sort by, r
    reverses, arrows scroll, Ctrl-L redraws, q or Ctrl-C quits. For failures see mfmesos status, for all about one task
    mfmesos why.

    FOLDER is the folder of the workflow (default: the present one), URL the link to the run's page.
    """
    from mfmesos.control.control_client import ControlError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail(m.TOP_NO_TERMINAL())
    run = run_of(place)
    try:
        _on_screen(run.asked)
    except ControlError as e:
        fail(str(e))
    finally:
        run.close()


def _on_screen(ask: Any) -> None:
    import curses

    try:
        curses.wrapper(lambda window: _show(window, ask))
    except KeyboardInterrupt:
        pass
    except curses.error as e:
        fail(m.TOP_TERMINAL_BAD(why=e))


def _show(window: curses.window, ask: Any) -> None:
    import curses

    from mfmesos.views import top_view

    with contextlib.suppress(curses.error):  # the terminal cannot hide it, or has no colours
        curses.curs_set(0)
        curses.use_default_colors()
    named = {curses.KEY_DOWN: "down", curses.KEY_UP: "up", curses.KEY_NPAGE: "pagedown", curses.KEY_PPAGE: "pageup",
             curses.KEY_LEFT: "left", curses.KEY_RIGHT: "right", ord("\t"): "tab"}
    view, shown, look_at = top_view.View(), "", 0.0
    status: dict[str, Any] = {}
    found: list[Any] = []
    while True:
        now = time.monotonic()
        if now >= look_at or shown != view.table:
            status, found, shown, look_at = ask("status"), ask(top_view.ASKED[view.table]), view.table, now + LOOK_S
        rows = top_view.rows_of(view, found, time.time())
        height, width = window.getmaxyx()
        width = max(width, 20)
        window.erase()
        for y, text in enumerate(top_view.screen(view, status, rows, time.time(), width, height)):
            heading = curses.A_REVERSE if y == top_view.HEAD - 1 else curses.A_NORMAL
            window.insnstr(y, 0, text.ljust(width) if heading else text, width, heading)
        window.refresh()
        window.timeout(max(int((look_at - time.monotonic()) * 1000), 0) + 1)
        key = window.getch()
        if key in (ord("q"), ord("Q")):
            return
        if key == ord("\f"):  # Ctrl-L
            window.clearok(True)
        name = named.get(key, chr(key) if 0 < key < 128 else "")
        view = view.pressed(name, len(rows), max(height - top_view.HEAD - 1, 1))
