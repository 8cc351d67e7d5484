"""The files of other projects that pages carry."""
from __future__ import annotations

import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).parents[2] / "mfmesos" / "vendor"


def test_they_are_those_of_the_release():
    """Each has the hash that README.md names, and README.md names each."""
    rows = dict(re.findall(r"^\| `(\S+)` \|.*\| (\w{64}) \|$", (VENDOR / "README.md").read_text(), re.MULTILINE))
    found = {str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
             for path in VENDOR.rglob("*") if path.is_file() and path.name not in ("README.md", "LICENSE")}
    assert rows == found
    assert all((VENDOR / name).with_name("LICENSE").exists() for name in rows)
