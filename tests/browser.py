"""A real Chromium without a window, steered over pipes with its DevTools protocol."""
from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from support import need, wait_until

ANSWER_S = 60.0


def need_chromium() -> str:
    """The path of the browser (see support.need)."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
    need(found, "no Chromium here", "apt-get install chromium")
    return found


class Browser:
    """One page. `errors`: what it complained about."""

    def __init__(self, profile: Path, width: int = 1280, height: int = 900, **more: Any) -> None:
        self.errors: list[str] = []
        ours, theirs = os.pipe(), os.pipe()
        argv = [need_chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={profile}"]

        # The shell moves them to 3 and 4, where Chromium expects them; these numbers may be in use here.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in (theirs[0], ours[1])]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{high[0]} 4>&{high[1]}', "bash", *argv], pass_fds=high,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        for fd in (*high, theirs[0], ours[1]):
            os.close(fd)
        self._out, self._in = theirs[1], os.fdopen(ours[0], "rb")
        self._number = 0
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for name in ("Page.enable", "Runtime.enable", "Log.enable"):
            self._call(name)
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        if more:
            self._call("Emulation.setEmulatedMedia", features=[{"name": k.replace("_", "-"), "value": v}
                                                               for k, v in more.items()])

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression, of the promise's if it is one."""
        found = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str, what: str) -> None:
        wait_until(lambda: bool(self.run(script)), ANSWER_S, what)

    def press(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self._call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)

    def picture(self, path: Path) -> None:
        """Of what the window shows."""
        shot = self._call("Page.captureScreenshot")
        path.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            reply = json.loads(self._line())
            self._look(reply)
            if reply.get("id") == self._number:
                assert "error" not in reply, reply["error"]
                found: dict[str, Any] = reply["result"]
                return found

    def _line(self) -> bytes:
        """Up to the zero byte; the test's own time limit bounds the wait."""
        raw = bytearray()
        while (byte := self._in.read(1)) != b"\0":
            assert byte, "Chromium has ended"
            raw += byte
        return bytes(raw)

    def _look(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"])[:500])
        if message.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(str(params["entry"])[:500])

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._out)
        self._in.close()
