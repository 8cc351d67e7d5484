"""Gets a real Apache Mesos 1.11.0: the official `mesos.scheduler` egg, and stubs for what Debian no longer has.

The egg (x86-64 Linux, built for Python 2.7) links the whole of libmesos into `_scheduler.so`. It wants OpenSSL 1.0
and libcurl 3 (for TLS and docker only, both off here) and three functions of the Python 2 C API: gcc builds stub
libraries for them on the spot. Everything lands in REALMESOS_HOME, or ~/.cache/mfmesos/realmesos/1.11.0.
"""
from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

VERSION = "1.11.0"
EGG = f"mesos.scheduler-{VERSION}-py2.7-linux-x86_64.egg"
EGG_SHA256 = "4940ebb70894ee004cf8a12b7b66b52a351be1070ec2a4e6f7dae4ec04f8cb61"
PYTHON2_ONLY = ("PyInt_FromLong", "PyString_AsStringAndSize", "Py_InitModule4_64")
OBSOLETE = ("libssl.so.1.0.0", "libcrypto.so.1.0.0", "libcurl.so.4")
DEBIAN_PROGRAMS = {"gcc": "gcc", "patchelf": "patchelf", "readelf": "binutils", "objdump": "binutils"}
DEBIAN_LIBRARIES = {
    "libsvn_delta-1.so.1": "libsvn1", "libapr-1.so.0": "libapr1",
    "libsasl2.so.2": "libsasl2-2",
}


class InstallError(Exception):
    """One line on why real Mesos is unavailable here, with the cure."""


def home() -> Path:
    """Where the library is kept between runs."""
    given = os.environ.get("REALMESOS_HOME")
    return Path(given) if given else Path.home() / ".cache" / "mfmesos" / "realmesos" / VERSION


def library() -> Path:
    return home() / "libmesos.so"


def missing_packages() -> list[str]:
    """The Debian packages that are needed and not there; gcc and its like only as long as nothing is built yet."""
    missing = set()
    if not library().exists():
        missing.update(package for program, package in DEBIAN_PROGRAMS.items() if shutil.which(program) is None)
    for name, package in DEBIAN_LIBRARIES.items():
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.add(package)
    return sorted(missing)


def install() -> Path:
    """The library, built when it is not there yet (about 5 s). Raises InstallError."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise InstallError("the Mesos egg is for x86-64 Linux only; run these tests there")
    if missing := missing_packages():
        raise InstallError(f"Debian packages are missing; apt-get install {' '.join(missing)}")
    if library().exists():
        return library()
    home().mkdir(parents=True, exist_ok=True)
    with open(home() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test sessions may come here at once
        if not library().exists():
            _build(_egg())
    return library()


def _index_url() -> str:
    """The package index that pip is set up to use."""
    from pip._internal.models.index import PyPI  # pip keeps its default here
    out = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True)
    return os.environ.get("PIP_INDEX_URL") or out.stdout.strip() or PyPI.simple_url


def _egg() -> Path:
    egg = home() / EGG
    try:
        if not egg.exists():
            _download(egg)
    except OSError as e:
        raise InstallError(f"cannot fetch {EGG} from pip's package index: {e}; check the network and pip's "
                           f"index-url, or put the file into {home()}") from None
    digest = hashlib.sha256(egg.read_bytes()).hexdigest()
    if digest != EGG_SHA256:
        egg.unlink()
        raise InstallError(f"{EGG} has sha256 {digest}, not {EGG_SHA256}; it was deleted, try again")
    return egg


def _download(target: Path) -> None:
    page_url = _index_url().rstrip("/") + "/mesos-scheduler/"
    with urllib.request.urlopen(page_url, timeout=60) as answer:
        page = answer.read().decode()
    for href, name in re.findall(r'href="([^"]+)"[^>]*>\s*([^<]+?)\s*<', page):
        if name == EGG:
            part = target.with_suffix(".part")
            with urllib.request.urlopen(urllib.parse.urljoin(page_url, href), timeout=300) as answer, \
                    open(part, "wb") as file:
                shutil.copyfileobj(answer, file)
            part.rename(target)
            return
    raise InstallError(f"pip's package index has no {EGG}; put the file into {home()}")


def _build(egg: Path) -> None:
    stubs = home() / "stubs"
    stubs.mkdir(exist_ok=True)
    fresh = home() / "libmesos.so.new"
    with zipfile.ZipFile(egg) as archive, archive.open("mesos/scheduler/_scheduler.so") as source, \
            open(fresh, "wb") as target:
        shutil.copyfileobj(source, target)
    try:
        for name, versions in _needed_symbols(fresh).items():
            symbols = sorted(set().union(*versions.values()))
            _build_stub(
                stubs / name, "\n".join(f"long {s}(void){{return 0;}}" for s in symbols),
                "\n".join(f"{version} {{ global: {' '.join(s + ';' for s in sorted(names))} }};"
                          for version, names in versions.items()))
        _build_stub(stubs / "libpython2stub.so", "#include <stdlib.h>\n" +
                    "\n".join(f"void *{s}(void){{abort();}}" for s in PYTHON2_ONLY))
        subprocess.check_call(["patchelf", "--add-needed", "libpython2stub.so", fresh])
        subprocess.check_call(["patchelf", "--set-rpath", stubs, fresh])
    except subprocess.CalledProcessError as e:
        raise InstallError(f"building the stubs failed: {e}; the tools are those of Debian 12 or newer") from None
    fresh.rename(library())


def _needed_symbols(path: Path) -> dict[str, dict[str, set[str]]]:
    """{library: {version: {symbols}}} that the file at `path` wants from the obsolete libraries."""
    versions: dict[str, dict[str, set[str]]] = {}
    name = ""
    for line in subprocess.check_output(["readelf", "-W", "--version-info", path], text=True).splitlines():
        if m := re.search(r"File: (\S+)", line):
            name = m[1]
        if (m := re.search(r"Name: (\S+)\s+Flags", line)) and name in OBSOLETE:
            versions.setdefault(name, {})[m[1]] = set()
    for line in subprocess.check_output(["objdump", "-T", path], text=True).splitlines():
        if m := re.search(r"\*UND\*.*\((\S+)\)\s+(\S+)$", line):
            for wanted in versions.values():
                if m[1] in wanted:
                    wanted[m[1]].add(m[2])
    return versions


def _build_stub(target: Path, source: str, version_script: str = "") -> None:
    with tempfile.TemporaryDirectory() as folder:
        code, script = Path(folder, "stub.c"), Path(folder, "stub.map")
        code.write_text(source)
        script.write_text(version_script)
        extra = [f"-Wl,--version-script={script}"] if version_script else []
        subprocess.check_call(["gcc", "-w", "-fno-builtin", "-shared", "-fPIC", "-o", target, code,
                               f"-Wl,-soname,{target.name}", *extra])
