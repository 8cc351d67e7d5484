"""Lines for the user."""
from __future__ import annotations

from mfmesos.shared.terminal import say


def test_a_line_is_one_line_that_any_terminal_can_show(capsys):
    """Names of files with newlines and control characters are escaped; letters of any language are not."""
    say("größe ☃: a\n\x1b[31mb\tc")
    assert capsys.readouterr().err == "mfmesos: größe ☃: a\\n\\x1b[31mb\\tc\n"
