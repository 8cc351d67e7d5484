"""python3 generate.py GENES QUERIES: 300 made-up genes, and 120 reads, most of them mutated pieces of a gene."""
import random
import sys

BASES = "ACGT"


def mutated(piece, rng):
    return "".join(rng.choice(BASES) if rng.random() < 0.08 else base for base in piece)


def main():
    rng = random.Random("blast")
    genes = ["".join(rng.choices(BASES, k=rng.randint(800, 2000))) for _ in range(300)]
    with open(sys.argv[1], "w") as out:
        out.writelines(f">gene{n:03d}\n{gene}\n" for n, gene in enumerate(genes))
    with open(sys.argv[2], "w") as out:
        for n in range(120):
            gene = rng.choice(genes)
            start = rng.randrange(len(gene) - 400)
            read = mutated(gene[start:start + 400], rng) if n % 10 else "".join(rng.choices(BASES, k=400))
            out.write(f">read{n:03d}\n{read}\n")


main()
