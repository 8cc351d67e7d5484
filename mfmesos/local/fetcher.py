"""Downloads the URIs of a CommandInfo into a sandbox, like mesos-fetcher."""
from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import socket
import tarfile
import threading
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

from mfmesos.allocation.amounts import Json
from mfmesos.shared.atomic import replacing

ARCHIVES = (".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".tar", ".zip")
TIMEOUT_S = 60.0


class FetchError(Exception):
    """A URI could not be fetched; the text names the URI and the reason."""


class Fetcher:
    """One agent's fetcher, with its cache. fetch() blocks: call it in a thread."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def fetch(self, uris: list[Json], sandbox: Path) -> None:
        for uri in uris:
            value = str(uri["value"])
            try:
                self._fetch(uri, value, sandbox)
            except (OSError, ValueError, EOFError, tarfile.TarError, zipfile.BadZipFile) as e:
                raise FetchError(f"Failed to fetch {value}: {e}") from None

    def _fetch(self, uri: Json, value: str, sandbox: Path) -> None:
        name = str(uri.get("output_file") or os.path.basename(value))
        target = (sandbox / name).resolve()
        if sandbox.resolve() not in target.parents:
            raise ValueError(f"output_file {name!r} leaves the sandbox")
        executable = bool(uri.get("executable"))
        extract = bool(uri.get("extract", True)) and not executable and value.endswith(ARCHIVES)
        target.parent.mkdir(parents=True, exist_ok=True)
        if uri.get("cache"):
            source = self._cached(value)
            if not extract:
                shutil.copyfile(source, target)
        else:
            source = target
            _bring(value, target)
        if extract:
            _extract(source, value, sandbox)
        elif executable:
            target.chmod(0o755)

    def _cached(self, value: str) -> Path:
        key = hashlib.sha256(value.encode()).hexdigest()
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            path = self.cache / key
            if not path.exists():
                self.cache.mkdir(parents=True, exist_ok=True)
                with replacing(path) as fresh:
                    _bring(value, fresh)
            return path


def _bring(value: str, target: Path) -> None:
    if "://" not in value or value.startswith("file://"):
        shutil.copyfile(value[7:] if value.startswith("file://") else value, target)
    elif value.startswith(("http://", "https://")):
        with contextlib.closing(_opener(value).open(value, timeout=TIMEOUT_S)) as answer, open(target, "wb") as file:
            shutil.copyfileobj(answer, file)
    else:
        raise ValueError("only paths, file://, http:// and https:// can be fetched")


def _opener(value: str) -> urllib.request.OpenerDirector:
    """For URIs on this machine no proxy is used, whatever the environment says."""
    host = urllib.parse.urlsplit(value).hostname or ""
    return urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if _is_here(host) else []))


def _is_here(host: str) -> bool:
    """Whether the name or address is one of this machine."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as s:
            s.bind(address)
    except OSError:
        return False
    return True


def _extract(archive: Path, name: str, sandbox: Path) -> None:
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(sandbox)
        return
    with tarfile.open(archive) as tar:
        # Pythons before 3.12 (and before their security releases of 2023) have no filters.
        if hasattr(tarfile, "data_filter"):
            tar.extractall(sandbox, filter="data")
        else:
            tar.extractall(sandbox)
