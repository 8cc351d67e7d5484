"""python3 gather.py FOLDER TABLE MAP: all points in one CSV table, and as a map to look at."""
import sys
from pathlib import Path

SHADES = " .:-=+*#%@"


def main():
    folder, table, heat = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    lines = sorted(p.read_text().strip() for p in folder.glob("*.csv"))
    table.write_text("beta,gamma,peak,total\n" + "\n".join(lines) + "\n")
    points = {tuple(line.split(",")[:2]): float(line.split(",")[3]) for line in lines}
    betas, gammas = sorted({b for b, _ in points}), sorted({g for _, g in points})
    most = max(points.values())
    rows = ["how many fell ill: rows gamma, columns beta " + " ".join(betas)]
    for gamma in gammas:
        cells = [SHADES[round((len(SHADES) - 1) * points[beta, gamma] / most)] * 4 for beta in betas]
        rows.append(f"{gamma}  " + " ".join(cells))
    heat.write_text("\n".join(rows) + "\n")


main()
