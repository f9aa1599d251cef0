"""Bjontegaard's comparison of two rate-quality curves, and a curve's value at a rate.

Curves are monotone cubics (PCHIP) of log(rate) over the metric, as in the JVET's common test
conditions; G. Bjontegaard, VCEG-M33, 2001.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = Sequence[float]


def bd_rate(
    rates: Numbers,
    values: Numbers,
    anchor_rates: Numbers,
    anchor_values: Numbers,
    *,
    within: tuple[float, float] | None = None,
) -> float | None:
    """Mean difference of rate at equal value, in percent of the anchor's rate; < 0 is fewer bits.

    Args:
        rates: bits per pixel of a curve, > 0, in any order.
        values: the metric at each rate, in any unit, higher or lower being better.
        anchor_rates: as `rates`, of the curve to compare with.
        anchor_values: as `values`.
        within: count only what lies between these two rates.

    Returns:
        Percent over the range of values that both curves reach; None if there is no such range.

    Example:
        >>> round(bd_rate([0.1, 0.2, 0.4], [25, 28, 31], [0.2, 0.4, 0.8], [25, 28, 31]), 6)
        -50.0
        >>> bd_rate([0.1, 0.2], [20, 21], [0.1, 0.2], [30, 31]) is None
        True
    """
    if min(len(set(rates)), len(set(anchor_rates))) < 2:
        return None
    ours = _reached(rates, values, within)
    theirs = _reached(anchor_rates, anchor_values, within)
    low, high = max(ours[0], theirs[0]), min(ours[1], theirs[1])
    if not high > low:
        return None
    difference = _cubic(values, np.log(rates)).integrate(low, high)
    difference -= _cubic(anchor_values, np.log(anchor_rates)).integrate(low, high)
    return 100 * float(np.expm1(difference / (high - low)))


def shared_part(values: Numbers, anchor_values: Numbers) -> float:
    """How much of the shorter of two curves' ranges of values both reach, 0..1.

    A BD-rate is a mean over what is shared: of a small part it says little about the curves.

    Args:
        values: the metric at the points of a curve, at least one.
        anchor_values: as `values`, of the curve to compare with.

    Example:
        >>> shared_part([25, 28, 31], [30, 32])
        0.5
        >>> shared_part([20, 21], [30, 31])
        0.0
    """
    shorter = min(max(values) - min(values), max(anchor_values) - min(anchor_values))
    shared = min(max(values), max(anchor_values)) - max(min(values), min(anchor_values))
    return max(0.0, shared / shorter) if shorter > 0 else 0.0


def value_at_rate(rates: Numbers, values: Numbers, rate: float) -> float | None:
    """A curve's value at a rate; None outside of the curve.

    Example:
        >>> round(value_at_rate([0.1, 0.2, 0.4], [20, 25, 30], 0.2), 6)
        25.0
    """
    if len(set(rates)) < 2 or not min(rates) <= rate <= max(rates):
        return None
    return float(_cubic(np.log(rates), values)(np.log(rate)))


def _reached(
    rates: Numbers, values: Numbers, within: tuple[float, float] | None
) -> tuple[float, float]:
    """The lowest and the highest value of a curve, between two rates or anywhere."""
    if within is None:
        return min(values), max(values)
    logs = np.log(rates)
    low, high = np.clip(np.log(within), logs.min(), logs.max())
    inside = np.asarray(values)[(logs > low) & (logs < high)]
    reached = [*_cubic(logs, values)([low, high]), *inside]
    return float(min(reached)), float(max(reached))


def _cubic(x: Numbers | NDArray[np.float64], y: Numbers | NDArray[np.float64]) -> Any:
    """The monotone cubic through points in any order; of points with equal x, the first."""
    from scipy.interpolate import PchipInterpolator  # noqa: PLC0415

    at, first = np.unique(np.asarray(x, np.float64), return_index=True)
    return PchipInterpolator(at, np.asarray(y, np.float64)[first])
