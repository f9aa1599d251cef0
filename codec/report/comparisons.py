"""Rates of codecs at equal quality, each against each (Bjontegaard's rate difference)."""

from __future__ import annotations

from typing import Any

from codec.report.bjontegaard import bd_rate, shared_part
from codec.report.metrics import Metric

Columns = tuple[list[float], list[float]]  # rates and values of a curve


def bd_rates(curves: list[dict[str, Any]], found: Metric) -> dict[str, dict[str, Any]]:
    """Comparisons by anchor and curve; see `compared`."""
    sides = {curve["id"]: _columns(curve, found.key) for curve in curves}
    return {
        anchor: {
            name: compared(side, theirs, found.higher_is_better)
            for name, side in sides.items()
            if name != anchor
        }
        for anchor, theirs in sides.items()
    }


def _columns(curve: dict[str, Any], key: str) -> Columns:
    """The rates of a curve's points that have a metric, and its values there."""
    points = [p for p in curve["points"] if key in p["values"]]
    return [p["bpp"] for p in points], [p["values"][key] for p in points]


def compared(ours: Columns, theirs: Columns, higher_is_better: bool) -> dict[str, Any]:
    """BD-rate in "percent" and the part of the range that it is of; or why there is none, in words.

    A curve is better everywhere if its every value is better, and not only because all its rates
    are higher.
    """
    counts = [len(set(rates)) for rates, _ in (ours, theirs)]
    if min(counts) < 2:
        return {"percent": None, "shared": 0.0, "why": "one point" if min(counts) else "no data"}
    percent = bd_rate(*ours, *theirs)
    if percent is not None:
        return {"percent": percent, "shared": shared_part(ours[1], theirs[1]), "why": ""}
    above, below = (theirs, ours) if min(theirs[1]) > max(ours[1]) else (ours, theirs)
    better, worse = (above, below) if higher_is_better else (below, above)
    why = "nothing shared"
    if min(above[1]) > max(below[1]) and min(better[0]) <= max(worse[0]):
        why = "better everywhere" if better is ours else "worse everywhere"
    return {"percent": None, "shared": 0.0, "why": why}
