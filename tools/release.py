"""release.py: the release checklist. Prints what is ready, what is not and why, and which steps remain for a person.

Tags nothing, uploads nothing, changes no tracked file. Exits 0 only when every check passed. `make release-check`
starts it in .venv; it takes about 6 minutes where the packages must be built.
"""
from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Callable, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MFMESOS = str(ROOT / ".venv" / "bin" / "mfmesos")
COMPAT = ROOT / "tests" / "store" / "versions"
BUNDLED_LICENSES = ("mfmesos/bundled/pymesos/LICENSE",)
MADE_FOR_WHEEL = re.compile(
    r"mfmesos/bundled/(pymesos|http_parser)/([\w/]+\.py|LICENSE)$|mfmesos-[\w.]+\.dist-info/|.*/_makeflow_preload\.so$")
MADE_FOR_SDIST = re.compile(r"PKG-INFO$|mfmesos\.egg-info/|mfmesos/bundled/(pymesos|http_parser)/")


class NotReady(Exception):
    """A failed check: the problem and the cure."""


class Check(NamedTuple):
    title: str
    run: Callable[[], str]
    """Returns a remark, or nothing; raises NotReady."""


def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


VERSION = setup()["metadata"]["version"]


def output(*command: str, cwd: Path = ROOT) -> str:
    """The output of a successful command; otherwise NotReady with its last lines."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise NotReady(f"{' '.join(command)} exits {done.returncode}:\n{last}")
    return done.stdout


def tracked() -> set[str]:
    return set(output("git", "ls-files").splitlines())


def versions() -> str:
    """setup.cfg, the package, CITATION.cff and the changelog name the same version, and the changelog dates it."""
    found = {
        "mfmesos/__init__.py": re.findall(r'^__version__ = "(.+)"', (ROOT / "mfmesos/__init__.py").read_text(), re.M),
        "CITATION.cff": re.findall(r"^version: (.+)", (ROOT / "CITATION.cff").read_text(), re.M),
        "CHANGELOG.md": re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)[:1],
    }
    differing = [f"{name} ({', '.join(there)})" for name, there in found.items() if there != [VERSION]]
    if differing:
        raise NotReady(f"setup.cfg has version {VERSION}, not so {' and '.join(differing)}")
    heading = re.findall(r"^## .*", (ROOT / "CHANGELOG.md").read_text(), re.M)[0]
    if not re.fullmatch(r"## \S+ \(\d{4}-\d\d-\d\d\)", heading):
        raise NotReady(f"CHANGELOG.md's first heading is {heading!r}; date it: ## {VERSION} (YYYY-MM-DD)")
    return VERSION


def untagged() -> str:
    if output("git", "tag", "--list", f"v{VERSION}").strip():
        raise NotReady(f"the tag v{VERSION} exists; give setup.cfg, CITATION.cff and CHANGELOG.md a new version")
    return ""


def clean_tree() -> str:
    changed = output("git", "status", "--porcelain").splitlines()
    if changed:
        raise NotReady(f"{len(changed)} files are not committed, the first: {changed[0][3:]}; commit or remove them")
    return output("git", "rev-parse", "--short", "HEAD").strip()


def lint() -> str:
    output("make", "lint")
    return ""


def tests() -> str:
    """`make test` records in build/tested the files with which it passed."""
    noted = ROOT / "build" / "tested"
    if not noted.exists() or noted.read_text() != output("tools/sources-hash"):
        raise NotReady("make test has not passed on these files; run it")
    return ""


def packages() -> str:
    """Built if necessary, then installed and tried on each Python."""
    lines = output("tools/test-dist").splitlines()
    return "; ".join(line for line in lines if " on Python " in line)


def built(suffix: str) -> Path:
    found = list((ROOT / "dist").glob(f"*{suffix}"))
    if len(found) != 1:
        raise NotReady(f"dist/ has {len(found)} files *{suffix}, not one; run make dist")
    return found[0]


def wheels() -> list[Path]:
    return [built("-py3-none-any.whl"), built("-py3-none-manylinux2014_x86_64.whl")]


def same(found: Iterable[str], expected: set[str], made: re.Pattern[str], what: str) -> None:
    """NotReady unless the names are the expected ones, except files that packaging itself creates."""
    names = {name for name in found if not name.endswith("/")}
    stray = sorted(name for name in names - expected if not made.match(name))
    missing = sorted(expected - names)
    if stray:
        raise NotReady(f"{what} has {len(stray)} files that do not belong there, the first: {stray[0]}")
    if missing:
        raise NotReady(f"{what} lacks {len(missing)} files, the first: {missing[0]}; see setup.cfg and MANIFEST.in")


def contents() -> str:
    """Wheels hold exactly the tracked modules, the source distribution exactly the tracked files."""
    files = tracked()
    folders = dict(line.split(" = ") for line in setup()["options"]["package_dir"].strip().splitlines())
    modules = {
        f"{package}/{name[len(folder) + 1:]}" for package, folder in folders.items() for name in files
        if name.startswith(f"{folder}/") and name.endswith((".py", "py.typed"))}
    for wheel in wheels():
        same(zipfile.ZipFile(wheel).namelist(), modules, MADE_FOR_WHEEL, wheel.name)
    source = built(".tar.gz")
    with tarfile.open(source) as tar:
        names = {m.name.partition("/")[2] for m in tar.getmembers() if m.isfile()}
    same(names, files, MADE_FOR_SDIST, source.name)
    return f"{len(modules)} modules, {len(files)} files"


def licenses() -> str:
    """The licence of mfmesos, and of each part that travels in a package."""
    for wheel in wheels():
        names = zipfile.ZipFile(wheel).namelist()
        for needed in (*BUNDLED_LICENSES, "LICENSE"):
            if not any(name.endswith(needed) for name in names):
                raise NotReady(f"{wheel.name} has no {needed}")
    names = zipfile.ZipFile(built(".pyz")).namelist()
    parts = {name.split("/")[1] for name in names if name.startswith(".deps/") and name.count("/") > 1}
    licensed = {name.split("/")[1] for name in names if re.match(
        r"\.deps/.+\.dist-info/(.*/)?(licen[sc]e|copying|notice|authors)", name, re.I)}
    without = sorted(parts - licensed)
    if without:
        raise NotReady(f"mfmesos.pyz holds parts without their licence: {', '.join(without)}")
    return f"mfmesos.pyz: {len(parts)} parts"


def sizes() -> str:
    return ", ".join(f"{file.name} {file.stat().st_size / 1e6:.1f} MB" for file in (
        built(".tar.gz"), *wheels(), built(".pyz")))


def readme() -> str:
    """The README's commands work: the demo, each command's help, its task file, completion for the three shells."""
    text = (ROOT / "README.md").read_text()
    output("make", "demo")
    commands = sorted(set(re.findall(r"`mfmesos (\w+)`", text)))
    for command in commands:
        output(MFMESOS, command, "--help")
    tasks = "".join(line[4:] + "\n" for line in text.splitlines() if line.startswith('    {"command"'))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tasks.jsonl").write_text(tasks)
        (folder / "words").write_text("b\na\nb\n")
        output(MFMESOS, "run", "--dry-run", "tasks.jsonl", cwd=folder)
        output(MFMESOS, "run", "--master", "local", "--no-history", "tasks.jsonl", cwd=folder)
        counts = (folder / "counts").read_text().split()
        if counts != ["1", "a", "2", "b"]:
            raise NotReady(f"the README's task file made {counts} of its words")
        if shutil.which("makeflow"):
            shutil.copytree(ROOT / "examples/workflows/sweep", folder / "sweep")
            output(MFMESOS, "makeflow", "--master", "local", "--no-history", "--", "Makeflow", cwd=folder / "sweep")
    for shell in ("bash", "zsh", "fish"):
        if f"{shell}_source" not in text or not output("env", f"_MFMESOS_COMPLETE={shell}_source", MFMESOS):
            raise NotReady(f"no completion for {shell}")
    return f"{len(commands)} commands"


def compat() -> str:
    """Files of this version (a journal, a history, finished tasks) are kept for the tests of later versions."""
    missing = [name for name in ("journal.sql", "history.sql", "run.sql") if not (COMPAT / VERSION / name).exists()]
    if missing:
        raise NotReady(f"{COMPAT.relative_to(ROOT)}/{VERSION} lacks {', '.join(missing)}; see its README")
    return ""


CHECKS = (
    Check("one version, and a dated section in the changelog", versions),
    Check("the version is not tagged yet", untagged),
    Check("the tree is clean", clean_tree),
    Check("lint", lint),
    Check("tests passed on these files", tests),
    Check("packages work on each Python, the source distribution's tests pass", packages),
    Check("packages hold what they should and nothing else", contents),
    Check("licences of all parts", licenses),
    Check("sizes", sizes),
    Check("the README's commands run", readme),
    Check("files of this version are kept for later versions", compat),
)
BY_HAND = f"""\
[ ] git tag -s v{VERSION} -m 'mfmesos {VERSION}' && git push origin v{VERSION}
[ ] upload dist/*.tar.gz and dist/*.whl to the package index
[ ] make a release of the tag with the changelog's section as its text; attach dist/*, mfmesos.pyz included
[ ] from another machine: install the new version from the index, run the sweep
[ ] setup.cfg, mfmesos/__init__.py, CITATION.cff and CHANGELOG.md: the next version"""


def main() -> int:
    failed = 0
    for check in CHECKS:
        try:
            remark = check.run()
        except NotReady as e:
            failed += 1
            print(f"[ ] {check.title}\n    " + str(e).replace("\n", "\n    "), flush=True)
        else:
            print(f"[x] {check.title}" + (f" ({remark})" if remark else ""), flush=True)
    print(f"\nBy hand, {'once all of the above is done' if failed else 'in this order'}:\n{BY_HAND}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
