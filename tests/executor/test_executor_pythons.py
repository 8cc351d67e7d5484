"""The executor on every Python from 3.8 that this machine has: agents have what they have."""
from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys

import pytest
from executor_fakes import contents, run


def _pythons() -> list[str]:
    found = {sys.version_info[:2]: sys.executable}
    for path in [*glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python")),
                 *filter(None, (shutil.which(f"python3.{minor}") for minor in range(8, 14)))]:
        try:
            version = subprocess.run([path, "-c", "import sys; print(*sys.version_info[:2])"], text=True,
                                     capture_output=True, timeout=30, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            continue
        major, minor = version.split()
        if (int(major), int(minor)) >= (3, 8):
            found.setdefault((int(major), int(minor)), path)
    return [found[version] for version in sorted(found)]


@pytest.mark.parametrize("python", _pythons())
def test_on_this_python(start, staging, tmp_path, python):
    """Inputs, a folder, small and large outputs, a failure, a limit, a kill and the end work on it."""
    executor = start(python=python, kill_grace_s=0.2)
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "x").write_text("2")
    inputs = [staging.add("a/in", b"1", 0o755), staging.add_dir("d", folder), staging.add("once", b"3", shared=False)]
    staging.run(run("1.1", "cat a/in d/x once > o; cp -r d e", inputs, ["o", "e"]),
                run("2.1", "head -c 200000 /dev/zero > o", [], ["o"]),
                run("3.1", "echo no >&2; exit 3"),
                run("4.1", "sleep 60", limit_wall_s=0.3),
                run("5.1", "python3 -c 'x = bytearray(99 << 20); import time; time.sleep(60)'", limit_memory_mb=40.0))
    small, large, failed, late, fat = staging.wait("1.1", "2.1", "3.1", "4.1", "5.1")
    assert contents(small) == {"o": b"123", "e/": b"", "e/x": b"2"}
    assert contents(large, staging) == {"o": bytes(200000)}
    assert failed.reason == "exit code 3: no"
    assert [late.resource, fat.resource] == ["wall", "memory"]
    staging.run(run("6.1", "sleep 60"))
    staging.let_go()
    assert executor.end() == ("TASK_FINISHED", "")
    assert executor.left() == []
    assert "Traceback" not in executor.log.read_text()
