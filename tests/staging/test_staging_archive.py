"""The executor's archive: the same bytes each time, and it starts on every Python that an agent may have."""
from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mfmesos.staging import archive as module
from mfmesos.staging import sources
from mfmesos.staging.archive import (
    EXIT_DAMAGED,
    EXIT_NO_PYTHON,
    EXIT_NOT_FETCHED,
    EXIT_OLD_PYTHON,
    PYZ,
    Archive,
    build_archive,
)

PYENV = Path.home() / ".pyenv" / "versions"


def pythons() -> dict[str, str]:
    """A python for each version 3.8 to 3.13 that is on this machine, the one that runs the tests at least."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}
    for minor in range(8, 14):
        for path in sorted(PYENV.glob(f"3.{minor}.*/bin/python3")):
            found[f"3.{minor}"] = str(path)
        on_path = shutil.which(f"python3.{minor}")
        if on_path:
            found.setdefault(f"3.{minor}", on_path)
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return build_archive(tmp_path_factory.mktemp("cache"))


def sandbox(folder: Path, built: Archive) -> Path:
    """What Mesos's fetcher leaves."""
    subprocess.run(["tar", "xzf", built.path, "-C", folder], check=True)
    return folder


def start(folder: Path, command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/bin/sh", "-c", command], cwd=folder, env={"MESOS_SANDBOX": str(folder), **env},
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def only(folder: Path, *programs: str, **scripts: str) -> str:
    """A PATH with these programs alone, and with these scripts."""
    folder.mkdir()
    for name in programs:
        (folder / name).symlink_to(shutil.which(name) or name)
    for name, text in scripts.items():
        (folder / name.replace("_", ".")).write_text(text)
        (folder / name.replace("_", ".")).chmod(0o755)
    return str(folder)


def test_same_bytes(tmp_path: Path, built: Archive) -> None:
    """Built twice, in another folder: the same bytes and the same name, which holds the digest of the content."""
    again = build_archive(tmp_path)
    assert again.path.read_bytes() == built.path.read_bytes()
    assert again.name == built.name == f"mfmesos-executor-{built.sha256_pyz[:16]}.tar.gz"
    with tarfile.open(again.path) as tar:
        assert tar.getnames() == [PYZ]
        assert hashlib.sha256(tar.extractfile(PYZ).read()).hexdigest() == built.sha256_pyz  # type: ignore[union-attr]


def test_rebuilt_only_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing changed: not built, and fast. A source changed: a new name, and the old archive is gone."""
    first = build_archive(tmp_path)
    real = module.make_pyz
    monkeypatch.setattr(module, "make_pyz", lambda found: pytest.fail("built again"))
    start_at = time.process_time()
    assert build_archive(tmp_path) == first
    assert time.process_time() - start_at < 0.2
    monkeypatch.setattr(module, "make_pyz", real)
    monkeypatch.setattr(module, "MAIN", module.MAIN + "# new\n")
    second = build_archive(tmp_path)
    assert second.name != first.name
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([second.name, module.INDEX])
    (tmp_path / module.INDEX).write_text("{damaged")
    assert build_archive(tmp_path) == second


def test_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another workflow's folder gets the archive from the user's cache, with the same bytes; an archive that is damaged
    there, or that others could have put there, is made again; and a cache that cannot be written is no trouble.
    """
    cache, folder = tmp_path / "none" / "cache", tmp_path / "w"
    first = build_archive(folder / "1", cache)
    assert cache.stat().st_mode & 0o777 == 0o700
    made: list[bytes] = []
    real = module.make_tar
    monkeypatch.setattr(module, "make_tar", lambda pyz: made.append(pyz) or real(pyz))
    second = build_archive(folder / "2", cache)
    assert not made
    assert (second.name, second.sha256_pyz) == (first.name, first.sha256_pyz)
    assert second.path == folder / "2" / first.name
    assert second.path.read_bytes() == first.path.read_bytes()
    cache.chmod(0o777)
    build_archive(folder / "3", cache)
    assert len(made) == 1
    cache.chmod(0o700)
    (cache / first.name).write_bytes(first.path.read_bytes()[:-9] + b"damaged..")
    assert build_archive(folder / "4", cache).path.read_bytes() == first.path.read_bytes()
    assert len(made) == 2
    assert (cache / first.name).read_bytes() == first.path.read_bytes(), "not mended"
    (tmp_path / "file").write_text("")
    assert build_archive(folder / "5", tmp_path / "file").path.read_bytes() == first.path.read_bytes()


def test_what_is_in_it(tmp_path: Path, built: Archive) -> None:
    """All that the executor imports, psutil with its compiled part, and nothing of the scheduler's side."""
    names = zipfile.ZipFile(sandbox(tmp_path, built) / PYZ).namelist()
    for name in ("__main__.py", "mfmesos_executor/__init__.py", "mfmesos/shared/wire.py", "pymesos/executor.py",
                 "six.py", "addict/addict.py", "http_parser/http.py", "h11/__init__.py", "psutil/_pslinux.py"):
        assert name in names
    assert any(n.startswith("psutil/") and n.endswith(".so") for n in names)
    assert {f"{n}c" for n in names if n.endswith(".py") and n != "__main__.py"} <= set(names), "bytecode is missing"
    foreign = [n for n in names if n.startswith(("mfmesos/core", "mfmesos/staging", "mfmesos/local", "tests"))]
    assert foreign == []


def test_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with the name and the cure."""
    monkeypatch.setitem(sources.NEEDED, "no_such_package", "pip install it")
    with pytest.raises(sources.ArchiveError, match="no_such_package, which is not installed; pip install it"):
        build_archive(tmp_path)


PROBE = """
import sys, os
exists = os.path.exists
os.path.exists = lambda path: path != "/proc/self/stat" and exists(path)  # as where there is no /proc
sys.argv = ["x"]; sys.path.insert(0, "mfmesos-executor.pyz")
import runpy
sys.modules["mfmesos_executor"] = type(sys)("mfmesos_executor")
main, first = (type(sys)("mfmesos_executor." + name) for name in ("main", "first_copies"))
first.begin = lambda named, environ: None
def run(first):
    import psutil, six, addict, h11, http_parser.http, pymesos, mfmesos.shared.wire
    import mfmesos.mesos.executor_driver
    for m in (six, addict, h11, pymesos, mfmesos.shared.wire):
        assert "mfmesos-executor.pyz" in m.__file__, m.__file__
    assert psutil.__file__.startswith(os.environ["MESOS_SANDBOX"]), psutil.__file__
    print("rss", psutil.Process().memory_info().rss > 0)
main.main = run
sys.modules["mfmesos_executor.main"], sys.modules["mfmesos_executor.first_copies"] = main, first
runpy.run_path("mfmesos-executor.pyz", run_name="__main__")
"""


def test_every_source_is_watched() -> None:
    """A new version of any file in the archive gives a new archive: each lies in a folder whose files are compared."""
    watched = set(sources.roots().values())
    assert [name for name, path in sources.find_sources().items() if not {path, path.parent} & watched] == []


@pytest.mark.once
@pytest.mark.parametrize("version", sorted(pythons()))
def test_everything_imports(version: str, tmp_path: Path) -> None:
    """On each Python: its __main__ unpacks psutil into the sandbox, and every part imports out of the archive."""
    python = pythons()[version]
    cache = tmp_path / "cache"
    found = sources.find_sources()
    driver = sources.roots()["mfmesos"] / "mesos"
    # Whatever the executor imports of it: here all that its driver needs.
    found.update({f"mfmesos/mesos/{p.name}": p for p in driver.glob("*.py")})
    cache.mkdir()
    (cache / PYZ).write_bytes(module.make_pyz(found))
    done = subprocess.run([python, "-I", "-c", PROBE], cwd=cache, env={"MESOS_SANDBOX": str(cache)},
                          capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("rss True\n", 0), done.stderr


@pytest.mark.once
@pytest.mark.parametrize("version", sorted(pythons()))
def test_starts_as_mesos_starts_it(version: str, tmp_path: Path, built: Archive) -> None:
    """The claim's command, with an empty environment but PATH, gets as far as the executor's own message that it was
    not started by Mesos: nothing is missing in the archive."""
    python = pythons()[version]
    folder = tmp_path / "sandbox"
    folder.mkdir()
    path = only(tmp_path / "bin", "sha256sum", "cat", python3=f'#!/bin/sh\nexec {python} "$@"\n')
    done = start(sandbox(folder, built), built.command(), PATH=path)
    assert "Traceback" not in done.stderr
    assert "mfmesos" in done.stderr
    assert "ModuleNotFound" not in done.stderr
    assert done.returncode not in (0, 126, 127, EXIT_DAMAGED, EXIT_NO_PYTHON, EXIT_OLD_PYTHON), done.stderr


def test_no_path_at_all(tmp_path: Path, built: Archive) -> None:
    """Mesos may give an executor no PATH: the usual folders are looked through."""
    done = start(sandbox(tmp_path, built), built.command().replace("exec python3", "echo found $PATH; exec python3"))
    assert done.stdout.startswith("found ")
    assert "/usr/local/bin:/usr/bin:/bin" in done.stdout


def test_damaged_archive(tmp_path: Path, built: Archive) -> None:
    """One line on stderr and an exit code of its own, and nothing of it is run."""
    with (sandbox(tmp_path, built) / PYZ).open("ab") as f:
        f.write(b"x")
    done = start(tmp_path, built.command(), PATH=os.environ["PATH"])
    assert done.returncode == EXIT_DAMAGED
    assert done.stderr.count("\n") == 1
    assert "damaged" in done.stderr


def test_a_full_disk_hides_no_exit_code(tmp_path: Path, built: Archive) -> None:
    """stderr is a file in the sandbox: failing to write to it changes nothing else."""
    with (sandbox(tmp_path, built) / PYZ).open("ab") as f:
        f.write(b"x")
    assert start(tmp_path, f"exec 2>/dev/full; {built.command()}", PATH=os.environ["PATH"]).returncode == EXIT_DAMAGED


def test_a_full_disk_keeps_no_executor_from_starting(tmp_path: Path, built: Archive) -> None:
    """Neither psutil can be unpacked, where it is needed, nor can that be written to stderr: the executor runs all the
    same.
    """
    (sandbox(tmp_path, built) / ".mfmesos").touch()
    imports = "import psutil, six, addict, h11, http_parser.http, pymesos, mfmesos.shared.wire"
    code = PROBE.replace(imports, "print('ran')\n    return")
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -I -c "$1" 2>/dev/full', sys.executable, code], cwd=tmp_path,
        env={"MESOS_SANDBOX": str(tmp_path)}, stdout=subprocess.PIPE, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("ran\n", 0)


@contextlib.contextmanager
def serving(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A web server with one answer, and what it was asked."""
    asked: list[bytes] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.raw_requestline)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def test_brought_without_a_proxy(tmp_path: Path, built: Archive) -> None:
    """The claim's command fetches the archive itself: no proxy that the agent's environment names is ever asked."""
    with serving(built.path.read_bytes()) as (url, asked), serving(b"<html>") as (proxy, asked_proxy):
        names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
        command = built.command(f"{url}/archive/T/{built.name}")
        command = command.replace("import zipimport", 'sys.exit(print("brought"))')
        done = start(tmp_path, command, PATH=os.environ["PATH"], **dict.fromkeys(names, proxy))
    assert (done.stdout, done.stderr) == ("brought\n", "")
    assert hashlib.sha256((tmp_path / PYZ).read_bytes()).hexdigest() == built.sha256_pyz
    assert asked == [f"GET /archive/T/{built.name} HTTP/1.0\r\n".encode()]
    assert asked_proxy == []


def test_not_fetched(tmp_path: Path, built: Archive) -> None:
    """A staging server out of reach: one line that names it and the cure, and an exit code of its own."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        command = built.command(f"http://127.0.0.1:{port}/archive/T/x").replace("(0.5, 1, 2, 0)", "(0,)")
        done = start(tmp_path, command, PATH=os.environ["PATH"])
    assert done.returncode == EXIT_NOT_FETCHED
    assert done.stderr.startswith(f"mfmesos: the executor cannot be fetched from 127.0.0.1 port {port} (")
    assert "--advertise" in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_python(tmp_path: Path, built: Archive) -> None:
    """The line says what to install."""
    folder = tmp_path / "sandbox"
    folder.mkdir()
    path = only(tmp_path / "bin", "sha256sum")
    command = built.command().replace("/usr/local/bin:/usr/bin:/bin", "/nonexistent")
    done = start(sandbox(folder, built), command, PATH=path)
    assert done.returncode == EXIT_NO_PYTHON
    assert "install Python 3.8" in done.stderr


def old_python(python: str) -> str:
    """A python3 that says it is 3.6."""
    return (f'#!/bin/sh\nolder="import sys; sys.version_info = (3, 6, 8)"\n'
            f'[ "$1" = -E ] && {{ code=$4; shift 4; exec {python} -E -S -c "$older\n$code" "$@"; }}\nshift 2\n'
            f'exec {python} -I -c "$older; import zipfile; sys.argv = sys.argv[1:]\n'
            f'exec(compile(zipfile.ZipFile(sys.argv[0]).read(\'__main__.py\'), \'m\', \'exec\'), '
            f'{{\'__name__\': \'__main__\'}})" "$@"\n')


def test_old_python(tmp_path: Path, built: Archive) -> None:
    """A python3 before 3.8 gives one line; a newer one beside it, under its own name, is used instead."""
    folder = tmp_path / "sandbox"
    folder.mkdir()
    sandbox(folder, built)
    command = built.command().replace("/usr/local/bin:/usr/bin:/bin", "/nonexistent")
    path = only(tmp_path / "old", "sha256sum", python3=old_python(sys.executable))
    done = start(folder, command, PATH=path)
    assert done.returncode == EXIT_OLD_PYTHON
    assert done.stderr == "mfmesos: python3 on this agent is 3.6; the executor needs Python 3.8 or newer\n"
    path = only(tmp_path / "both", "sha256sum", python3=old_python(sys.executable),
                python3_9='#!/bin/sh\necho newer "$@"\n')
    assert start(folder, command, PATH=path).stdout == f"newer -I -S {PYZ}\n"


def test_python_2(tmp_path: Path, built: Archive) -> None:
    """A python3 that is Python 2.7 does not know -I: not its usage text, but the same line, or the newer one beside."""
    folder = tmp_path / "sandbox"
    folder.mkdir()
    sandbox(folder, built)
    old = (f'#!/bin/sh\n[ "$1" = -I ] && {{ echo "Unknown option: -I" >&2; exit 2; }}\nshift\n[ "$1" = -S ] && shift\n'
           f'older="import sys; sys.version_info = (2, 7, 18)"\n'
           f'if [ "$1" = -c ]; then code=$2; shift 2; exec {sys.executable} -E -c "$older\n$code" "$@"; fi\n'
           f'exec {sys.executable} -E -c "$older; import zipfile; sys.argv = sys.argv[1:]\n'
           f'exec(compile(zipfile.ZipFile(sys.argv[0]).read(\'__main__.py\'), \'m\', \'exec\'), '
           f'{{\'__name__\': \'__main__\'}})" "$@"\n')
    command = built.command().replace("/usr/local/bin:/usr/bin:/bin", "/nonexistent")
    done = start(folder, command, PATH=only(tmp_path / "old", python3=old))
    assert done.returncode == EXIT_OLD_PYTHON
    assert done.stderr == "mfmesos: python3 on this agent is 2.7; the executor needs Python 3.8 or newer\n"
    path = only(tmp_path / "both", python3=old, python3_9='#!/bin/sh\necho newer "$@"\n')
    assert start(folder, command, PATH=path).stdout == f"newer -I -S {PYZ}\n"


def test_one_python(tmp_path: Path, built: Archive) -> None:
    """The Python that fetches and checks the archive becomes the executor, with no other program on the agent; what
    else lies in the sandbox is no module of its.
    """
    folder = sandbox_with(tmp_path / "sandbox", built, "json.py", "logging.py", "mfmesos.py")
    command = built.command().replace("/usr/local/bin:/usr/bin:/bin", "/nonexistent")
    python = f'#!/bin/sh\necho started\nexec {sys.executable} "$@"\n'
    done = start(folder, command, PATH=only(tmp_path / "bin", python3=python))
    assert done.stdout == "started\n"
    assert done.stderr.startswith("mfmesos executor: "), done.stderr
    assert done.returncode == 1


def sandbox_with(folder: Path, built: Archive, *modules: str) -> Path:
    """A sandbox with modules that no one can import."""
    folder.mkdir()
    for name in modules:
        (folder / name).write_text("raise ImportError('it is of the sandbox')\n")
    return sandbox(folder, built)


def test_main_is_readable_to_old_pythons() -> None:
    """No syntax that a Python before 3.8 would stumble over before it reaches the message."""
    need_not = ("f\"", "f'", ":=", "match ")
    assert not [word for word in need_not if word in module.MAIN]
    compile(module.MAIN, "__main__.py", "exec", dont_inherit=True)
