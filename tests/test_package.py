"""The contents of the package: setup.cfg names every folder with modules, and the version is the same everywhere."""
from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

import mfmesos

ROOT = Path(__file__).resolve().parent.parent
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")


def test_every_folder_with_modules_is_packaged():
    """A folder that setup.cfg does not name works in a clone and is missing from every package."""
    found = set()
    for line in SETUP["options"]["package_dir"].strip().splitlines():
        package, _, folder = line.partition(" = ")
        for module in (ROOT / folder).rglob("*.py"):
            inside = module.relative_to(ROOT / folder).parent.parts
            if not (inside[:1] == ("bundled",) and len(inside) > 1):  # copied there when a package is built
                found.add(".".join((package, *inside)))
    assert set(SETUP["options"]["packages"].split()) == found


@pytest.mark.parametrize(("file", "pattern"), [
    ("CITATION.cff", r"^version: (.+)$"),
    ("CHANGELOG.md", r"^## (\S+) "),
])
def test_one_version(file, pattern):
    """setup.cfg's version is the package's, the citation's and the newest in the changelog."""
    version = SETUP["metadata"]["version"]
    assert mfmesos.__version__ == version
    assert re.findall(pattern, (ROOT / file).read_text(), re.MULTILINE)[0] == version
