"""Which program works for which manager: the first with the manager's type and protocol."""
from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mfmesos.engines.catalog import WORKERS
from mfmesos.engines.pool_worker import Program, copied_password, prepare
from mfmesos.settings.config import ConfigError
from mfmesos.settings.pool_settings import PoolSettings
from mfmesos.shared.messages import pool as m
from mfmesos.shares.pool_values import ManagerStatus

OLD = 10
"""A manager that reports no protocol is of a version before this one; Debian's workers have 9."""


class Programs:
    """The workers' programs and passwords in the pool's folder, each copied once."""

    def __init__(self, folder: Path, settings: PoolSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._found: dict[str, Program] = {}
        self._secrets: dict[str, str] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pool")

    def take(self, settings: PoolSettings) -> None:
        """Other settings: the programs may have changed as well."""
        self._settings = settings
        self._found.clear()
        self._secrets.clear()

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def of(self, manager: ManagerStatus) -> tuple[Program, str]:
        """The program and the password's copy. Raises ConfigError, in one line, where no worker could join."""
        loop = asyncio.get_running_loop()
        for name in self._settings.workers or (manager.worker,):
            if name not in self._found:
                self._found[name] = await loop.run_in_executor(
                    self._thread, prepare, self._folder, name, self._settings.options)
        program = choose(self._found.values(), manager)
        file = manager.password
        if file and file not in self._secrets:
            self._secrets[file] = await loop.run_in_executor(self._thread, copied_password, self._folder, file)
        return program, self._secrets.get(file, "")


def choose(programs: Iterable[Program], manager: ManagerStatus) -> Program:
    """The first that can work for the manager. Raises ConfigError with what they speak instead."""
    able = [one for one in programs if _type_of(one) in ("", manager.worker)]
    if not able:
        raise ConfigError(m.POOL_NO_WORKER_OF_TYPE(manager=manager.key, worker=manager.worker))
    for one in able:
        if _speaks_to(one, manager.protocol):
            return one
    if not manager.protocol:
        return able[0]
    spoken = ", ".join(m.POOL_SPEAKS(program=one.name, protocol=one.speaks.version) for one in able if one.speaks)
    raise ConfigError(m.POOL_OTHER_PROTOCOL(
        manager=manager.key, worker=manager.worker, protocol=manager.protocol, spoken=spoken))


def _speaks_to(program: Program, protocol: int) -> bool:
    if program.speaks is None:
        return True
    return program.speaks.version == protocol if protocol else program.speaks.version < OLD


def _type_of(program: Program) -> str:
    """The name of the usual program of its type; empty if that is unknown."""
    if program.speaks is not None:
        return program.speaks.worker
    name = program.name.rpartition("/")[2]
    return name if name in WORKERS.values() else ""
