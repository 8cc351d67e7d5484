"""Plots of experiments for docs/: small SVG files, the same from the same figures, readable on a phone."""
from __future__ import annotations

from typing import Any

WIDE, HIGH = 5.6, 2.6
"""Inches: of the whole, and of one row. The text can be read on a screen of 390 pixels."""


def axes(rows: int, columns: int, high: float = HIGH) -> list[Any]:
    """Of one figure, row by row, with axes in common."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams.update({"svg.hashsalt": "mfmesos", "svg.fonttype": "none", "font.size": 9, "legend.fontsize": 8,
                     "legend.framealpha": 0.7})
    figure = Figure(figsize=(WIDE, high * rows), layout="constrained")
    return list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)


def save(one: Any, path: str) -> None:
    """The figure of those axes, with a legend for all lines below."""
    figure = one.get_figure()
    figure.legend(*one.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.savefig(path, metadata={"Date": None})
