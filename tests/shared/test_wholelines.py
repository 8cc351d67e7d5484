"""Opening a file of lines that a killed writer may have left with half a line."""
from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mfmesos.shared import wholelines

PIECES = (b"\n", b"a", b"\xff", b"x" * (wholelines.BLOCK - 1), b"y" * wholelines.BLOCK)


@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_whole_lines_stay_and_half_a_line_goes(pieces):
    """Whatever its length, also over several blocks; what is written next is a line of its own."""
    before = b"".join(pieces)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines"
        path.write_bytes(before)
        fd = wholelines.open_to_append(path)
        os.write(fd, b"next\n")
        os.close(fd)
        assert path.read_bytes() == before[:before.rfind(b"\n") + 1] + b"next\n"


def test_a_file_that_is_not_there_is_begun(tmp_path):
    """Empty, and readable for all."""
    os.close(wholelines.open_to_append(tmp_path / "lines"))
    assert (tmp_path / "lines").read_bytes() == b""
