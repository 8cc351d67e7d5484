"""What keeping folders, reusing files and marking folders gain on each file system, as one Markdown table.

    filesystems.py [--times N] [--folder DIR]

Each file system is made in a file of DIR and mounted as a loop device, which needs root; those that this machine lacks
are named. Each figure is the median of N times, in microseconds, with those of computing (process and kernel) in
brackets. docs/performance.md, Inputs and Staging, says what follows from them.
"""
from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "executor")]

from mfmesos_executor.skeletons import Skeletons  # noqa: E402  needs the path above

from mfmesos.shared.apart import set_apart  # noqa: E402

FILE_SYSTEMS = {
    "ext4, no journal": ["mkfs.ext4", "-q", "-F", "-O", "^has_journal"],
    "ext4, journal": ["mkfs.ext4", "-q", "-F"],
    "XFS": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
    "tmpfs": [],
}
IMAGE_BYTES = 8 << 30
REMOVED = 20_000
"""Files that were removed a moment ago beside the folder that is measured, as short tasks leave them behind."""
CONTENT = bytes(1000)


@contextmanager
def mounted(folder: Path, make: list[str]) -> Iterator[Path]:
    """A new file system. Raises OSError or CalledProcessError if there is none of that kind here."""
    image, where = folder / "image", folder / "mounted"
    where.mkdir(exist_ok=True)
    if make:
        with image.open("wb") as f:
            f.truncate(IMAGE_BYTES)
        subprocess.run([*make, str(image)], check=True, capture_output=True, timeout=120)
    argv = ["mount", "-o", "loop", str(image), str(where)] if make else ["mount", "-t", "tmpfs", "none", str(where)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    try:
        yield where
    finally:
        subprocess.run(["umount", str(where)], check=True, timeout=120)
        image.unlink(missing_ok=True)


def microseconds(times: int, step: Callable[[], None]) -> str:
    walls, cpus = [], []
    for _ in range(times):
        began, used = time.perf_counter(), time.process_time()
        step()
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - used)
    return f"{median(walls) * 1e6:,.0f} ({median(cpus) * 1e6:,.0f})"


def write(path: Path) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    os.write(fd, CONTENT)
    os.close(fd)


def files(where: Path, times: int, apart: bool = False) -> tuple[str, str]:
    """A file of a subfolder that is new and removed, and one that is emptied and written again."""
    if apart:
        set_apart(where)
    (where / "sub").mkdir()
    path = where / "sub" / "file"

    def new() -> None:
        write(path)
        path.unlink()
    fresh = microseconds(times, new)
    write(path)
    emptied = microseconds(times, lambda: write(path))
    return fresh, emptied


def sandboxes(where: Path, times: int) -> tuple[str, str]:
    """Of an attempt with one output: made and removed, and kept for the next one."""
    def one(skeletons: Skeletons) -> None:
        root = skeletons.take()
        for name in ("out", "err", "work/output"):
            write(Path(root) / name)
        skeletons.give_back(root)
    found = []
    for most in (0, 1):
        folder = where / f"skeletons.{most}"
        folder.mkdir()
        skeletons = Skeletons(str(folder), most)
        found.append(microseconds(times, lambda: one(skeletons)))  # noqa: B023  called at once
    return found[0], found[1]


def remove_many(where: Path) -> None:
    folder = where / "before"
    folder.mkdir()
    for number in range(REMOVED):
        write(folder / str(number))
    for number in range(REMOVED):
        (folder / str(number)).unlink()


def row(where: Path, times: int) -> list[str]:
    where = where / "agent"  # the subfolders of the top folder do not lie side by side, and those of this one do
    for name in ("", "plain", "beside", "marked"):
        (where / name).mkdir()
    cells = [*files(where / "plain", times), *sandboxes(where, times)]
    remove_many(where)
    return [*cells, files(where / "beside", times)[0], files(where / "marked", times, apart=True)[0]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=400)
    parser.add_argument("--folder", type=Path, help="where the images are made (default: the system's)")
    args = parser.parse_args()
    if os.geteuid():
        parser.error("mounting needs root")
    print("| | new file | emptied file | new sandbox | kept sandbox | new file after many were removed | "
          "the same in a marked folder |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, make in FILE_SYSTEMS.items():
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            try:
                with mounted(Path(folder), make) as where:
                    cells = row(where, args.times)
            except (OSError, subprocess.CalledProcessError) as e:
                cells = [f"not here: {e}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
