"""Parses makeflow's own command line as its getopt does, so that mfmesos can pass it on with -T mesos.

The options are those of makeflow 8.0.0 (Debian's coop-computing-tools 9.9), including undocumented ones; older versions
have a subset of them with the same meaning. Reference: `makeflow --help`.
"""
from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mfmesos.launchers.arguments import Grammar, Scanner, master_of
from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import rules as m

SHORT = "aAB:c::C:d:Ef:F:g:G:hj:J:l:L:m:M:N:o:Op:P:r:RS:t:T:u:vW:X:zZ:"
"""makeflow's option string for getopt."""

PLAIN = frozenset({
    "advertise", "archive", "archive-read", "archive-write", "disable-afs-check", "disable-cache",
    "disable-heartbeat", "do-not-save-failed-output", "enable_hook_example", "enforcement", "help",
    "ignore-memory-spec", "json", "jx", "log-verbose", "monitor-measure-dir", "monitor-with-opened-files",
    "monitor-with-time-series", "retry", "safe-submit-mode", "sandbox", "send-environment", "show-output",
    "skip-file-check", "vc3-builder", "verbose-jobnames", "version", "wq-estimate-capacity", "zero-length-error",
})
OPTIONAL = frozenset({
    "clean", "archive-s3", "archive-s3-no-check",
})
WITH_VALUE = frozenset({
    "allocation", "amazon-batch-config", "amazon-batch-img", "amazon-config", "archive-dir", "argv", "auth",
    "batch-log", "batch-mem-type", "batch-options", "batch-type", "cache", "catalog-server", "change-directory",
    "debug", "debug-file", "debug-rotate-max", "docker", "docker-opt", "docker-tar", "email", "env-replace-path",
    "file-status", "file-status-interval", "gc", "gc-count", "gc-size", "jx-args", "jx-context", "jx-define",
    "k8s-image", "lambda-config", "local-cores", "local-disk", "local-memory", "makeflow-log", "max-local",
    "max-remote", "mesos-master", "mesos-path", "mesos-preload", "monitor", "monitor-exe", "monitor-interval",
    "monitor-log-fmt", "monitor-log-name", "mounts", "mpi-cores", "mpi-memory", "parrot-path", "password", "port",
    "port-file", "priority", "project-name", "retry-count", "s3-hostname", "s3-keyid", "s3-secretkey", "shared-fs",
    "singularity", "singularity-opt", "storage-limit", "storage-print", "storage-type", "submission-timeout",
    "summary-log", "tickets", "tlq", "umbrella-binary", "umbrella-log-prefix", "umbrella-mode", "umbrella-spec",
    "vc3-exe", "vc3-log", "vc3-options", "wait-for-files-upto", "work-queue-preferred-connection", "working-dir",
    "wq-fast-abort", "wq-keepalive-interval", "wq-keepalive-timeout", "wq-schedule", "wq-wait-queue-size",
    "wrapper", "wrapper-input", "wrapper-output",
})
LETTERS = {
    "T": "batch-type", "J": "max-remote", "l": "makeflow-log", "L": "batch-log", "X": "change-directory", "c": "clean",
    "d": "debug", "o": "debug-file", "h": "help", "v": "version"}
DEBUG = frozenset({"debug", "debug-file", "debug-rotate-max"})
MOST_FILES = 100
"""Files of --argv, which may name further files."""
DROPPED = frozenset({"mesos-path", "mesos-preload"})
PASS_THROUGH = frozenset({"clean", "help", "version"})
AT_ONCE = "1000"
"""Jobs that makeflow has submitted at once, as with Work Queue; makeflow's default for Mesos is 100, with which the
101st core of a cluster stays idle.
"""
GRAMMAR = Grammar("makeflow", SHORT, PLAIN, OPTIONAL, WITH_VALUE, LETTERS, DROPPED)


@dataclass
class MakeflowArgs:
    """The launcher's view of a makeflow command line."""

    argv: list[str]
    """The arguments for makeflow, without the program's name and without the user's debug options."""
    dagfile: str = "./Makeflow"
    """The workflow's file as makeflow will read it: relative to its folder at the time of loading."""
    options: dict[str, str] = field(default_factory=dict)
    """The last value, by long name, of each option that the launcher needs."""
    dropped: list[str] = field(default_factory=list)
    debug: list[str] = field(default_factory=list)
    """The options for makeflow's debug log, as written."""
    debug_flags: list[str] = field(default_factory=list)
    """The value of each -d."""
    shared_fs: list[str] = field(default_factory=list)
    """The value of each --shared-fs."""

    @property
    def starts_nothing(self) -> bool:
        """--help, --version, --clean: makeflow runs nothing, so no scheduler is needed."""
        return bool(PASS_THROUGH & self.options.keys())

    @property
    def master(self) -> str | None:
        """The value of --mesos-master."""
        return master_of(self.options)

    def workdir(self, cwd: Path) -> Path:
        """Where makeflow works: -X applies after the workflow has been read."""
        return Path(os.path.normpath(cwd / self.options.get("change-directory", ".")))

    @property
    def log_name(self) -> str:
        """The path of makeflow's log of the run, from where makeflow works."""
        return self.options.get("makeflow-log", f"{self.dagfile}.makeflowlog")

    def log_path(self, cwd: Path) -> Path:
        """Where makeflow writes its log of the run."""
        return self.workdir(cwd) / self.log_name

    def own_files(self, cwd: Path) -> list[str]:
        """The workflow's file and makeflow's own logs within its folder, relative to that folder."""
        base = self.workdir(cwd)
        paths = [cwd / self.dagfile, self.log_path(cwd)]
        if "batch-log" in self.options:
            paths.append(base / self.options["batch-log"])
        found = [os.path.relpath(os.path.normpath(path), base) for path in paths]
        return [name for name in found if not name.startswith("../")]


def parse(argv: list[str], environ: Mapping[str, str]) -> MakeflowArgs:
    """Parse makeflow's arguments; adds -T mesos and a default -J; removes options that break its start.

    Raises ConfigError for another batch type and for an option without its value.
    """
    scanner = _Scanner(GRAMMAR, argv)
    scanner.scan()
    marked = ["--"] if any(word.startswith("-") for word in scanner.operands) else []
    result = MakeflowArgs(
        argv=[*scanner.kept, *marked, *scanner.operands], options=scanner.options, dropped=scanner.dropped,
        debug=scanner.debug, debug_flags=scanner.debug_flags,
        shared_fs=scanner.shared_fs)
    if len(scanner.operands) == 1:
        result.dagfile = scanner.operands[0]
    if result.starts_nothing:
        result.argv = list(argv)
        return result
    kind = result.options.get("batch-type") or environ.get("MAKEFLOW_BATCH_QUEUE_TYPE") or "mesos"
    if kind != "mesos":
        where = f"-T {kind}" if "batch-type" in result.options else f"MAKEFLOW_BATCH_QUEUE_TYPE={kind}"
        raise ConfigError(m.MAKEFLOW_BATCH_TYPE(option=where))
    if "max-remote" not in result.options:
        result.argv = ["-J", AT_ONCE, *result.argv]
    if "batch-type" not in result.options:
        result.argv = ["-T", "mesos", *result.argv]
    return result


def _from_json(name: str) -> list[tuple[str, Any]]:
    """The options and values in the file of --argv, including repeated options."""
    try:
        pairs = json.loads(Path(name).read_text(), object_pairs_hook=_Pairs)
    except OSError as e:
        raise ConfigError(m.ARGV_UNREADABLE(file=name, why=e.strerror)) from None
    except ValueError as e:
        raise ConfigError(m.ARGV_NOT_JSON(file=name, why=e)) from None
    if not isinstance(pairs, _Pairs):
        raise ConfigError(m.ARGV_NOT_OBJECT(file=name))
    return pairs


def _as_words(name: str, option: str, value: Any) -> list[str]:
    """One of these options in the form of command line words."""
    if option not in PLAIN | OPTIONAL | WITH_VALUE:
        raise ConfigError(m.ARGV_UNKNOWN(file=name, option=option))
    if isinstance(value, (list, dict)):
        raise ConfigError(m.ARGV_NOT_SCALAR(file=name, option=option))
    if (value is None) != (option in PLAIN) and option not in OPTIONAL:
        raise ConfigError(m.ARGV_WANTS_NULL(file=name, option=option) if option in PLAIN
                          else m.ARGV_WANTS_VALUE(file=name, option=option))
    if value is None:
        return [f"--{option}"]
    written = f"{value:g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
    return [f"--{option}={written}"]


class _Pairs(list[tuple[str, Any]]):
    """A JSON object, in the order of the file."""


class _Scanner(Scanner):
    """Inserts the options of --argv in its place, as makeflow does, and does not pass --argv on; collects the options
    of the debug log.
    """

    def __init__(self, grammar: Grammar, argv: list[str]) -> None:
        super().__init__(grammar, argv)
        self.debug: list[str] = []
        self.debug_flags: list[str] = []
        self.shared_fs: list[str] = []
        self._files = 0

    def take(self, name: str, value: str, words: list[str]) -> None:
        if name in DEBUG:
            self.debug += words
        if name == "debug":
            self.debug_flags.append(value)
        if name == "shared-fs":
            self.shared_fs.append(value)
        if name == "argv":
            self._read(value)
        super().take(name, value, [] if name == "argv" or name in DEBUG else words)

    def _read(self, name: str) -> None:
        self._files += 1
        if self._files > MOST_FILES:
            raise ConfigError(m.ARGV_ENDLESS(file=name))
        words: list[str] = []
        for option, value in _from_json(name):
            if option == "MAKEFLOW":
                self.operands.append(str(value))
            else:
                words += _as_words(name, option, value)
        self._rest = [*words, *self._rest]
