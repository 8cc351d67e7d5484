"""Starts each Python process of mfmesos, except the executor: modules are imported from the standard library and the
installation, never from the folder of a workflow.

That folder is the working directory of most processes and often on PYTHONPATH: a user's random.py or queue.py would
replace the standard library's. `own_programs.command` starts a process that ignores both; the command line itself,
which the user starts, corrects its search path before it imports anything.

    python -I .../mfmesos/start.py mfmesos.scheduler ARGS...

Until the search path is corrected this file imports only modules that every Python has loaded before.
"""
from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mfmesos.launchers.early import Early

HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder from which this installation was imported."""


COLLECT_AFTER = (50_000, 20, 100)
"""For gc.set_threshold: with Python's own, imports alone make the collector run dozens of times (docs/performance.md,
Start-up)."""


def isolate() -> None:
    """Correct this process's search path: the standard library, the installation, and the site's packages."""
    sys.path[:] = search_path(sys.path, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    if sys.flags.isolated:
        _add_user_site()


def search_path(found: list[str], named: list[str]) -> list[str]:
    """`found` without the entries before the standard library: the script's folder or the working directory, and the
    entries of PYTHONPATH, as in `named`. Installations among them follow the standard library.
    """
    library = [entry for entry in found if _is_library(entry)]
    first = found.index(library[0]) if library else 0
    before = [entry for entry in (*found[:first], *named) if _is_installation(entry)]
    after = [entry for entry in found[first:] if entry not in library]
    home = [] if HOME in before or HOME in after else [HOME]
    return list(dict.fromkeys((*library, *home, *before, *after)))


def _is_library(entry: str) -> bool:
    folder = os.path.dirname(os.__file__)
    name = os.path.basename(entry)
    return entry == folder or name == "lib-dynload" or (name.startswith("python") and name.endswith(".zip"))


def _is_installation(entry: str) -> bool:
    """Whether pip has put packages there (`--target`, a module system's folders), or this package itself is there."""
    if not os.path.isabs(entry):
        return False
    try:
        return os.path.abspath(entry) == HOME or any(name.endswith(".dist-info") for name in os.listdir(entry))
    except OSError:
        return False


def _add_user_site() -> None:
    """The folder of `pip install --user`, which -I leaves out. It precedes the site's own packages, as usual."""
    import site

    if sys.base_prefix not in site.PREFIXES or os.environ.get("PYTHONNOUSERSITE"):
        return  # a virtual environment
    before = list(sys.path)
    folder = site.getusersitepackages()
    if os.path.isdir(folder):
        site.addsitedir(folder)
        added = [entry for entry in sys.path if entry not in before]
        library = [entry for entry in before if _is_library(entry)]
        sys.path[:] = [*library, *added, *(entry for entry in before if entry not in library)]


def main() -> None:
    """Run the program that the first argument names."""
    gc.set_threshold(*COLLECT_AFTER)
    isolate()
    from mfmesos.shared.own_programs import CLUSTER, PAGE, SCHEDULER

    program = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if program == SCHEDULER:
        from mfmesos.scheduler import daemon

        daemon.leave(daemon.main())
    if program == CLUSTER:
        from mfmesos.local.__main__ import main as cluster

        sys.exit(cluster())
    if program == PAGE:
        from mfmesos.web.page_process import main as page

        sys.exit(page(sys.argv[1:]))
    from mfmesos.shared.messages import cli as m

    sys.exit(m.UNKNOWN_PROGRAM(program=program))


def cli() -> None:
    """`mfmesos` on the command line."""
    gc.set_threshold(*COLLECT_AFTER)
    isolate()
    if any("token=" in word for word in sys.argv):
        from mfmesos.cli.run_place import hide_token

        hide_token(sys.argv[1:])
    early = _start_early(sys.argv[1:])
    from mfmesos.cli.command_line import main as command_line

    try:
        command_line(prog_name="mfmesos", obj=early)
    except SystemExit as e:
        if early is not None:
            early.close()
        if e.code is None or isinstance(e.code, int):
            _leave(e.code or 0)
        raise


def _start_early(argv: list[str]) -> Early | None:
    """The scheduler's process for a command that will surely need one; the command itself takes a while to start. A
    detached command starts its own, which must be its child and not write to the terminal.
    """
    if argv[:1] not in (["makeflow"], ["factory"]) or not {"-h", "--help", "--detach"}.isdisjoint(argv):
        return None
    from mfmesos.launchers.early import Early

    try:
        return Early()
    except OSError:
        return None  # the command reports what is wrong


def _leave(code: int) -> None:
    """End the process as Python does, but without taking its modules apart (docs/performance.md, Start-up). Returns if
    what was printed cannot be written, which Python then reports.
    """
    import atexit

    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # closed, or None
        return
    os._exit(code)


if __name__ == "__main__":
    main()
