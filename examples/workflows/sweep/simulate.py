"""A stochastic SIR epidemic: python3 simulate.py BETA GAMMA OUTPUT writes one line of CSV. Same input, same output."""
import random
import sys
from pathlib import Path

PEOPLE, START, DAYS, REPEATS = 600, 3, 160, 60


def epidemic(beta, gamma, rng):
    """The most that were ill at once, and how many fell ill in all."""
    susceptible, ill, peak = PEOPLE - START, START, START
    for _day in range(DAYS):
        risk = 1 - (1 - beta / PEOPLE) ** ill
        infected = sum(rng.random() < risk for _ in range(susceptible))
        recovered = sum(rng.random() < gamma for _ in range(ill))
        susceptible -= infected
        ill += infected - recovered
        peak = max(peak, ill)
        if not ill:
            break
    return peak, PEOPLE - susceptible


def main():
    beta, gamma, output = float(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    rng = random.Random(f"{beta} {gamma}")
    runs = [epidemic(beta, gamma, rng) for _ in range(REPEATS)]
    peak = sum(p for p, _ in runs) / REPEATS
    total = sum(t for _, t in runs) / REPEATS
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(f"{beta:.2f},{gamma:.2f},{peak:.1f},{total:.1f}\n")


main()
