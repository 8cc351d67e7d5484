"""Plays the scheduler by the file protocol, at once and on this machine: `fake_scheduler.py SETTINGS.json`.

FAKE_SCHEDULER in the environment: "crash" dies at once, "crash-once" dies the first time, "deaf" ignores
mesos_done and SIGTERM, "die-at-end" is killed before it gives back what it holds in Mesos unless it was started only
for that, "die-at-every-end" even then. It writes its process number to .mfmesos/fake.pid and what it did to
.mfmesos/fake.log.
"""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

RECORD = re.compile(r"(\d+),(.*),([^,]*),([^,]*),(-?\d+),(-?\d+),(-?\d+),submitted")


class Fake:
    def __init__(self, config: dict[str, object]) -> None:
        self.config = config
        self.state_dir = Path(".mfmesos")
        self.running: dict[int, tuple[subprocess.Popen[bytes], re.Match[str]]] = {}
        self.position = 0
        self.half = ""
        self.stop = False
        self.mode = os.environ.get("FAKE_SCHEDULER", "")

    def note(self, text: str) -> None:
        with (self.state_dir / "fake.log").open("a") as f:
            f.write(text + "\n")

    def main(self) -> None:
        (self.state_dir / "fake.pid").write_text(str(os.getpid()))
        if self.mode == "crash" or (self.mode == "crash-once" and not (self.state_dir / "crashed").exists()):
            (self.state_dir / "crashed").touch()
            sys.exit(3)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stop", self.mode != "deaf"))
        while not self.stop and "--end" not in sys.argv and os.getppid() == self.config["parent_pid"]:
            if Path("mesos_done").exists() and self.mode != "deaf":
                break
            if not self.read() and not self.reap():
                time.sleep(0.005)
        for process, _ in self.running.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.note(f"killed {len(self.running)}")
        if self.mode == "die-at-every-end" or (self.mode == "die-at-end" and "--end" not in sys.argv):
            (self.state_dir / "framework_id").write_text("F\n127.0.0.1:1\nmakeflow\n")
            os.kill(os.getpid(), signal.SIGKILL)
        (self.state_dir / "framework_id").unlink(missing_ok=True)
        for name in ("mesos_task_info", "mesos_task_state", "mesos_done"):
            Path(name).unlink(missing_ok=True)

    def read(self) -> bool:
        try:
            with open("mesos_task_info") as f:
                f.seek(self.position)
                data = f.read()
                self.position = f.tell()
        except OSError:
            return False
        *lines, self.half = (self.half + data).split("\n")
        for line in lines:
            match = RECORD.fullmatch(line)
            if match:
                self.running[int(match[1])] = (
                    subprocess.Popen(["/bin/sh", "-c", match[2]], start_new_session=True, stdin=subprocess.DEVNULL),
                    match)
                self.note(f"started {match[1]}")
        return bool(lines)

    def reap(self) -> bool:
        ended = [(n, p.returncode, m) for n, (p, m) in self.running.items() if p.poll() is not None]
        for number, code, match in ended:
            del self.running[number]
            with (self.state_dir / "report.jsonl").open("a") as f:
                f.write(json.dumps({
                    "time": time.time(), "task": number, "command": match[2], "finished": code == 0,
                    "reason": f"exit code {code}" if code else "", "exit_code": code,
                    "outputs": match[4].split()}) + "\n")
            fd = os.open("mesos_task_state", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(fd, f"{number},finished\n".encode() if code == 0 else f"{number},failed,{code}\n".encode())
            os.close(fd)
        return bool(ended)


if __name__ == "__main__":
    Fake(json.loads(Path(sys.argv[1]).read_text())).main()
