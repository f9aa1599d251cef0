"""BD-rate against values of another implementation, and on curves whose answer is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from codec.report.bjontegaard import bd_rate, shared_part, value_at_rate

PUBLISHED = json.loads((Path(__file__).parents[2] / "benchmarks" / "published.json").read_text())
KODAK = {e["name"]: e["results"] for e in PUBLISHED["published"] if e["dataset"] == "kodak"}

# bjontegaard 1.3.0 from PyPI, method="pchip", on the same points
REFERENCE = [
    ("VTM", "BPG 4:4:4", -22.215175219233284),
    ("mbt2018-mean", "BPG 4:4:4", -2.8480897470404165),
    ("cheng2020-anchor", "VTM", 3.6795738968312452),
    ("bmshj2018-hyperprior", "mbt2018-mean", 7.334340729843003),
]


@pytest.mark.parametrize(("codec", "anchor", "percent"), REFERENCE)
def test_agrees_with_another_implementation(codec, anchor, percent):
    ours, theirs = (KODAK[name] for name in (codec, anchor))
    found = bd_rate(ours["bpp"], ours["psnr-rgb"], theirs["bpp"], theirs["psnr-rgb"])
    assert found == pytest.approx(percent, abs=1e-9)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25])
def test_a_scaled_curve_differs_by_its_factor(factor):
    rates = np.array([0.05, 0.1, 0.2, 0.4])
    lower_is_better = [90.0, 60.0, 41.0, 30.0]
    found = bd_rate(factor * rates, lower_is_better, rates, lower_is_better)
    assert found == pytest.approx(100 * (factor - 1))
    within = bd_rate(factor * rates, lower_is_better, rates, lower_is_better, within=(0.09, 0.3))
    assert within == pytest.approx(100 * (factor - 1))


def test_within_counts_only_these_rates():
    rates, values = [0.1, 0.2, 0.4, 0.8], [20.0, 25.0, 30.0, 35.0]
    better_high_up = [0.1, 0.2, 0.3, 0.4]
    whole = bd_rate(better_high_up, values, rates, values)
    low = bd_rate(better_high_up, values, rates, values, within=(0.1, 0.2))
    assert abs(low) < 3  # the cubic's slope at the end knows the next point
    assert whole < -10
    assert bd_rate(rates, values, rates, values, within=(2.0, 3.0)) is None


def test_the_order_of_the_points_does_not_matter():
    points = [(0.4, 30.0), (0.1, 20.0), (0.2, 26.0)]
    anchor = ([0.1, 0.3, 0.5], [21.0, 27.0, 30.0])
    found = bd_rate(*zip(*points, strict=True), *anchor)
    assert found == bd_rate(*zip(*sorted(points), strict=True), *anchor)


def test_a_point_is_not_a_curve():
    assert bd_rate([0.1], [20.0], [0.1, 0.2], [19.0, 21.0]) is None
    assert bd_rate([0.1], [20.0], [0.1, 0.2], [19.0, 21.0], within=(0.05, 1)) is None
    assert bd_rate([0.1, 0.2], [20.0, 20.0], [0.1, 0.2], [19.0, 21.0]) is None
    assert value_at_rate([0.1], [20.0], 0.1) is None


def test_the_shared_part_is_of_the_shorter_range():
    assert shared_part([20.0, 30.0], [29.0, 33.0]) == pytest.approx(0.25)
    assert shared_part([20.0, 30.0], [22.0, 24.0]) == 1
    assert shared_part([20.0, 21.0], [22.0, 24.0]) == 0
    assert shared_part([20.0, 20.0], [19.0, 21.0]) == 0


def test_a_value_is_never_extrapolated():
    assert value_at_rate([0.1, 0.4], [20, 30], 0.05) is None
    assert value_at_rate([0.4, 0.1], [30, 20], 0.4) == pytest.approx(30)
