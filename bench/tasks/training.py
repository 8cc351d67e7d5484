"""Trains a small model by gradient descent on data that fill the given memory: training.py MB OUT."""
import sys

import numpy as np

COLUMNS, PASSES = 64, 1

megabytes, out = int(sys.argv[1]), sys.argv[2]
rng = np.random.default_rng(megabytes)
rows = max(1000, megabytes * 2**20 // (4 * COLUMNS))
data = np.empty((rows, COLUMNS), np.float32)
block = rng.standard_normal((min(rows, 10_000), COLUMNS), np.float32)
for start in range(0, rows, len(block)):
    data[start:start + len(block)] = block[:rows - start]
truth = rng.standard_normal(COLUMNS, np.float32)
weights = np.zeros(COLUMNS, np.float32)
for _ in range(PASSES):
    for start in range(0, rows, 100_000):
        part = data[start:start + 100_000]
        weights -= 0.5 * part.T @ (part @ weights - part @ truth) / len(part)
with open(out, "w") as f:
    f.write(f"{megabytes} MB, error {np.abs(weights - truth).mean():.4f}\n")
