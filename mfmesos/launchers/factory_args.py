"""Parses work_queue_factory's command line, so that mfmesos can pass it on with -T mesos.

The options are those of Debian's coop-computing-tools 9.9, including undocumented ones. Reference: `work_queue_factory
--help`.
"""
from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from mfmesos.launchers.arguments import Grammar, Scanner, master_of
from mfmesos.settings.config import ConfigError
from mfmesos.shared.messages import launchers as m

PLAIN = frozenset({"autosize", "capacity", "help", "parent-death", "run-factory-as-manager", "ssl", "version"})
WITH_VALUE = frozenset({
    "amazon-config", "batch-options", "batch-type", "catalog", "condor-requirements", "config-file", "cores", "debug",
    "debug-file", "debug-file-size", "disk", "env", "extra-options", "factory-timeout", "foremen-name", "gpus",
    "k8s-image", "k8s-worker-image", "manager-name", "master-name", "max-workers", "memory", "mesos-master",
    "mesos-path", "mesos-preload", "min-workers", "password", "python-package", "runos", "scratch-dir",
    "tasks-per-worker", "timeout", "worker-binary", "workers-per-cycle", "wrapper", "wrapper-input",
})
LETTERS = {"T": "batch-type", "S": "scratch-dir", "h": "help", "v": "version"}
GRAMMAR = Grammar(
    "work_queue_factory", "B:C:F:N:M:T:t:w:W:E:P:S:cd:o:O:vh", PLAIN, frozenset(), WITH_VALUE, LETTERS,
    dropped=frozenset({"mesos-path", "mesos-preload"}))


@dataclass
class FactoryArgs:
    """The launcher's view of a work_queue_factory command line."""

    argv: list[str]
    """The arguments to start it with, without the program's name, and without --mesos-master if that was not given."""
    options: dict[str, str] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    @property
    def starts_nothing(self) -> bool:
        """--help and --version: no scheduler is needed."""
        return bool({"help", "version"} & self.options.keys())

    @property
    def master(self) -> str | None:
        """The value of --mesos-master."""
        return master_of(self.options)

    def workdir(self, cwd: Path) -> Path:
        """The folder in which the factory works: its scratch folder."""
        return Path(os.path.normpath(cwd / self.options.get("scratch-dir", f"wq-factory-{os.getuid()}")))


def parse(argv: list[str]) -> FactoryArgs:
    """Parse the factory's arguments; adds -T mesos, removes options that break its start, and makes --env work.

    Raises ConfigError for another batch type and for an option without its value.
    """
    scanner = _Scanner(GRAMMAR, argv)
    scanner.scan()
    result = FactoryArgs(scanner.kept + scanner.operands, scanner.options, scanner.dropped)
    if result.starts_nothing:
        result.argv = list(argv)
        return result
    kind = result.options.get("batch-type", "mesos")
    if kind != "mesos":
        raise ConfigError(m.FACTORY_BATCH_TYPE(kind=kind))
    added = [] if "batch-type" in result.options else ["-T", "mesos"]
    if scanner.environment:
        # With -T mesos the factory does not pass --env to the scheduler, but passes on a wrapper.
        wrapper = ["env", *map(shlex.quote, scanner.environment), *filter(None, [result.options.get("wrapper")])]
        added += ["--wrapper", " ".join(wrapper)]
    result.argv = [*added, *result.argv]
    return result


class _Scanner(Scanner):
    """Collects --env; passes --wrapper on directly only if no --env is given."""

    def __init__(self, grammar: Grammar, argv: list[str]) -> None:
        super().__init__(grammar, argv)
        self.environment: list[str] = []
        self._wrapper: list[str] = []

    def scan(self) -> None:
        super().scan()
        if not self.environment:
            self.kept += self._wrapper

    def take(self, name: str, value: str, words: list[str]) -> None:
        if name == "env":
            self.environment.append(value)
        elif name == "wrapper":
            self._wrapper = words
        super().take(name, value, [] if name in ("env", "wrapper") else words)
