"""docs/states.md draws the table that the code goes by."""
from __future__ import annotations

import re
from pathlib import Path

from mfmesos.core.states import CLAIM_MOVES, TASK_MOVES

DOC = Path(__file__).parents[2] / "docs" / "states.md"


def test_the_drawn_states_are_those_of_the_code():
    """Every edge of the two diagrams is a move of the table, and every move is drawn."""
    drawn = [set(re.findall(r"^ +(\w+) --> (\w+)$", part, re.M)) for part in DOC.read_text().split("## A claim")]
    for moves, edges in zip((TASK_MOVES, CLAIM_MOVES), drawn):
        assert edges == {(old.name, new.name) for old, news in moves.items() for new in news}
