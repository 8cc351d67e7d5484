"""What setup.cfg cannot say: packages that are carried along, and the preloaded library for makeflow.

MFMESOS_PRELOAD chooses how the library is built:
    cc     with this machine's C compiler, where one is there (the default); the wheel is for this machine
    zig    with PyPI's ziglang, for glibc 2.17 and newer: a manylinux2014 wheel
    none   not at all: a wheel for every platform, with which makeflow sees results up to 5 s late
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

ROOT = Path(__file__).resolve().parent
HOW = os.environ.get("MFMESOS_PRELOAD", "cc")
SOURCE = Path("mfmesos/launchers/makeflow_preload.c")
LIBRARY = SOURCE.with_name("_makeflow_preload.so")
ZIG = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-gnu.2.17"]


def bundle(folder):
    sys.path.insert(0, str(ROOT / "tools"))
    from bundle import bundle as fill

    fill(Path(folder))


def build_preload(target):
    """True if it was built. Without a compiler mfmesos works, but slower, and the launcher reports that."""
    compiler = {"cc": [os.environ.get("CC", "cc")], "zig": ZIG}.get(HOW)
    if compiler is None or (HOW == "cc" and shutil.which(compiler[0]) is None):
        return False
    fresh = f"{target}.{os.getpid()}"
    command = [*compiler, "-O2", "-g0", "-s", "-fPIC", "-shared", "-o", fresh, str(ROOT / SOURCE), "-ldl"]
    done = subprocess.run(command, check=False)
    if done.returncode == 0:
        os.replace(fresh, target)  # whole at any moment: of a working copy it may be in use
    if done.returncode and HOW == "zig":
        raise SystemExit("the preloaded library could not be built")
    return done.returncode == 0


class BuildPy(build_py):
    def run(self):
        super().run()
        if self.editable_mode:  # a working copy uses the installed pymesos, see tools/setup-venv
            build_preload(ROOT / LIBRARY)
            return
        target = Path(self.build_lib) / LIBRARY
        target.unlink(missing_ok=True)
        self.distribution.has_preload = build_preload(target)
        bundle(Path(self.build_lib) / "mfmesos" / "bundled")


class Sdist(sdist):
    """Complete: packages can be built from it without a package index."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        bundle(Path(base_dir) / "mfmesos" / "bundled")


class Wheel(bdist_wheel):
    def get_tag(self):
        if not self.distribution.has_preload:
            return "py3", "none", "any"
        return "py3", "none", "manylinux2014_x86_64" if HOW == "zig" else super().get_tag()[2]


class Built(Distribution):
    has_preload = HOW != "none"

    def has_ext_modules(self):
        return HOW != "none"


setup(cmdclass={"build_py": BuildPy, "sdist": Sdist, "bdist_wheel": Wheel}, distclass=Built)
