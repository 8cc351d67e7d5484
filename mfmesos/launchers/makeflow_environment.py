"""The environments of a workflow's tasks, for the launcher: makes makeflow log them for the scheduler."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mfmesos.launchers.launching import LaunchOptions
from mfmesos.launchers.makeflow_args import MakeflowArgs, parse
from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import rules as m
from mfmesos.shared.phrases import printable
from mfmesos.taskfiles import makeflow_debug

DEBUG_LOG = "makeflow.debug"
EXPORT = re.compile(r"^\s*export\s+([^\n#]+)", re.MULTILINE)
ENVIRONMENT = re.compile(r"""["']environment["']\s*:|^\s*environment\s*:""", re.MULTILINE)
NAMED = 3


def nothing() -> None:
    """The callback if no log needs to be watched."""


@dataclass
class Logged:
    """How makeflow logs."""

    path: str = ""
    """The path of its debug log; empty if none."""
    argv: list[str] = field(default_factory=list)
    """The options for the log."""
    look: Callable[[], None] = nothing
    """Callback, to be called from time to time while makeflow runs."""

    def fatal(self) -> str:
        """makeflow's fatal error, if makeflow ended by one; empty if not, or if unknown."""
        return makeflow_debug.last_fatal(Path(self.path)) if self.path else ""


@contextmanager
def logged(args: MakeflowArgs, makeflow: Path, state_dir: Path, options: LaunchOptions) -> Iterator[Logged]:
    """Provides makeflow's debug log in the block, and writes the user's own debug log to its place.

    Raises ConfigError if the workflow has environments that this makeflow does not log.
    """
    if options.ignore_environment:
        yield Logged(argv=args.debug)
        return
    if not tells(makeflow):
        named = named_in(args)
        if named:
            raise ConfigError(m.ENVIRONMENT_NOT_LOGGED(file=printable(args.dagfile), what=named))
        yield Logged(argv=args.debug)
        return
    path = state_dir / DEBUG_LOG
    try:
        file = makeflow_debug.LogFile(path)
        forward = _forward(args, path)
    except OSError as e:
        raise ConfigError(m.DEBUG_LOG_NOT_WRITABLE(file=e.filename, why=e.strerror)) from None

    def look() -> None:
        file.reserve()
        if forward:
            forward.look()

    try:
        yield Logged(str(path), [*_flags(args), *makeflow_debug.options(path)], look)
    finally:
        if forward:
            forward.close()
        file.remove()


def _flags(args: MakeflowArgs) -> list[str]:
    return [word for flag in args.debug_flags for word in ("-d", flag)]


def _forward(args: MakeflowArgs, path: Path) -> makeflow_debug.Forward | None:
    target = args.options.get("debug-file")
    if not args.debug_flags and target in (None, ":stderr"):
        return None
    return makeflow_debug.Forward(path, args.debug_flags, target)


def tells(makeflow: Path) -> bool:
    """Whether this makeflow logs environments."""
    try:
        data = makeflow.read_bytes()
    except OSError:
        return False
    return all(words in data for words in makeflow_debug.NEEDED)


def lost_by(words: Sequence[str]) -> str:
    """The environments that plain makeflow, started with these words, drops, in one line; empty if none are known."""
    try:
        args = parse(list(words[1:]), {})
    except ConfigError:
        return ""
    named = named_in(args)
    if not named:
        return ""
    return m.ENVIRONMENT_LOST(file=printable(args.dagfile), what=named)


def named_in(args: MakeflowArgs) -> str:
    """Where the workflow sets environments for its tasks, in words; empty if it does not."""
    if "send-environment" in args.options:
        return "--send-environment"
    try:
        text = Path(args.dagfile).read_text(errors="replace")
    except OSError:
        return ""
    names = [name for line in EXPORT.findall(text) for name in re.findall(r"[A-Za-z_]\w*(?=\s*(?:=|\s|\Z))", line)[:1]]
    if names:
        return m.EXPORTS(names=", ".join([*names[:NAMED], *(["..."] if len(names) > NAMED else [])]))
    return "environment" if ENVIRONMENT.search(text) else ""
