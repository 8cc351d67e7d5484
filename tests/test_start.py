"""Every Python process of ours takes its modules from the standard library and the installation, from nowhere else."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mfmesos import start
from mfmesos.shared import own_programs

OURS = ("aiohttp", "brotli", "click", "kazoo", "mfmesos_executor", "psutil", "pymesos", "rich", "uvloop", "watchdog")
LOADED = """
import json, sys
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A workflow's folder in which modules have the names of all others; each leaves a trace when it is executed."""
    folder = tmp_path_factory.mktemp("flow")
    loaded = subprocess.run(
        [sys.executable, "-c", f"import re, runpy, warnings, traceback{LOADED}"], capture_output=True, text=True,
        check=True)
    standard = getattr(sys, "stdlib_module_names", ("queue", "random", "select", "socket", "json", "logging"))
    for name in {*standard, *OURS} - {*json.loads(loaded.stdout), *sys.builtin_module_names}:
        if name.startswith("_") or name in ("nt", "winreg"):
            continue  # what Python itself tries to import as it starts
        (folder / f"{name}.py").write_text(
            f"open({str(folder / 'executed')!r}, 'a').write({name!r} + '\\n')\nraise SystemExit('the user\'s')\n")
    yield folder
    for path in folder.iterdir():
        path.unlink()


def run(argv: list[str], folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    (folder / "executed").unlink(missing_ok=True)
    done = subprocess.run(argv, cwd=folder, env={**os.environ, **environ}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)
    executed = folder / "executed"
    assert not executed.exists(), executed.read_text() + done.stderr
    return done


@pytest.mark.parametrize("named", ["", ".", "{folder}", "/nowhere::{folder}"])
@pytest.mark.parametrize("argv", [
    [sys.executable, "-m", "mfmesos", "run", "--help"],
    [sys.executable, "-c", "from mfmesos.start import cli; cli()", "doctor"],
    [*own_programs.command(own_programs.CLUSTER), "--help"],
    [*own_programs.command(own_programs.SCHEDULER)],
], ids=["-m", "script", "cluster", "scheduler"])
def test_no_module_of_the_users_is_executed(hostile: Path, argv: list[str], named: str) -> None:
    """Whether the workflow's folder is the working directory or on PYTHONPATH, under whichever spelling."""
    done = run(argv, hostile, PYTHONPATH=named.format(folder=hostile))
    assert "Traceback" not in done.stderr
    assert done.stdout or "mfmesos" in done.stderr


def test_a_workflow_in_such_a_folder(hostile: Path) -> None:
    """It runs on the embedded cluster, and its tasks' own programs find the user's modules as they always do."""
    (hostile / "tasks.jsonl").write_text(
        '{"command": "python3 -c \'import own; own.go()\'", "inputs": ["own.py"], "outputs": ["a"]}\n')
    (hostile / "own.py").write_text("def go():\n    open('a', 'w').write('done')\n")
    done = run([sys.executable, "-m", "mfmesos", "run", "--master", "local", "--plain", "--no-history", "tasks.jsonl"],
               hostile, PYTHONPATH=".")
    assert done.returncode == 0, done.stderr
    assert (hostile / "a").read_text() == "done"
    for name in ("own.py", "tasks.jsonl", "a", "mesos_task_state"):
        (hostile / name).unlink()
    subprocess.run(["rm", "-rf", str(hostile / ".mfmesos")], check=True)


LIBRARY = os.path.dirname(os.__file__)


def test_what_came_before_the_library_is_left_out(tmp_path: Path) -> None:
    """The working directory, a script's folder, relative names; what follows it stays in its order."""
    found = ["", str(tmp_path), LIBRARY, f"{LIBRARY}/lib-dynload", "/site", "/user"]
    assert start.search_path(found, [".", str(tmp_path)]) == [
        LIBRARY, f"{LIBRARY}/lib-dynload", start.HOME, "/site", "/user"]


def test_installations_on_pythonpath_stay(tmp_path: Path) -> None:
    """A folder of `pip install --target`, as module systems use them, follows the standard library."""
    installed = tmp_path / "installed"
    (installed / "click-8.dist-info").mkdir(parents=True)
    (tmp_path / "own.egg-info").mkdir()
    named = [str(tmp_path), str(installed), ""]
    assert start.search_path([*named, LIBRARY, "/site"], named) == [LIBRARY, start.HOME, str(installed), "/site"]
    assert start.search_path([LIBRARY, "/site"], named) == [LIBRARY, start.HOME, str(installed), "/site"]


def test_an_installation_that_only_pythonpath_names(tmp_path: Path) -> None:
    """Our own processes find the same packages as the command line does."""
    bare = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if not bare.exists():
        pytest.skip("no interpreter outside of this virtual environment")
    site = next(entry for entry in sys.path if entry.endswith("site-packages"))
    done = run([str(bare), *own_programs.command(own_programs.CLUSTER)[1:], "--help"], tmp_path, PYTHONPATH=site)
    assert "the embedded cluster" in done.stdout.lower(), done.stderr


def test_packages_of_the_user(tmp_path: Path) -> None:
    """What `pip install --user` has put into the home folder is found, although the start is isolated."""
    bare = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if not bare.exists():
        pytest.skip("no interpreter outside of this virtual environment")
    environ = {**os.environ, "PYTHONUSERBASE": str(tmp_path / "user")}
    environ.pop("PYTHONNOUSERSITE", None)
    folder = subprocess.run([str(bare), "-m", "site", "--user-site"], env=environ, capture_output=True, text=True)
    site = next(entry for entry in sys.path if entry.endswith("site-packages"))
    Path(folder.stdout.strip()).parent.mkdir(parents=True)
    Path(folder.stdout.strip()).symlink_to(site)
    done = run([str(bare), *own_programs.command(own_programs.CLUSTER)[1:], "--help"], tmp_path,
               PYTHONUSERBASE=str(tmp_path / "user"), PYTHONNOUSERSITE="")
    assert "the embedded cluster" in done.stdout.lower(), done.stderr
