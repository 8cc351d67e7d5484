"""python3 generate.py OUTPUT: a text of 40,000 lines, made up but with words as unevenly common as real ones."""
import random
import sys

SYLLABLES = ["ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "an", "er", "is", "on", "ur"]


def main():
    rng = random.Random("wordcount")
    words = ["".join(rng.choice(SYLLABLES) for _ in range(rng.randint(1, 3))) for _ in range(2000)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    with open(sys.argv[1], "w") as text:
        for _ in range(40_000):
            line = rng.choices(words, weights, k=rng.randint(5, 12))
            text.write(" ".join(line).capitalize() + rng.choice(".,;!?") + "\n")


main()
