"""A straight line through faded (x, y) pairs, kept by its sums: constant time and memory per pair."""
from __future__ import annotations

import math

from mfmesos.shared.values import value


@value(frozen=True)
class Fit:
    """A line at one x: the value, and the standard deviation of a new y there."""

    value: float
    deviation: float


class Line:
    """Weighted least squares, y = mean_y + slope (x - mean_x): a pair that came i pairs ago weighs fade ** i.

        slope = cov(x, y) / var(x)
        deviation of a new y at x = residual sqrt(1 + 1 / w + (x - mean_x)^2 / (w var(x))),    w the sum of weights

    the deviation being that of the usual prediction interval. The sums are taken about the first pair, so that large
    values of small spread lose no precision.
    """

    __slots__ = ("_fade", "_n", "_origin", "_sums")

    def __init__(self, fade: float) -> None:
        self._fade = fade
        self._n = 0
        self._origin = (0.0, 0.0)
        self._sums = [0.0] * 6

    def add(self, x: float, y: float) -> None:
        if not self._n:
            self._origin = (x, y)
        self._n += 1
        u, v, fade, s = x - self._origin[0], y - self._origin[1], self._fade, self._sums
        self._sums = [s[0] * fade + 1.0, s[1] * fade + u, s[2] * fade + v,
                      s[3] * fade + u * u, s[4] * fade + u * v, s[5] * fade + v * v]

    def spread(self) -> float:
        """Standard deviation of y without any x."""
        w, _, sv, _, _, svv = self._sums
        return math.sqrt(max(svv / w - (sv / w) ** 2, 0.0) * w / (w - 1.0)) if w > 1.5 else 0.0

    def at(self, x: float, least_r2: float) -> Fit | None:
        """The line at `x`; None with fewer than three pairs, one x only, a falling line or less correlation."""
        w, su, sv, suu, suv, svv = self._sums
        if self._n < 3 or w < 2.5:
            return None
        mean_u, mean_v = su / w, sv / w
        var_u, var_v, cov = suu / w - mean_u ** 2, svv / w - mean_v ** 2, suv / w - mean_u * mean_v
        scale = max(abs(mean_u), abs(self._origin[0]), 1e-12)
        if var_u <= 1e-9 * scale ** 2 or var_v <= 0 or cov <= 0 or cov * cov < least_r2 * var_u * var_v:
            return None
        slope, off = cov / var_u, x - self._origin[0] - mean_u
        residual = max(var_v - slope * cov, 0.0) * w / max(w - 2.0, 1.0)
        leverage = 1.0 + 1.0 / w + off * off / var_u / w
        return Fit(self._origin[1] + mean_v + slope * off, math.sqrt(residual * leverage))
