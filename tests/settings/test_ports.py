"""The range of ports for the staging server."""
from __future__ import annotations

import pytest

from mfmesos.settings.config import ConfigError
from mfmesos.settings.ports import port_range, to_try


@pytest.mark.parametrize("text", ["1", "5-", "-5", "7-7", "9-8", "0-9", "1-65536", "a-b", "1-2-3", "\u0661-9"])
def test_what_is_no_range(text: str) -> None:
    """Refused in one line that shows how to write it."""
    with pytest.raises(ConfigError, match="40000-40100"):
        port_range(text)


@pytest.mark.parametrize(("known", "given", "ports", "tried"), [
    (0, 0, "", (0,)), (0, 7, "", (7,)), (9, 0, "", (9, 0)), (9, 7, "", (9, 7)), (7, 7, "", (7,)),
    (0, 7, "100-103", (7,)), (0, 0, "100-103", (101, 102, 100)), (102, 0, "100-103", (102, 101, 100)),
    (9, 0, "100-101", (9, 100)),
], ids=["any", "given", "known, then any", "known, then given", "known is given", "given, not the range", "the range",
        "known in the range", "known, then the range"])
def test_ports_to_try(known: int, given: int, ports: str, tried: tuple[int, ...]) -> None:
    """An earlier scheduler's port first, where executors look for it; of a range not the last, for the archive."""
    assert to_try(known, given, ports, process=1) == tried
