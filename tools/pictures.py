"""Makes the pictures of docs/pictures anew: real runs on the embedded cluster, seen in terminals of 80 columns and in
headless Chromium.

    tools/pictures.py [FOLDER]        (default: docs/pictures)
"""
from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from browser import Browser  # noqa: E402  needs the path above
from rich.console import Console  # noqa: E402
from rich.text import Text  # noqa: E402
from support import wait_until  # noqa: E402

from mfmesos.control.control_client import ControlClient  # noqa: E402
from mfmesos.views import top_view  # noqa: E402

MFMESOS = [sys.executable, "-m", "mfmesos"]
COLUMNS, LINES = 80, 24
DESK, PHONE = (1280, 860), (390, 844)
UNUSED = {("phone", "agents"), ("desk", "categories")}
SAMPLES = 48
FIRST_WAITING = 40


def tasks() -> list[dict[str, object]]:
    """A workflow of three steps, in which one task fails for good and one needs more memory than it requests."""
    found: list[dict[str, object]] = [{
        "command": "sleep 1; echo 24 chromosomes > index", "outputs": ["index"], "category": "index", "cores": 1,
        "memory": 200}]
    for n in range(1, SAMPLES + 1):
        mb = 120 if n == 12 else 12 + 4 * (n % 5)
        work = f"python3 -c \"import time; x = b'x' * ({mb} << 20); time.sleep({1.5 + n % 4})\""
        if n == 7:
            work = "echo 'sample07: 3 reads have no quality' >&2; exit 3"
        found.append({
            "command": f"{work}; cat index sample{n:02} > aligned{n:02}", "inputs": ["index", f"sample{n:02}"],
            "outputs": [f"aligned{n:02}"], "category": "align", "cores": 1,
            "memory": 60})
    for n in range(9, SAMPLES + 1, 8):
        names = [f"aligned{k:02}" for k in range(n, min(n + 8, SAMPLES + 1))]
        found.append({"command": f"sleep 2; cat {' '.join(names)} > merged{n:02}", "inputs": names,
                      "outputs": [f"merged{n:02}"], "category": "merge", "cores": 2, "memory": 300})
    return found


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a moment; a browser that is ending may still write to it."""
    made = Path(tempfile.mkdtemp())
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def shown(folder: Path, command: str) -> str:
    """A prompt, and what the command prints."""
    done = subprocess.run([*MFMESOS, *command.split()], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60)
    return f"$ mfmesos {command}\n{done.stdout}"


def terminal(path: Path, text: str, folder: Path) -> None:
    """The text as a picture of a terminal; nothing of this machine, and no font from elsewhere."""
    plain = re.sub(r"/\S*?" + re.escape(folder.name), f"/data/{folder.name}", text)
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi(plain.rstrip()), soft_wrap=False)
    svg = console.export_svg(title="mfmesos")
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code, ", ""))


def screen_of_top(folder: Path) -> str:
    """The screen of `mfmesos top`, after w."""
    with ControlClient(folder / ".mfmesos") as client:
        status, found = client.ask("status"), client.ask("waiting")
    view, now = top_view.View(top_view.WAITING), time.time()
    return "\n".join(top_view.screen(view, status, top_view.rows_of(view, found, now), now, COLUMNS, LINES))


def page(out: Path, link: str) -> None:
    """The page on a desk and on a phone."""
    for name, (width, height) in (("desk", DESK), ("phone", PHONE)):
        with scratch() as profile, Browser(profile, width, height) as browser:
            for part, ready in (("overview", "#plot canvas"), ("agents", "#holders canvas"),
                                ("categories", "#groups tbody tr"), ("tasks", "#table tbody tr")):
                if (name, part) in UNUSED:
                    continue
                browser.open(f"{link}#{part}")
                browser.wait(f"document.querySelector('{ready}') !== null", part)
                if part == "tasks":
                    browser.run("w = document.getElementById('which'), w.value = 'live', w.onchange()")
                    browser.wait("document.querySelector('#table .dim') && !document.querySelector('#table .good')",
                                 "why tasks wait")
                browser.picture(out / f"page-{part}-{name}.png")


def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "pictures"
    out.mkdir(parents=True, exist_ok=True)
    with scratch() as top:
        os.environ["XDG_DATA_HOME"] = os.environ["XDG_CACHE_HOME"] = os.environ["XDG_CONFIG_HOME"] = f"{top}/own"
        folder = top / "genomes"
        folder.mkdir()
        for n in range(1, SAMPLES + 1):
            (folder / f"sample{n:02}").write_text("reads\n" * 1000)
        (folder / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks()))
        run = subprocess.Popen(
            [*MFMESOS, "run", "--master", "local", "--web", "--retries", "1", "-k", "--plain", "tasks.jsonl"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            wait_until(lambda: "exit code 3" in shown(folder, "status"), 200, "a failed task")
            time.sleep(6.0)  # so that there is something to see over time
            terminal(out / "status.svg", shown(folder, "status"), folder)
            terminal(out / "why-waiting.svg", shown(folder, f"why {FIRST_WAITING}"), folder)
            terminal(out / "top.svg", screen_of_top(folder), folder)
            link = json.loads((folder / ".mfmesos/web.json").read_text())["link"]
            page(out, link)
            said, _ = run.communicate(timeout=300)
        finally:
            run.kill()
        lines = [line for line in said.splitlines() if "the page" not in line]
        terminal(out / "run.svg", "\n".join(["$ mfmesos run --retries 1 -k tasks.jsonl", *lines]), folder)
        terminal(out / "why-failed.svg", shown(folder, "why 8"), folder)
        subprocess.run([*MFMESOS, "report", "-o", "report.html"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with scratch() as profile, Browser(profile, 1280, 1500) as browser:
            browser.open((folder / "report.html").as_uri())
            browser.wait("document.body && document.body.dataset.ready === 'yes'", "the report")
            browser.picture(out / "report-desk.png")


if __name__ == "__main__":
    main()
