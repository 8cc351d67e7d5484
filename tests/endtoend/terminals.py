"""Commands on a real terminal of 80 columns (a pty)."""
from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from pathlib import Path

from flows import MFMESOS
from support import wait_until

CONTROLS = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][0-9A-Za-z]|[=>78])")


class Screen:
    """A command on a pty of 80 columns and 24 lines, and all that it wrote."""

    def __init__(self, folder: Path, *argv: str) -> None:
        self._main, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        self.before = termios.tcgetattr(other)
        self._other = other
        self.process = subprocess.Popen(
            [*MFMESOS, *argv], cwd=folder, stdin=other, stdout=other, stderr=other, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**{name: value for name, value in os.environ.items() if name not in ("LINES", "COLUMNS")},
                 "TERM": "xterm"})
        self.raw = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                self.raw += os.read(self._main, 65536).decode(errors="replace")
            except OSError:
                return

    @property
    def text(self) -> str:
        return CONTROLS.sub(" ", self.raw)

    def wait_for(self, *words: str) -> None:
        """Until a screen has them all; Ctrl-L draws all of it, and not only what has changed."""
        start = len(self.raw)

        def has() -> bool:
            self.press("\f")
            return all(word in CONTROLS.sub(" ", self.raw[start:]) for word in words)
        wait_until(has, 60, f"{words} on the screen")

    def press(self, keys: str) -> None:
        os.write(self._main, keys.encode())

    def restored(self) -> bool:
        """Whether the terminal is as it was: its modes, and its own screen instead of the alternate one."""
        return termios.tcgetattr(self._other) == self.before and self.raw.rfind("\x1b[?1049l") > self.raw.rfind(
            "\x1b[?1049h") > -1

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._other)
        os.close(self._main)
