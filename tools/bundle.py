"""bundle.py FOLDER: puts pymesos (unchanged, with its licence) and our http_parser into FOLDER, for a package.

pymesos comes from the package index as pip is configured, and is checked against the hash below. Its source
distribution has no file with its licence: the text is that of its repository.
"""
from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

NAME = "pymesos-0.3.15"
SHA256 = "ee8d5ac0664467fcc70bb5a639d1520547523c80f0e83e73f689778f46a846de"
PACKAGES = ("pymesos", "http_parser")
LICENSE = "tools/pymesos-LICENSE"
ROOT = Path(__file__).resolve().parent.parent


def bundle(folder: Path) -> None:
    """Idempotent: complete parts stay unchanged. Raises SystemExit with one line if pymesos cannot be fetched."""
    if complete(folder):
        return
    for name in PACKAGES:
        shutil.rmtree(folder / name, ignore_errors=True)
    carried = ROOT / "mfmesos" / "bundled"
    if complete(carried):  # an unpacked source distribution
        for name in PACKAGES:
            shutil.copytree(carried / name, folder / name)
        return
    shutil.copytree(
        ROOT / "compat" / "http-parser" / "http_parser", folder / "http_parser",
        ignore=shutil.ignore_patterns("__pycache__"))
    with tarfile.open(fileobj=io.BytesIO(download())) as tar:
        for member in tar.getmembers():
            name = member.name.partition("/")[2]
            if member.isfile() and name.startswith("pymesos/") and name.endswith(".py"):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                assert source is not None
                target.write_bytes(source.read())
    shutil.copyfile(ROOT / LICENSE, folder / "pymesos" / "LICENSE")  # last: now it is complete


def complete(folder: Path) -> bool:
    return (folder / "pymesos" / "LICENSE").exists() and (folder / "http_parser").exists()


def download() -> bytes:
    """pymesos's source distribution, with its hash checked."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q", "--no-deps", "--no-binary",
             ":all:", "--no-build-isolation", "-d", folder, NAME.replace("-", "==")],
            capture_output=True, text=True, check=False)
        found = Path(folder) / f"{NAME}.tar.gz"
        if not found.exists():
            raise SystemExit(f"bundle: pip could not download {NAME}: {done.stderr.strip().splitlines()[-1:]}")
        data = found.read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise SystemExit(f"bundle: {NAME}.tar.gz is not the file that was checked (its SHA-256 differs)")
    return data


if __name__ == "__main__":
    bundle(Path(sys.argv[1]))
