"""A worker as a task: its program, which travels with its libraries, and its command line.

Measured with cctools 8.0.0: a manager lists each worker (`worker_status`) with its size, connection and tasks, but with
no name that a client could choose. So each worker of a manager has its own size: up to TAG - 1 MB more memory and disk
than decided distinguish the workers.
"""
from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mfmesos.core.model import Request, Resources, Task
from mfmesos.settings.config import ConfigError
from mfmesos.settings.pool_settings import TASK_VINE, WORK_QUEUE
from mfmesos.settings.worker_options import WorkerOptions
from mfmesos.shared.atomic import replacing
from mfmesos.shared.messages import pool as m
from mfmesos.shared.plainerrors import plain
from mfmesos.shares.pool_values import ManagerStatus
from mfmesos.taskfiles.workers import OWN_MB

TAG = 32
MARGIN = Resources(0.0, OWN_MB + TAG, OWN_MB + TAG)
"""The largest amount that a worker's claim holds beyond the worker's size."""
PONCHO = "poncho_package_run"
NO_OPTIONS = WorkerOptions()
LIBRARIES = "worker-lib"
PASSWORD = "worker-password"
LOG = "worker-{}.debug"
KEPT_LOGS = 100
"""Debug logs in the pool's folder; cctools' workers limit each to 10 MB."""
CONNECT_S = 60
"""A worker that finds no manager for this long ends by itself."""
IDLE_S = 300
"""A worker of a project with a minimum that has had no tasks for this long ends by itself, in case the pool is gone."""


HELLO = re.compile(rb"(workqueue|taskvine) (\d{1,4}) ")
TYPES = {b"workqueue": WORK_QUEUE, b"taskvine": TASK_VINE}


class Protocol(NamedTuple):
    """What a worker speaks: the name of its type's usual program, and the version."""

    worker: str
    version: int


class Identity(NamedTuple):
    """A worker's size in its manager's list."""

    cores: int
    memory_mb: int
    disk_mb: int


def identity(size: Resources) -> Identity:
    return Identity(int(size.cores), int(size.memory_mb), int(size.disk_mb))


def distinct_size(size: Resources, taken: Collection[Identity]) -> Resources:
    """The size, in whole MB with a small addition, that no other worker of its manager has."""
    for tag in range(TAG * TAG):
        one = Resources(size.cores, float(int(size.memory_mb) + tag % TAG), float(int(size.disk_mb) + tag // TAG),
                        size.gpus)
        if identity(one) not in taken:
            break
    return one


@dataclass(frozen=True)
class Program:
    """A worker's program in the pool's folder."""

    name: str
    """As the user named it."""
    command: str
    """The command that starts it, without its own arguments."""
    inputs: tuple[str, ...]
    speaks: Protocol | None = None
    """None: unknown, as of a script."""
    more: tuple[str, ...] = ()
    """Arguments that the user gave."""

    def task(self, number: int, manager: ManagerStatus, size: Resources, secret: str = "", *,
             idle_s: float = IDLE_S, debug: bool = False, blocked: tuple[str, ...] = ()) -> Task:
        """A worker for `manager` that runs until it is ended, or has idled for `idle_s` and may leave. `size` is unique
        already; `secret`: the password's file in the pool's folder; `debug`: with a debug log as its output;
        `blocked`: hosts on which it does not start, beside those that the manager has blocked.
        """
        log = LOG.format(number)
        who = identity(size)
        words = [f"--cores={who.cores}", f"--memory={who.memory_mb}", f"--disk={who.disk_mb}",
                 *([f"--gpus={int(size.gpus)}"] if size.gpus else []),
                 f"--connect-timeout={CONNECT_S}", f"--idle-timeout={max(math.ceil(idle_s), 1)}", "--max-backoff=5",
                 *([f"--password={secret}"] if secret else []), *(["--ssl"] if manager.ssl else []),
                 manager.host, str(manager.port)]
        words = [*self.more, *(["--debug=all", f"--debug-file={log}"] if debug else []), *words]
        return Task(
            number, f"{f'touch {log}; ' if debug else ''}exec {self.command} {shlex.join(words)}",
            (*self.inputs, *([secret] if secret else [])), (log,) if debug else (),
            request=Request(size.cores, size.memory_mb + OWN_MB, size.disk_mb + OWN_MB, gpus=size.gpus or None),
            category=manager.key, not_on=(*manager.blocked, *blocked))


def remove_old_logs(folder: Path) -> None:
    """Leaves the newest debug logs of workers in the folder."""
    with contextlib.suppress(OSError):
        for old in sorted(folder.glob(LOG.format("*")), key=lambda path: path.stat().st_mtime_ns)[:-KEPT_LOGS]:
            old.unlink()


def leaves(task: Task) -> bool:
    """Whether a worker from Program.task ends by itself as soon as it has been idle for the pool's time."""
    return f"--idle-timeout={IDLE_S} " not in task.command


def size_of(task: Task) -> Resources:
    """The size of a worker from Program.task."""
    asked = task.request
    return Resources(asked.cores or 0.0, (asked.memory_mb or 0.0) - OWN_MB, (asked.disk_mb or 0.0) - OWN_MB,
                     asked.gpus or 0.0)


def prepare(folder: Path, name: str, options: WorkerOptions = NO_OPTIONS) -> Program:
    """Copy the program `name` (on PATH, or a path) and its libraries into the folder; find out its protocol.

    Raises ConfigError, with the cure, if the program could not start.
    """
    found = shutil.which(name)
    if found is None:
        raise ConfigError(m.POOL_NO_PROGRAM(name=name))
    program = Path(found).resolve()
    libraries = libraries_of(program)
    own = os.path.basename(name)
    if (folder / own).exists() and _digest(folder / own) != _digest(program):
        own += f"-{_digest(program).hex()[:8]}"  # several of one name may be configured
    _copy(program, folder / own)
    inputs = [own]
    command = f"./{own}"
    if libraries:
        place = f"{LIBRARIES}-{own}"
        (folder / place).mkdir(exist_ok=True)
        for there in [*(folder / place).iterdir()]:
            if there.name not in libraries:
                there.unlink()
        for library, path in libraries.items():
            _copy(path, folder / place / library)
        loader = next(n for n in libraries if n.startswith("ld"))
        # Not by LD_LIBRARY_PATH: the worker's tasks would inherit it.
        command = f'./{place}/{loader} --library-path "$PWD/{place}" ./{own}'
        inputs.append(place)
    speaks = protocol_of(program) if libraries else None
    inputs += [_travelling(folder, file) for file in options.wrapper_input]
    return Program(name, " ".join([*_starters(folder, options, inputs), command]), tuple(inputs), speaks,
                   _arguments(options, own if speaks is None else speaks.worker))


def _starters(folder: Path, options: WorkerOptions, inputs: list[str]) -> list[str]:
    """The commands that start the worker, the outermost first; adds the files they need to `inputs`."""
    found = [f"env {shlex.join(options.env)}"] if options.env else []
    if options.wrapper:
        found.append(options.wrapper)
    if options.poncho_env:
        unpacker = shutil.which(PONCHO)
        if unpacker is None:
            raise ConfigError(m.POOL_NO_PONCHO(name=PONCHO))
        archive = _travelling(folder, options.poncho_env)
        inputs += [_travelling(folder, unpacker), archive]
        found.append(f"./{PONCHO} -e {shlex.quote(archive)} --")
    return found


def _travelling(folder: Path, file: str) -> str:
    """Copy a file beside the worker; its name there."""
    source = Path(file).expanduser()
    _copy(source, folder / source.name)
    return source.name


def _arguments(options: WorkerOptions, worker: str) -> tuple[str, ...]:
    ports = (f"--transfer-port={options.transfer_port}",) if options.transfer_port and worker == TASK_VINE else ()
    return (*(f"--feature={one}" for one in options.feature), *ports, *shlex.split(options.extra_options))


def copied_password(folder: Path, file: str) -> str:
    """The name of a private copy of the password in the pool's folder. Raises ConfigError if it cannot be read."""
    name = f"{PASSWORD}-{hashlib.sha256(file.encode()).hexdigest()[:8]}"
    _copy(Path(file).expanduser(), folder / name, mode=0o600)
    return name


def protocol_of(program: Path, timeout_s: float = 3.0) -> Protocol | None:
    """What a worker says first to a manager: it is started here and connects to a socket that answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening, tempfile.TemporaryDirectory() as folder:
        host, port = listening.getsockname()
        try:
            worker = subprocess.Popen(
                [program, "--cores=1", "--memory=16", "--disk=16", "--single-shot", "-t", "5", "-s", folder, host,
                 str(port)], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True)
        except OSError:
            return None
        try:
            listening.settimeout(timeout_s)
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(timeout_s)
                found = HELLO.match(connection.makefile("rb").readline(200))
        except OSError:  # no worker, or one that waits
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
    return Protocol(TYPES[found[1]], int(found[2])) if found else None


def libraries_of(program: Path) -> dict[str, Path]:
    """The loader and every shared library that a program needs here, by name; empty for a static program or a
    script.
    """
    try:
        with program.open("rb") as f:
            head = f.read(4)
            if head[:2] == b"#!":
                return {}
            if head != b"\x7fELF":
                raise ConfigError(m.POOL_BAD_PROGRAM(program=program))
        done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, timeout=30, check=False,
                              env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"})
    except (OSError, subprocess.SubprocessError) as e:
        raise ConfigError(m.POOL_PROGRAM_UNREADABLE(program=program, why=plain(e))) from None
    if done.returncode:
        if "not a dynamic executable" in done.stderr + done.stdout:
            return {}
        raise ConfigError(m.POOL_NO_LIBRARIES(program=program, why=done.stderr.strip() or m.POOL_LDD_FAILED()))
    missing = re.findall(r"^\s*(\S+) => not found", done.stdout, re.MULTILINE)
    if missing:
        raise ConfigError(m.POOL_LIBRARY_MISSING(program=program, libraries=", ".join(missing)))
    paths = re.findall(r"^\s*(?:\S+ => )?(/\S+) \(0x", done.stdout, re.MULTILINE)
    return {os.path.basename(path): Path(path) for path in paths}


def _copy(source: Path, target: Path, mode: int = 0o755) -> None:
    """Copy in one step, and only if the content differs: readers of the old file keep it."""
    try:
        if target.exists() and _digest(target) == _digest(source):
            return
        with source.open("rb") as data, replacing(target, mode=mode) as new, new.open("wb") as copy:
            shutil.copyfileobj(data, copy)
    except OSError as e:
        raise ConfigError(f"{e.filename or source}: {e.strerror}") from None


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
