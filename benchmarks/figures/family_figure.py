"""Draws docs/pictures/family.png: the paper's family on digits and photographs."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from benchmarks import schema
from benchmarks.harness import Benchmark, Nothing, Run
from codec.lagrangian import OBJECTIVES

COLOURS = plt.get_cmap("tab20")


def rate(row: dict[str, Any]) -> float | None:
    """What bounds I(X;Z) from above, in nats: A of a Gaussian code, H(Ẑ) of a quantized one."""
    bound: float | None = row.get("R", row.get("A"))
    return bound


def point(
    axes: Axes, row: dict[str, Any], x: tuple[str, float], y: str, colour: Any, *, wide: bool
) -> None:
    """A dot with its spread over seeds; named if its colour is not enough."""
    key, value = x
    sd = row.get("sd", {})
    axes.errorbar(
        value, row[y], sd.get(y), sd.get(key), "o", color=colour, markersize=5, elinewidth=0.8
    )
    if row["objective"] == "beta-vae":
        name = f"β {row['beta']:g}"
    elif wide:
        name = f"{row['objective']}, wide"
    else:
        return  # the colour says which
    axes.annotate(name, (value, row[y]), (4, 3), textcoords="offset points", fontsize=7)


def panels(axes: Sequence[Axes], part: dict[str, Any], colour: dict[str, Any]) -> None:
    """Rate against error, error against perception, and samples of the prior, of one set."""
    rows, (left, middle, right) = part["rows"], axes
    sigma = part["config"]["sigma"]
    for row in rows:
        shade, bound = colour[row["objective"]], rate(row)
        wide = row["sigma"] != sigma
        if "mse" in row and bound is not None:
            point(left, row, ("R" if "R" in row else "A", bound), "mse", shade, wide=wide)
        if "mse" in row:
            measured = ("mse", row["mse"])
            point(middle, row, measured, "frechet reconstructed", shade, wide=wide)
    curve = sorted((row["A"], row["mse"]) for row in rows if row["objective"] == "beta-vae")
    left.plot(*zip(*curve, strict=True), color=colour["beta-vae"], linewidth=0.8)
    left.set_xlabel("bound of I(X;Z): A or H(Ẑ), nats")
    left.set_ylabel("mean squared error")
    middle.set_yscale("log")
    middle.set_xlabel("mean squared error")
    middle.set_ylabel("Fréchet distance of reconstructions")
    declared = list({row["objective"]: row for row in reversed(rows)}.values())
    made = [row for row in declared if "frechet generated" in row]
    made.sort(key=lambda row: float(row["frechet generated"]))
    right.barh(
        [row["objective"] for row in made],
        [row["frechet generated"] for row in made],
        xerr=[row.get("sd", {}).get("frechet generated", 0) for row in made],
        color=[colour[row["objective"]] for row in made],
    )
    floor = part["train against test"]["frechet train"]
    right.axvline(floor, color="black", linewidth=0.8, linestyle=":")
    right.set_xlabel("Fréchet distance of samples (dotted: others)")


def measure(run: Run, inputs: Nothing, settings: Nothing) -> None:
    """A row of panels for each set of images."""
    parts = {name: schema.read(f"family_{name}") for name in ("digits", "photographs")}
    colour = {name: COLOURS(2 * k % 20 + (2 * k >= 20)) for k, name in enumerate(OBJECTIVES)}
    figure, grid = plt.subplots(
        len(parts), 3, figsize=(13, 4.2 * len(parts)), layout="constrained", squeeze=False
    )
    for axes, (name, part) in zip(grid, parts.items(), strict=True):
        panels(axes, part, colour)
        axes[0].set_title(name, loc="left")
    figure.savefig(schema.ROOT / "docs" / "pictures" / "family.png", dpi=110)


BENCHMARK = Benchmark(Nothing, Nothing, measure, result=None)
