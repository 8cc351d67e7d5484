"""tools/gpu-check, with stubs of nvidia-smi and of CUDA's driver: that it passes where all is well, and can fail."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_gpus import FakeGpus
from support import need

TOOL = Path(__file__).resolve().parents[2] / "tools/gpu-check"
CUDA = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static const char *all = "%(uuid)s";
int cuInit(unsigned flags) {
    const char *seen = getenv("CUDA_VISIBLE_DEVICES");
    return flags || (seen && strcmp(seen, all)) ? 100 : 0;
}
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int n) { *device = n; return 0; }
int cuDeviceGetUuid(unsigned char *uuid, int device) {
    const char *hex = all + 4;
    for (int i = 0; i < 16; i++, hex += 2) {
        if (*hex == '-') hex++;
        sscanf(hex, "%%2hhx", uuid + i);
    }
    return device;
}
int cuCtxCreate_v2(void **context, unsigned flags, int device) { *context = &all; return flags + device; }
int cuMemAlloc_v2(unsigned long long *pointer, size_t size) {
    FILE *users = fopen("%(users)s", "a");
    fprintf(users, "%%s, %%d, %%zu\n", all, getpid(), size >> 20);
    return *pointer = fclose(users);
}
"""


@pytest.fixture
def environ(tmp_path):
    need(shutil.which("gcc") is not None, "no compiler for the stub of CUDA's driver", "apt-get install gcc")
    gpus = FakeGpus(tmp_path / "gpus", 1)
    (tmp_path / "cuda.c").write_text(CUDA % {"uuid": gpus.uuids[0], "users": gpus.folder / "users"})
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "libcuda.so.1", tmp_path / "cuda.c"], check=True,
                   timeout=60)
    return {**os.environ, **gpus.environ, "LD_LIBRARY_PATH": str(tmp_path)}


def checked(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, TOOL], capture_output=True, text=True, timeout=170, env=environ)


@pytest.mark.timeout(180)
def test_all_is_well(environ):
    """Each check passes: variables, memory, quarantine, strays, the lock."""
    done = checked(environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nok ") == 11, done.stdout


def test_a_machine_without_gpus(tmp_path):
    """Is not a failure of mfmesos: the exit code says so."""
    done = checked({**os.environ, "PATH": str(tmp_path)})
    assert done.returncode == 2, done.stdout + done.stderr
    assert "no NVIDIA GPU here" in done.stdout
