"""Builds the executor as one archive for the agents: equal sources give equal bytes, changed sources a new name.

`mfmesos-executor-DIGEST.tar.gz` holds one file, `mfmesos-executor.pyz`, a zip application with everything that an
executor needs except Python itself: see `sources.find_sources`.
"""
from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import marshal
import os
import shlex
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType
from typing import NamedTuple
from urllib.parse import urlsplit

from mfmesos.shared import atomic
from mfmesos.shared.samehost import PLACES
from mfmesos.staging.sources import ArchiveError, Source, find_sources, roots

__all__ = [
    "EXIT_DAMAGED", "EXIT_NOT_FETCHED", "EXIT_NO_PYTHON", "EXIT_OLD_PYTHON", "Archive", "ArchiveError", "build_archive"]

PYZ = "mfmesos-executor.pyz"
INDEX = "mfmesos-executor.json"
FORMAT = 3
EXIT_DAMAGED, EXIT_NO_PYTHON, EXIT_OLD_PYTHON, EXIT_NOT_FETCHED = 81, 82, 83, 84
"""Exit codes of the claim's command before the executor itself runs."""

MAIN = '''\
# The oldest of Pythons must get as far as the message.
import os
import sys

if sys.version_info < (3, 8):
    if not os.environ.get("MFMESOS_NEWER_PYTHON"):
        os.environ["MFMESOS_NEWER_PYTHON"] = "1"
        for minor in range(13, 7, -1):
            for folder in os.environ.get("PATH", "").split(":"):
                python = os.path.join(folder, "python3.%d" % minor)
                if os.access(python, os.X_OK):
                    os.execv(python, [python, "-I", "-S"] + sys.argv)
    sys.stderr.write("mfmesos: python3 on this agent is %d.%d; the executor needs Python 3.8 or newer\\n"
                     % sys.version_info[:2])
    sys.exit(@OLD@)


def say(text):
    try:
        os.write(2, text.encode("utf-8", "replace"))
    except Exception:
        pass  # the disk is full: what follows may still work


def leave(code):
    """What stderr could not take on a full disk would be tried again, and make the exit code 120."""
    try:
        sys.stderr.flush()
    except Exception:
        sys.stderr = None
    sys.exit(code)


def unpack_psutil(archive):
    """Its compiled part cannot be imported out of a zip. Without /proc only: see procs.py."""
    import zipfile

    folder = os.path.join(os.environ.get("MESOS_SANDBOX") or os.getcwd(), ".mfmesos", "lib")
    try:
        with zipfile.ZipFile(archive) as z:
            z.extractall(folder, [name for name in z.namelist() if name.startswith("psutil/")])
        sys.path.insert(0, folder)
    except Exception as e:
        say("mfmesos: psutil could not be unpacked (%s)\\n" % e)


if __name__ == "__main__":
    import gc

    gc.set_threshold(50000, 20, 100)  # as mfmesos/start.py does
    gc.enable()
    os.environ.pop("MFMESOS_NEWER_PYTHON", None)
    if not os.path.exists("/proc/self/stat"):
        unpack_psutil(sys.path[0])
    from mfmesos_executor.first_copies import begin

    first = begin("".join(sys.argv[1:]), os.environ)  # before the imports of all else
    from mfmesos_executor.main import main

    leave(main(first))
'''.replace("@OLD@", str(EXIT_OLD_PYTHON))

BRING = """\
# mfmesos-executor
import gc, hashlib, os, select, socket, sys, time, zlib
gc.disable()
def say(text):
    line = "mfmesos: %s\\n" % text
    try:
        os.write(2, line if str is bytes else line.encode("utf-8", "replace"))
    except EnvironmentError:
        pass
places = []
def bring(host, port, path):
    s = socket.create_connection((host, int(port)), 15)
    s.sendall(("GET %s HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n" % (path, "[%s]" % host if ":" in host else host)).encode())
    # What the executor will import, while the scheduler prepares itself.
    for name in ("json dataclasses pathlib threading logging typing http.client tempfile queue subprocess shutil "
                 "uuid").split() if sys.version_info > (3, 7) else ():
        if not select.select([s], [], [], 0)[0]:
            __import__(name)
    pieces = []
    while not pieces or pieces[-1]:
        pieces.append(s.recv(1 << 20))
    head, _, body = b"".join(pieces).partition(b"\\r\\n\\r\\n")
    if head[9:12] != b"200":
        raise ValueError("the answer is %r" % head[:40])
    if s.getpeername()[0] == s.getsockname()[0]:  # nobody else has this answer in hand
        places[:] = [head.partition(b"\\r\\n@PLACES@: ")[2].partition(b"\\r\\n")[0].decode()]
    tar = zlib.decompress(body, 31)
    with open("@PYZ@", "wb") as f:
        f.write(tar[512:512 + int(tar[124:135], 8)])
for pause in (0.5, 1, 2, 0) if sys.argv[2:] else ():
    try:
        bring(*sys.argv[2:])
        break
    except Exception as e:
        if not pause:
            say("the executor cannot be fetched from %s port %s (%s); let this agent reach it, or see --listen and "
                "--advertise" % (sys.argv[2], sys.argv[3], e))
            sys.exit(@MISSED@)
    time.sleep(pause)
try:
    same = hashlib.sha256(open("@PYZ@", "rb").read()).hexdigest() == sys.argv[1]
except EnvironmentError:
    same = False
if not same:
    say("the archive of the executor arrived damaged on this agent (checksum of @PYZ@)")
    sys.exit(@BAD@)
if sys.version_info < (3, 8):
    os.execvp("python3", ["python3"] + (["-I", "-S"] if sys.version_info > (3, 3) else ["-E"]) + ["@PYZ@"])
import zipimport
sys.path[:] = [os.path.abspath("@PYZ@")] + [path for path in sys.path if path]
sys.argv = ["@PYZ@"] + places
exec(zipimport.zipimporter(sys.path[0]).get_code("__main__"))
"""
"""Python 2.7 or 3, without a single quote. Run with -E -S: an empty sandbox is no danger, 2.7 has no -I, and finding
the site's packages takes half of the time, may be slow or broken, and nothing of it is needed. Mesos's own fetcher
would use the proxies of the agent's environment, which could return anything. It becomes the executor itself: another
Python would take as long to start (docs/performance.md, Start-up).
"""

COMMAND = (
    'PATH="${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin"; export PATH; '
    'command -v python3 >/dev/null || { '
    'echo "mfmesos: no python3 on this agent in $PATH; install Python 3.8 or newer" >&2; exit @NONE@; }; '
    f"exec python3 -E -S -c '{BRING}' @SHA@@FROM@"
)


@dataclass(frozen=True)
class Archive:
    path: Path
    name: str
    sha256_pyz: str

    def command(self, url: str = "") -> str:
        """The claim's command, for /bin/sh in the sandbox; `url` is the archive's address at the staging server, empty
        if Mesos's fetcher downloads the archive.
        """
        return command(self.sha256_pyz, url)


class _Index(NamedTuple):
    """What is noted beside an archive."""

    key: str
    name: str
    sha256_pyz: str
    sha256_tar: str


class _Made(NamedTuple):
    about: _Index
    tar: bytes


def build_archive(state_dir: Path, cache: Path | None = None) -> Archive:
    """The archive of the installed packages, in `state_dir`; built only if a source has changed (by stat).

    `cache`: a folder of the user's own that keeps the archive for other workflows (docs/performance.md, Start-up); any
    trouble with it is passed over. Raises ArchiveError with the cure if a package is missing, OSError if `state_dir`
    cannot be written.
    """
    state_dir = Path(state_dir)
    key = _key()
    found = _kept(state_dir, key)
    if found is not None:
        return Archive(state_dir / found.name, found.name, found.sha256_pyz)
    made = _from_cache(cache, key) if cache is not None else None
    if made is None:
        made = _make(key)
        if cache is not None:
            with contextlib.suppress(OSError):
                _keep(cache, made, 0o700)
    _keep(state_dir, made, 0o777)
    return Archive(state_dir / made.about.name, made.about.name, made.about.sha256_pyz)


def _make(key: str) -> _Made:
    pyz = make_pyz(find_sources())
    digest, tar = hashlib.sha256(pyz).hexdigest(), make_tar(pyz)
    return _Made(_Index(key, f"mfmesos-executor-{digest[:16]}.tar.gz", digest, hashlib.sha256(tar).hexdigest()), tar)


def _from_cache(cache: Path, key: str) -> _Made | None:
    """The archive in the user's cache, unless it is damaged or somebody else could have put it there."""
    try:
        found = cache.stat()
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o022:
            return None
        index = _kept(cache, key)
        tar = (cache / index.name).read_bytes() if index is not None else b""
    except OSError:
        return None
    if index is None or hashlib.sha256(tar).hexdigest() != index.sha256_tar:
        return None
    return _Made(index, tar)


def _keep(folder: Path, made: _Made, mode: int) -> None:
    """Write the archive and its index, and remove other versions. `mode` is for a new folder. Raises OSError."""
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    for old in folder.glob("mfmesos-executor-*.tar.gz"):
        if old.name != made.about.name:
            old.unlink(missing_ok=True)
    index = json.dumps(made.about._asdict())
    for path, content in ((folder / made.about.name, made.tar), (folder / INDEX, index.encode())):
        atomic.write(path, content, mode=0o644, exact=True, several=True)


def command(sha256_pyz: str, url: str = "") -> str:
    """The agent's command: find a Python, download the archive unless Mesos has, check it, become the executor."""
    parts = urlsplit(url)
    words = (parts.hostname, parts.port or 80, f"{parts.path}?{parts.query}".rstrip("?")) if url else ()
    text = COMMAND
    for mark, value in (
            ("@SHA@", sha256_pyz), ("@PYZ@", PYZ), ("@BAD@", EXIT_DAMAGED), ("@NONE@", EXIT_NO_PYTHON),
            ("@MISSED@", EXIT_NOT_FETCHED), ("@PLACES@", PLACES),
            ("@FROM@", "".join(f" {shlex.quote(str(word))}" for word in words))):
        text = text.replace(mark, str(value))
    return text


def make_pyz(sources: Mapping[str, Source]) -> bytes:
    """The zip application: members sorted by name, all with the same date.

    Beside each module is its bytecode for the Python that builds: an executor on the same version need not compile
    anything (0.1 s of computing per claim); other versions ignore the bytecode.
    """
    members = {name: path.read_bytes() for name, path in sources.items()}
    members.update({f"{name}c": _bytecode(name, path) for name, path in sources.items() if name.endswith(".py")})
    members["__main__.py"] = MAIN.encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            z.writestr(info, members[name])
    return out.getvalue()


def _bytecode(name: str, path: Path) -> bytes:
    """A .pyc that is not checked against its source. Its bytes depend on the source alone: no references (marshal's
    version 2), which depend on other objects in memory, and no path of this machine.
    """
    code = SourceFileLoader(Path(name).stem, str(path)).get_code(Path(name).stem)
    assert code is not None
    return MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(_renamed(code, f"{PYZ}/{name}"), 2)


def _renamed(code: CodeType, name: str) -> CodeType:
    inner = tuple(_renamed(c, name) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_filename=name, co_consts=inner)


def make_tar(pyz: bytes) -> bytes:
    """The .tar.gz around it, without dates, owners or a file name in its header."""
    info = tarfile.TarInfo(PYZ)
    info.size, info.mode = len(pyz), 0o644
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(info, io.BytesIO(pyz))
    return gzip.compress(out.getvalue(), 3, mtime=0)  # why 3: docs/performance.md, Start-up


def _key() -> str:
    """Changes when a file that may be part of the archive changes, by stat."""
    total = hashlib.sha256(f"{FORMAT}\0{MAIN}\0{COMMAND}\0{MAGIC_NUMBER.hex()}\0".encode())
    for package, folder in sorted(roots().items()):
        total.update(f"{package}\0{folder}\0".encode())
        for path in [folder] if folder.is_file() else sorted(folder.iterdir()):
            if path.suffix in (".py", ".so"):
                found = path.stat()
                total.update(f"{path.name}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return total.hexdigest()


def _kept(folder: Path, key: str) -> _Index | None:
    """The index of the folder's archive, if that is of these sources."""
    try:
        known = _Index(**json.loads((folder / INDEX).read_bytes()))
        if known.key == key and (folder / known.name).is_file():
            return known
    except (OSError, ValueError, TypeError):
        pass
    return None
