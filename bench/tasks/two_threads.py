"""What one would write by hand: runs each line of a file as a shell command, by subprocess with two threads."""
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

with ThreadPoolExecutor(2) as pool:
    codes = list(pool.map(lambda line: subprocess.call(line, shell=True), Path(sys.argv[1]).read_text().splitlines()))
sys.exit(any(codes))
