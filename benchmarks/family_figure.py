"""Draw docs/family.png from benchmarks/results/family.json.

python benchmarks/family_figure.py
"""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

COLOURS = plt.get_cmap("tab20")


def rate(row: dict[str, Any]) -> float | None:
    """What bounds I(X;Z) from above, in nats: A of a Gaussian code, H(Ẑ) of a quantised one."""
    bound: float | None = row.get("R", row.get("A"))
    return bound


def point(axes: Axes, row: dict[str, Any], x: tuple[str, float], y: str, colour: Any) -> None:
    """A dot with its spread over seeds; named if its colour is not enough."""
    key, value = x
    sd = row.get("sd", {})
    axes.errorbar(
        value, row[y], sd.get(y), sd.get(key), "o", color=colour, markersize=5, elinewidth=0.8
    )
    if row["objective"] == "beta-vae":
        name = f"β {row['beta']:g}"
    elif row["sigma"] == 1:
        name = f"{row['objective']}, wide"
    else:
        return  # the colour says which
    axes.annotate(name, (value, row[y]), (4, 3), textcoords="offset points", fontsize=7)


def main() -> None:
    """Rate against error, error against perception, and what comes out of the prior."""
    result = json.loads(Path("benchmarks/results/family.json").read_text())
    rows = result["rows"]
    names = list(dict.fromkeys(row["objective"] for row in rows))
    colour = {name: COLOURS(2 * k % 20 + (2 * k >= 20)) for k, name in enumerate(names)}
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    for row in rows:
        shade, bound = colour[row["objective"]], rate(row)
        if "mse" in row and bound is not None:
            point(left, row, ("R" if "R" in row else "A", bound), "mse", shade)
        if "mse" in row:
            point(middle, row, ("mse", row["mse"]), "frechet reconstructed", shade)
    curve = sorted((row["A"], row["mse"]) for row in rows if row["objective"] == "beta-vae")
    left.plot(*zip(*curve, strict=True), color=colour["beta-vae"], linewidth=0.8)
    left.set_xlabel("bound of I(X;Z): A or H(Ẑ), nats")
    left.set_ylabel("mean squared error")
    middle.set_yscale("log")
    middle.set_xlabel("mean squared error")
    middle.set_ylabel("Fréchet distance of reconstructions")
    made = [row for row in rows[: len(names)] if "frechet generated" in row]
    made.sort(key=lambda row: float(row["frechet generated"]))
    right.barh(
        [row["objective"] for row in made],
        [row["frechet generated"] for row in made],
        xerr=[row.get("sd", {}).get("frechet generated", 0) for row in made],
        color=[colour[row["objective"]] for row in made],
    )
    floor = result["train against test"]["frechet train"]
    right.axvline(floor, color="black", linewidth=0.8, linestyle=":")
    right.set_xlabel("Fréchet distance of samples (dotted: other digits)")
    figure.savefig("docs/family.png", dpi=110)


if __name__ == "__main__":
    main()
