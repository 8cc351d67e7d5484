"""Unix sockets in the folders that a task gets, however deep Mesos has put them."""
from __future__ import annotations

import os
import re
import signal

import pytest
from executor_fakes import contents, run
from mfmesos_executor.shortcut import LONGEST, Shortcut
from support import wait_until

BIND = """python3 -c '
import os, socket, tempfile
made = tempfile.mkdtemp(prefix="pymp-")
for name in (made + "/listener-xxxxxxxx", os.environ["HOME"] + "/s", os.environ["PWD"] + "/t", "here"):
    socket.socket(socket.AF_UNIX).bind(name)
assert os.path.samefile(os.environ["PWD"], "."), os.environ["PWD"]
print(max(len(os.environ[n]) for n in ("TMPDIR", "HOME", "PWD")), os.path.dirname(os.path.dirname(os.environ["HOME"])))
' > o && pwd >> o"""


@pytest.fixture
def deep(tmp_path):
    """A folder as deep as Mesos's own, and a place for links."""
    folder = tmp_path / ("long" * 20) / ("folder" * 15) / ".mfmesos" / "tmpx" / "tasks"
    folder.mkdir(parents=True)
    place = tmp_path / "place"
    place.mkdir()
    return str(folder), str(place)


def test_sockets_can_be_bound(staging, start, tmp_path):
    """In TMPDIR, HOME, PWD and the working folder; the link in /tmp goes with the claim."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    started = start(folder=folder)
    staging.run(run("1.1", BIND, [], ["o"]))
    result = staging.wait("1.1")[0]
    assert result.outcome == "finished", (result.reason, result.stderr)
    first, pwd = contents(result)["o"].decode().splitlines()
    length, link = first.split()
    assert int(length) < 80
    assert pwd.startswith(link)
    assert re.match(r"/tmp/mf-[0-9a-f]{16}\Z", link)
    assert os.readlink(link).startswith(str(folder))
    started.close()
    wait_until(lambda: not os.path.lexists(link))


def test_short_folders_need_no_link(tmp_path, deep):
    """A folder that leaves room is used as it is."""
    short = "/" + "x" * (LONGEST - 1)
    assert Shortcut(short, (deep[1],)).path == short
    assert os.listdir(deep[1]) == []


def test_what_a_killed_executor_left_goes(deep):
    """By the next executor; not what another one still uses, and nothing else that looks like it."""
    folder, place = deep
    other = folder.replace("tmpx", "tmpy")
    os.makedirs(other)
    alive = Shortcut(other, (place,))
    os.symlink("/nonexistent/.mfmesos/tmp1/tasks", f"{place}/mf-{'0' * 16}")
    os.symlink("/somewhere/else", f"{place}/mf-{'1' * 16}")
    os.symlink("/nonexistent/.mfmesos/tmp1/tasks", f"{place}/mine")
    pid = os.fork()
    if not pid:
        Shortcut(folder, (place,))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    left = set(os.listdir(place)) - {os.path.basename(alive.path), "mine", f"mf-{'1' * 16}"}
    assert len(left) == 1, "the killed one removed the link of the dead one, and left its own"
    new = Shortcut(folder, (place,))
    assert set(os.listdir(place)) == {os.path.basename(p) for p in (alive.path, new.path)} | {"mine", f"mf-{'1' * 16}"}
    alive.remove()
    new.remove()
    new.remove()
    assert set(os.listdir(place)) == {"mine", f"mf-{'1' * 16}"}


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_no_link_where_others_could_replace_it(deep, mode):
    """A shared folder without the sticky bit is passed over; where no place is safe, the folder is used as it is."""
    folder, place = deep
    os.chmod(place, mode)
    assert Shortcut(folder, (place, "/nonexistent")).path == folder
    os.chmod(place, mode | 0o1000)
    made = Shortcut(folder, (place,))
    assert os.path.dirname(made.path) == place
    made.remove()
