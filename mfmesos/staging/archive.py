"""Builds the executor as one archive for the agents: equal sources give equal bytes, changed sources a new name.

`mfmesos-executor-DIGEST.tar.gz` holds one file, `mfmesos-executor.pyz`, a zip application with everything that an
executor needs except Python itself: see `sources.find_sources`.
"""
from __future__ import annotations

import gzip
import hashlib
import io
import json
import marshal
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
from urllib.parse import urlsplit

from mfmesos.shared import atomic
from mfmesos.staging.sources import ArchiveError, Source, find_sources, roots

__all__ = [
    "EXIT_DAMAGED", "EXIT_NOT_FETCHED", "EXIT_NO_PYTHON", "EXIT_OLD_PYTHON", "Archive", "ArchiveError", "build_archive"]

PYZ = "mfmesos-executor.pyz"
INDEX = "mfmesos-executor.json"
FORMAT = 2
EXIT_DAMAGED, EXIT_NO_PYTHON, EXIT_OLD_PYTHON, EXIT_NOT_FETCHED = 81, 82, 83, 84
OLDEST = 85
"""In the claim's command: this Python works, but is too old for -I; MAIN looks for another one."""
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
                    os.execv(python, [python, "-I"] + sys.argv)
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
    """Its compiled part cannot be imported out of a zip; without it the executor reads /proc itself."""
    import zipfile

    folder = os.path.join(os.environ.get("MESOS_SANDBOX") or os.getcwd(), ".mfmesos", "lib")
    try:
        with zipfile.ZipFile(archive) as z:
            z.extractall(folder, [name for name in z.namelist() if name.startswith("psutil/")])
        sys.path.insert(0, folder)
    except Exception as e:
        say("mfmesos: psutil could not be unpacked (%s); /proc is read instead\\n" % e)


if __name__ == "__main__":
    import gc

    gc.set_threshold(50000, 20, 100)  # as mfmesos/start.py does
    os.environ.pop("MFMESOS_NEWER_PYTHON", None)
    unpack_psutil(sys.path[0])
    from mfmesos_executor.main import main

    leave(main())
'''.replace("@OLD@", str(EXIT_OLD_PYTHON))

BRING = """\
import hashlib, os, socket, sys, time, zlib
def say(text):
    line = "mfmesos: %s\\n" % text
    try:
        os.write(2, line if str is bytes else line.encode("utf-8", "replace"))
    except EnvironmentError:
        pass
def bring(host, port, path):
    s = socket.create_connection((host, int(port)), 15)
    s.sendall(("GET %s HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n" % (path, "[%s]" % host if ":" in host else host)).encode())
    pieces = []
    while not pieces or pieces[-1]:
        pieces.append(s.recv(1 << 20))
    head, _, body = b"".join(pieces).partition(b"\\r\\n\\r\\n")
    if head[9:12] != b"200":
        raise ValueError("the answer is %r" % head[:40])
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
sys.exit(@OLDEST@ if sys.version_info < (3, 4) else 0)
"""
"""Python 2.7 or 3, without a single quote. Run with -E -S: an empty sandbox is no danger, 2.7 has no -I, and finding
the site's packages takes half of the time. Mesos's own fetcher would use the proxies of the agent's environment, which
could return anything.
"""

COMMAND = (
    'PATH="${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin"; export PATH; '
    'command -v python3 >/dev/null || { '
    'echo "mfmesos: no python3 on this agent in $PATH; install Python 3.8 or newer" >&2; exit @NONE@; }; '
    f"python3 -E -S -c '{BRING}' @SHA@@FROM@; r=$?; "
    "[ $r = @OLDEST@ ] && exec python3 -E @PYZ@; [ $r = 0 ] || exit $r; "
    "exec python3 -I @PYZ@"
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


def build_archive(cache_dir: Path) -> Archive:
    """The archive of the installed packages, in `cache_dir`; built only if a source has changed (by stat).

    Raises ArchiveError with the cure if a package is missing, OSError if `cache_dir` cannot be written.
    """
    cache_dir = Path(cache_dir)
    key = _key()
    found = _cached(cache_dir, key)
    if found is not None:
        return found
    pyz = make_pyz(find_sources())
    digest = hashlib.sha256(pyz).hexdigest()
    name = f"mfmesos-executor-{digest[:16]}.tar.gz"
    cache_dir.mkdir(parents=True, exist_ok=True)
    for old in cache_dir.glob("mfmesos-executor-*.tar.gz"):
        if old.name != name:
            old.unlink(missing_ok=True)
    index = json.dumps({"key": key, "name": name, "sha256": digest})
    for path, content in ((cache_dir / name, make_tar(pyz)), (cache_dir / INDEX, index.encode())):
        atomic.write(path, content, mode=0o644, exact=True, several=True)
    return _archive(cache_dir, name, digest)


def command(sha256_pyz: str, url: str = "") -> str:
    """The agent's command: find a Python, download the archive unless Mesos has, check it, become the executor."""
    parts = urlsplit(url)
    words = (parts.hostname, parts.port or 80, parts.path) if url else ()
    text = COMMAND
    for mark, value in (
            ("@SHA@", sha256_pyz), ("@PYZ@", PYZ), ("@BAD@", EXIT_DAMAGED), ("@NONE@", EXIT_NO_PYTHON),
            ("@MISSED@", EXIT_NOT_FETCHED), ("@OLDEST@", OLDEST),
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


def _cached(cache_dir: Path, key: str) -> Archive | None:
    try:
        known = json.loads((cache_dir / INDEX).read_bytes())
        if known["key"] == key and (cache_dir / known["name"]).is_file():
            return _archive(cache_dir, known["name"], known["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _archive(cache_dir: Path, name: str, digest: str) -> Archive:
    return Archive(cache_dir / name, name, digest)
