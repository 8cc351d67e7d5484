"""The steps of the image pipeline: files of raw RGB pixels, of which a step reads what it needs.

    imaging.py scene SEED SIDE OUT                 an image of SIDE x SIDE
    imaging.py overview IN SIDE OUT                the same image with another number of pixels
    imaging.py tile IN NUMBER OUT                  a small square of an image, sharpened
    imaging.py compare IN TILE... OUT              how tiles differ from the same place of an overview
"""
import math
import sys

import numpy as np

TILE = 256


def image(path: str) -> np.ndarray:
    pixels = np.memmap(path, np.uint8, "r")
    side = math.isqrt(pixels.size // 3)
    return pixels.reshape(side, side, 3)


def scene(seed: str, side: str, out: str) -> None:
    n = int(side)
    row = np.sin(np.arange(n, dtype=np.float32) / 37 + int(seed))
    noise = np.random.default_rng(int(seed)).integers(0, 64, (n, 3), np.uint8)
    with open(out, "wb") as f:
        for y in range(n):
            f.write((np.roll(noise, y, 0) + (96 + 90 * row * row[y]).astype(np.uint8)[:, None]).tobytes())


def overview(source: str, side: str, out: str) -> None:
    whole = image(source)
    chosen = np.linspace(0, whole.shape[0] - 1, int(side)).astype(int)
    with open(out, "wb") as f:
        for y in chosen:
            f.write(whole[y][chosen].tobytes())


def corner(whole: np.ndarray, number: int) -> tuple[int, int, int]:
    size = min(TILE, whole.shape[0])
    places = np.random.default_rng(number).integers(0, whole.shape[0] - size + 1, 2)
    return int(places[0]), int(places[1]), size


def tile(source: str, number: str, out: str) -> None:
    whole = image(source)
    y, x, size = corner(whole, int(number))
    part = np.fft.fft2(whole[y:y + size, x:x + size].astype(np.float32), axes=(0, 1))
    frequency = np.fft.fftfreq(size)
    part *= (1 + 2 * np.hypot(frequency[:, None], frequency[None, :]))[:, :, None]
    np.clip(np.fft.ifft2(part, axes=(0, 1)).real, 0, 255).astype(np.uint8).tofile(out)


def compare(source: str, *files: str) -> None:
    whole, out = image(source), files[-1]
    with open(out, "w") as f:
        for number, name in enumerate(files[:-1]):
            found = image(name)
            y, x, size = corner(whole, number)
            size = min(size, found.shape[0])
            other = whole[y:y + size, x:x + size].astype(np.float32)
            f.write(f"{name} {np.abs(found[:size, :size] - other).mean():.3f}\n")


{"scene": scene, "overview": overview, "tile": tile, "compare": compare}[sys.argv[1]](*sys.argv[2:])
