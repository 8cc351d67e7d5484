"""A container of the embedded cluster: a sandbox, and an executor's processes in their own session."""
from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mfmesos.allocation.amounts import Json
from mfmesos.local import processes
from mfmesos.local.fetcher import Fetcher, FetchError
from mfmesos.shared.procfs import Table

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
REAP_POLL_S = 0.05


class LaunchError(Exception):
    """A container could not be started; the text is in Mesos's words."""


@dataclass(frozen=True)
class Limitation:
    """Why the agent ended a container: a Mesos reason and a message."""

    reason: str
    message: str


class Container:
    """One run of one executor. launch(), then wait(); destroy() at any time, from the same event loop."""

    def __init__(self, id: str, sandbox: Path, memory_mb: float) -> None:
        self.id, self.sandbox = id, sandbox
        self.memory_mb = memory_mb
        """The limit; 0 for no limit."""
        self.limitation: Limitation | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self._destroyed = False

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    async def launch(self, command: Json, environment: Mapping[str, str], fetcher: Fetcher) -> None:
        """Makes the sandbox, fetches the URIs and starts the command. Raises LaunchError."""
        self.sandbox.mkdir(parents=True)
        with contextlib.suppress(OSError):
            latest = self.sandbox.parent / "latest"
            latest.unlink(missing_ok=True)
            latest.symlink_to(self.sandbox)
        with open(self.sandbox / "stdout", "wb") as out, open(self.sandbox / "stderr", "wb") as err:
            if uris := command.get("uris"):
                loop = asyncio.get_running_loop()
                try:
                    await loop.run_in_executor(None, fetcher.fetch, uris, self.sandbox)
                except FetchError as e:
                    err.write(f"{e}\n".encode())
                    raise LaunchError(f"Failed to fetch all URIs for container '{self.id}': {e}") from None
            if self._destroyed:
                raise LaunchError("Container destroyed during launch")
            try:
                argv, program = _argv(command)
                self.process = subprocess.Popen(
                    argv, executable=program, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.sandbox,
                    env=self._environment(command, environment), start_new_session=True)
            except OSError as e:
                err.write(f"exec failed: {e}\n".encode())
                raise LaunchError(f"Failed to execute {command.get('value')!r}: {e}") from None

    def _environment(self, command: Json, environment: Mapping[str, str]) -> dict[str, str]:
        given = {v["name"]: v.get("value", "") for v in command.get("environment", {}).get("variables", ())}
        return {"PATH": PATH, "PWD": str(self.sandbox), **environment, **given}

    async def wait(self) -> int:
        """The executor's wait status (0 for exit 0, 9 for SIGKILL, 256 for exit 1); leftover processes are killed."""
        assert self.process is not None
        await _exited(self.process)
        code = self.process.wait()
        await self._kill_rest()
        return -code if code < 0 else code << 8

    async def _kill_rest(self) -> None:
        assert self.process is not None
        for _ in range(100):
            if not processes.kill_all(self.process.pid, self.sandbox):
                return
            await asyncio.sleep(0.01)

    def destroy(self, limitation: Limitation | None = None) -> None:
        """SIGKILL all processes of the container; wait() then returns."""
        self._destroyed = True
        if self.limitation is None:
            self.limitation = limitation
        if self.process is not None and self.process.returncode is None:
            processes.kill_all(self.process.pid, self.sandbox)

    def check_memory(self, table: Table) -> None:
        """End the container if it exceeds its memory, like the cgroups/mem isolator."""
        if self.process is None or not self.memory_mb or self.limitation is not None:
            return
        pids = processes.members(self.process.pid, table)
        if sum(table[p].rss_bytes for p in pids) / 2**20 <= self.memory_mb:
            return
        used = processes.memory_mb(pids)
        if used > self.memory_mb:
            self.destroy(Limitation("CONTAINER_LIMITATION_MEMORY", (
                f"Memory limit exceeded: Requested: {self.memory_mb:g}MB Maximum Used: {used:.0f}MB")))

    def remove(self) -> None:
        shutil.rmtree(self.sandbox, ignore_errors=True)


def _argv(command: Json) -> tuple[list[str], str]:
    """The arguments, including argv[0], and the program to execute."""
    text = str(command.get("value", ""))
    if command.get("shell", True):
        return ["sh", "-c", text], "/bin/sh"
    return [str(a) for a in command.get("arguments", ())] or [text], text


async def _exited(process: subprocess.Popen[bytes]) -> None:
    """Returns when the process has ended, without reaping it."""
    try:
        fd = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # Linux before 5.3
        while process.poll() is None:
            await asyncio.sleep(REAP_POLL_S)
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(fd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
