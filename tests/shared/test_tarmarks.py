"""What mfmesos adds to tar streams, and how it reads them."""
from __future__ import annotations

import pytest

from mfmesos.shared.tarmarks import byte_sum


@pytest.mark.parametrize("data", [
    b"", b"\0", b"\xff" * 512, b"\xff" * 300, bytes(512), bytes(range(256)) * 2 + b"rest"])
def test_the_sum_of_bytes(data):
    """As sum() has it, whatever the length and however large the bytes."""
    assert byte_sum(data) == sum(data)
