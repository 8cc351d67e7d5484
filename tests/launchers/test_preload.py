"""The library that lets makeflow see results at once: with the real makeflow, and with a program of the same name."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import need

from mfmesos.launchers import binaries

LAUNCH = Path(__file__).with_name("launch_makeflow.py")
SOURCE = Path(binaries.__file__).with_name("makeflow_preload.c")
pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source of today, warnings being errors."""
    need(shutil.which("gcc"), "no gcc", "apt-get install gcc libc6-dev")
    target = tmp_path_factory.mktemp("preload") / "_makeflow_preload.so"
    subprocess.run(
        ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-ldl"],
        check=True)
    return target


def chain(folder: Path, length: int) -> None:
    rules = ["o0:\n\techo 1 > o0\n", *(f"o{i}: o{i - 1}\n\tcat o{i - 1} > o{i}\n" for i in range(1, length))]
    (folder / "Makeflow").write_text("".join(rules))


def timed(folder: Path, **environ: str) -> tuple[float, str]:
    need(shutil.which("makeflow"), "no makeflow on PATH", "apt-get install coop-computing-tools openmpi-bin")
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(LAUNCH)], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=100, env={**os.environ, **environ}, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return time.monotonic() - begun, done.stderr


def test_chain_is_quick(tmp_path: Path, library: Path) -> None:
    """A chain of 20 rules takes less than one rule without the library; without it the launcher explains the delay."""
    with_library, without = tmp_path / "with", tmp_path / "without"
    with_library.mkdir()
    without.mkdir()
    chain(with_library, 20)
    chain(without, 1)
    fast, said = timed(with_library, PRELOAD=str(library))
    assert said == ""
    slow, said = timed(without, NO_PRELOAD="1")
    assert "only every 5 s" in said
    assert said.count("mfmesos: ") == 1
    assert fast < slow
    assert (with_library / "o19").read_text() == "1\n"


def test_many_results(tmp_path: Path, library: Path) -> None:
    """300 results, most of them there at once: each is taken once, none is missed."""
    rules = ["i:\n\techo 1 > i\n", *(f"p{n}: i\n\tcat i > p{n}\n" for n in range(300))]
    (tmp_path / "Makeflow").write_text("".join(rules))
    timed(tmp_path, PRELOAD=str(library))
    assert all((tmp_path / f"p{n}").exists() for n in range(300))


def test_local_rules_do_not_wait_for_the_others(tmp_path: Path, library: Path) -> None:
    """Three LOCAL rules in a row are done while a task runs: without the library each would cost up to 5 s."""
    (tmp_path / "Makeflow").write_text(
        "far:\n\twhile ! test -e c; do sleep 0.1; done; echo 1 > far\n"
        "a:\n\tLOCAL echo 1 > a\nb: a\n\tLOCAL cat a > b\nc: b\n\tLOCAL cat b > c\n")
    took, _ = timed(tmp_path, PRELOAD=str(library))
    assert took < 9
    assert (tmp_path / "far").exists()


READER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int MPI_Init(int *, char ***), MPI_Comm_rank(void *, int *), MPI_Comm_size(void *, int *), MPI_Finalize(void);

/* wait FILE: one line of the file as makeflow's wait reads it, by number of call; the commands come on stdin. */
int main(void)
{
	char command[256], name[200], line[4096];
	while (fgets(command, sizeof command, stdin)) {
		if (sscanf(command, "take %199s", name) == 1) {
			long wanted;
			sscanf(command, "take %*s %ld", &wanted);
			FILE *f = fopen(name, "r");
			long seen = 0, before = 0;
			int got = 0;
			while (fgets(line, sizeof line, f)) {
				long now = ftell(f);
				if (now - before != (long) strlen(line))
					printf("bad ftell\n");
				before = now;
				seen++;
				if (atol(line) == wanted) { got = 1; break; }
			}
			fclose(f);
			printf("%s %ld\n", got ? "got" : "none", seen);
		} else if (sscanf(command, "sleep %199s", name) == 1) {
			struct timespec a, b;
			FILE *f = fopen(name, "r");
			while (fgets(line, sizeof line, f)) { }
			clock_gettime(CLOCK_MONOTONIC, &a);
			printf("sleeping\n");
			fflush(stdout);
			sleep(5);
			clock_gettime(CLOCK_MONOTONIC, &b);
			printf("%s ", (b.tv_sec - a.tv_sec) < 3 ? "early" : "late");
			printf("%s", fgets(line, sizeof line, f) ? line : "none\n");
			fclose(f);
		} else if (sscanf(command, "access %199s", name) == 1) {
			printf("%d\n", access(name, F_OK));
		} else if (!strncmp(command, "mpi", 3)) {
			int rank = -1, size = -1;
			int begun = MPI_Init(NULL, NULL) || MPI_Comm_rank(NULL, &rank) || MPI_Comm_size(NULL, &size);
			printf("%d %d %d %d\n", begun, rank, size, MPI_Finalize());
		} else if (!strncmp(command, "env", 3)) {
			printf("%s %s\n", getenv("LD_PRELOAD") ? getenv("LD_PRELOAD") : "-",
				getenv("MFMESOS_PRELOADED") ? "marked" : "-");
		}
		fflush(stdout);
	}
	return 0;
}
"""

MPI = """
int MPI_Init(int *argc, char ***argv) { return 0; }
int MPI_Comm_rank(void *communicator, int *rank) { *rank = 3; return 0; }
int MPI_Comm_size(void *communicator, int *size) { *size = 5; return 0; }
int MPI_Finalize(void) { return 7; }
"""


class Reader:
    """A program that reads as makeflow does, under the library."""

    def __init__(self, folder: Path, library: Path, name: str = "makeflow", also: str = "") -> None:
        source, binary, mpi = folder / "reader.c", folder / name, folder / "libmpi.so"
        source.write_text(READER)
        subprocess.run(["gcc", "-x", "c", "-shared", "-fPIC", "-o", str(mpi), "-"], input=MPI, text=True, check=True)
        subprocess.run(["gcc", "-o", str(binary), str(source), str(mpi), "-Wl,-rpath,$ORIGIN"], check=True)
        self.process = subprocess.Popen(
            [str(binary)], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={"LD_PRELOAD": ":".join(filter(None, [str(library), also])), "MFMESOS_PRELOADED": "0"})

    def say(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, command: str) -> str:
        self.say(command)
        return self.answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self.process.stdout.close()


def test_taken_lines_are_stepped_over(tmp_path: Path, library: Path) -> None:
    """A wait reads on from the last line that was taken; a file that was cut, changed or replaced is read from its
    start."""
    state = tmp_path / "mesos_task_state"
    state.write_text("1,finished\n2,finished\n3,finished\n")
    reader = Reader(tmp_path, library)
    assert reader.ask("take mesos_task_state 2") == "got 2"
    assert reader.ask("take mesos_task_state 3") == "got 1"
    assert reader.ask("take mesos_task_state 4") == "none 0"
    with state.open("a") as f:
        f.write("4,finished\n5,fini")
    assert reader.ask("take mesos_task_state 4") == "got 1"
    assert reader.ask("take mesos_task_state 5") == "got 1"  # half a line: never stepped over
    with state.open("a") as f:
        f.write("shed\n")
    assert reader.ask("take mesos_task_state 5") == "got 5"
    state.write_text("1,finished\n")
    assert reader.ask("take mesos_task_state 1") == "got 1"
    state.write_text("7,finished\n8,finished\n")  # the same inode, longer, but not the same start
    assert reader.ask("take mesos_task_state 8") == "got 2"
    (tmp_path / "new").write_text("7,finished\n8,finished\n9,finished\n")
    (tmp_path / "new").rename(state)
    assert reader.ask("take mesos_task_state 9") == "got 3"
    reader.close()


def test_sleep_ends_when_the_file_grows(tmp_path: Path, library: Path) -> None:
    """And the line is then read, although the stream had met its end."""
    state = tmp_path / "mesos_task_state"
    state.write_text("1,finished\n")
    reader = Reader(tmp_path, library)
    assert reader.ask("sleep mesos_task_state") == "sleeping"
    with state.open("a") as f:
        f.write("2,finished\n")
    assert reader.answer() == "early 2,finished"
    reader.close()


def test_other_files_and_programs_are_let_be(tmp_path: Path, library: Path) -> None:
    """Every other file is read as ever, and in a program of another name the library does nothing at all."""
    (tmp_path / "other").write_text("1\n2\n3\n")
    reader = Reader(tmp_path, library)
    assert reader.ask("take other 3") == "got 3"
    assert reader.ask("take other 3") == "got 3"
    assert reader.ask("access nowhere") == "-1"
    reader.close()
    (tmp_path / "mesos_task_state").write_text("1\n2\n")
    stranger = Reader(tmp_path, library, name="stranger")
    assert stranger.ask("take mesos_task_state 2") == "got 2"
    assert stranger.ask("take mesos_task_state 2") == "got 2"
    stranger.close()


def test_missing_file_is_made(tmp_path: Path, library: Path) -> None:
    """makeflow would ask for it for ever, deaf to signals."""
    reader = Reader(tmp_path, library)
    assert reader.ask("access mesos_task_state") == "0"
    assert (tmp_path / "mesos_task_state").read_bytes() == b""
    reader.close()


def test_environment_is_cleaned(tmp_path: Path, library: Path) -> None:
    """Children inherit the user's own LD_PRELOAD, if any, and nothing of ours."""
    reader = Reader(tmp_path, library)
    assert reader.ask("env") == "- -"
    reader.close()
    also = shutil.copy(library, tmp_path / "users.so")
    reader = Reader(tmp_path, library, also=str(also))
    assert reader.ask("env") == f"{also} -"
    reader.close()


def test_mpi_is_not_started(tmp_path: Path, library: Path) -> None:
    """makeflow gets the answer that it is alone; in a program of another name the real MPI answers."""
    reader = Reader(tmp_path, library)
    assert reader.ask("mpi") == "0 0 1 0"
    reader.close()
    stranger = Reader(tmp_path, library, name="stranger")
    assert stranger.ask("mpi") == "0 3 5 7"
    stranger.close()


def test_debians_makeflow_starts_where_mpi_does_not(tmp_path: Path, library: Path) -> None:
    """As where openmpi-bin is missing: it runs its rules all the same."""
    chain(tmp_path, 2)
    _, said = timed(tmp_path, PRELOAD=str(library), OPAL_PREFIX=str(tmp_path / "missing"))
    assert said == ""
    assert (tmp_path / "o1").read_text() == "1\n"


def test_fits_only_what_it_can(tmp_path: Path, library: Path) -> None:
    """A program of another libc or machine is left alone."""
    assert binaries.takes_preload(Path(sys.executable).resolve(), library)
    other = tmp_path / "makeflow"
    data = Path(sys.executable).resolve().read_bytes()
    other.write_bytes(data[:18] + b"\xff\xff" + data[20:])
    assert not binaries.takes_preload(other, library)
    other.write_bytes(data.replace(b"/ld-linux", b"/ld-musl-"))
    assert not binaries.takes_preload(other, library)
