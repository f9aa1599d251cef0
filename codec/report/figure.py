"""The same curves as a static figure, for papers."""

from collections.abc import Sequence
from textwrap import fill
from typing import IO, Any

from codec.errors import CodecError
from codec.report.page import contents, image_count, warnings
from codec.report.results import Published, Result

ACCENT, INK, SOFT = "#0b6e69", "#1c2530", "#87919b"
# as on the page: six greys, dark beside light, and as many dashes; the markers' own period tells
# the seventh curve from the first
GREYS = ("#242d36", "#8b949d", "#46525d", "#737d87", "#35404a", "#5d6873")
DASHES = ("-", "--", "-.", ":", (0, (8, 2)), (0, (8, 2, 1, 2)))
MARKERS = "sD^Xv*P"
WORDS = 52  # letters of the title that the width of a chart holds
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": "#e6eaee",
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text
}


def draw(
    results: Sequence[Result],
    published: Sequence[Published],
    file: IO[bytes],
    file_format: str,
) -> None:
    """Write rate-distortion and, as far as measured, rate-perception and distortion-perception.

    The metrics are the first of each kind in the page's order (PSNR and the Fréchet distance of
    256-pixel windows, if they were measured); of the published curves only the generative ones.

    Args:
        results: as for `codec.report.page`.
        published: as for `codec.report.page`.
        file: where to.
        file_format: "png" (200 dots an inch) or "svg".

    Raises:
        CodecError: matplotlib is missing, or the files hold no metric.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise CodecError("a figure needs matplotlib: pip install 'bibcodec[report]'") from error
    data = contents(results, published, None)
    first: dict[str, dict[str, Any]] = {}
    for found in data["metrics"]:
        first.setdefault(found["kind"], found)
    if not first:
        raise CodecError("the files hold no metric that is known: nothing to draw")
    plane = data["plane"] if len(first) == 2 and _has(data["plane"], first) else None
    count = len(first) + bool(plane)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.1 * count, 4.4), layout="constrained")
        axes = figure.subplots(1, count, squeeze=False)[0]
        for axis, found in zip(axes, first.values(), strict=False):
            _over_rate(axis, data, found)
        lines = [*_title(results, data), *warnings(results)]
        text = "\n".join(fill(line, WORDS * count) for line in lines)
        figure.suptitle(text, fontsize=9)
        if plane:
            _plane(axes[-1], plane, first["distortion"], first["perception"])
        handles = {
            label: handle
            for axis in axes
            for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            handles.values(), handles, loc="outside lower center", ncols=1 + count, fontsize=8
        )
        figure.savefig(file, format=file_format, dpi=200)


def _title(results: Sequence[Result], data: dict[str, Any]) -> list[str]:
    """How many images, and what the bars are, as far as there are any."""
    count = image_count(results)
    bars = any(point["ci95"] for curve in data["curves"] for point in curve["points"])
    found = [f"{count} images"] * bool(count) + ["bars: 95 % intervals over the images"] * bars
    return ["; ".join(found)] if found else []


def _has(plane: dict[str, Any] | None, metrics: dict[str, dict[str, Any]]) -> bool:
    return plane is not None and all(m["key"] in plane["values"] for m in metrics.values())


def _over_rate(axis: Any, data: dict[str, Any], found: dict[str, Any]) -> None:
    key, grey = found["key"], 0
    measured = [p for curve in data["curves"] for p in curve["points"] if key in p["values"]]
    rates = [p["bpp"] for curve in data["curves"] for p in curve["points"]]
    values = [value for p in measured for value in (p["values"][key], *p["ci95"].get(key, ()))]
    pad = 0.06 * ((max(values) - min(values)) or 1)
    left, right = min(rates) / 1.1, max(rates) * 1.1
    low, high = min(values) - pad, max(values) + pad
    for number, entry in enumerate(e for e in data["published"] if e["family"] == "generative"):
        pairs = zip(entry["bpp"], entry["values"].get(key, ()), strict=False)
        points = [(x, y) for x, y in pairs if y is not None]
        if any(left <= x <= right and low <= y <= high for x, y in points):
            axis.plot(
                *zip(*points, strict=True),
                color=SOFT,
                linewidth=0.7,
                linestyle="none" if len(points) < len(entry["bpp"]) else _turn(DASHES, number),
                marker=_turn(MARKERS, number),
                markersize=3,
                markerfacecolor="none",
                label=f"{entry['name']} (published)",
            )
    for curve in data["curves"]:
        points = [p for p in curve["points"] if key in p["values"]]
        if curve["accent"]:
            realism = 1.0 if curve["realism"] is None else curve["realism"]
            colour = _lighter(ACCENT, 0.45 + 0.55 * realism)
            looks: dict[str, Any] = {"color": colour, "linewidth": 1.8, "marker": "o"}
            looks |= {"markersize": 5, "fillstyle": "full" if realism in (0, 1) else "bottom"}
            looks |= {"markerfacecolor": colour if realism else "white"}
            looks |= {"markerfacecoloralt": "white"}
        else:
            looks = {"color": _turn(GREYS, grey), "linestyle": _turn(DASHES, grey)}
            looks |= {"linewidth": 1.2, "marker": _turn(MARKERS, grey), "markersize": 4}
            grey += 1
        if points:
            _curve(axis, points, key, looks | {"label": curve["label"]})
    axis.set(xscale="log", xlim=(left, right), xlabel="bits per pixel", ylim=(low, high))
    axis.set(ylabel=f"{found['axis']}\n({found['better']})")
    ticks = [m * 10.0**e for e in range(-4, 2) for m in (1, 2, 5)]
    axis.set_xticks([t for t in ticks if left <= t <= right])
    axis.set_xticks([], minor=True)
    axis.xaxis.set_major_formatter("{x:g}")


def _turn(choices: Sequence[Any], number: int) -> Any:
    return choices[number % len(choices)]


def _lighter(colour: str, strength: float) -> str:
    """The colour on white as if it were so opaque."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - strength * (255 - part)):02x}" for part in parts)


def _curve(axis: Any, points: Sequence[Any], key: str, looks: dict[str, Any]) -> None:
    """The line with its markers, and bars if every point has an interval."""
    x, y = [p["bpp"] for p in points], [p["values"][key] for p in points]
    axis.plot(x, y, **looks)
    if all(key in p["ci95"] for p in points):
        low = [max(0.0, v - p["ci95"][key][0]) for v, p in zip(y, points, strict=True)]
        high = [max(0.0, p["ci95"][key][1] - v) for v, p in zip(y, points, strict=True)]
        bars = {"ecolor": looks["color"], "alpha": 0.5, "elinewidth": 0.6, "capsize": 1.5}
        axis.errorbar(x, y, [low, high], fmt="none", **bars)


def _plane(
    axis: Any, plane: dict[str, Any], distortion: dict[str, Any], perception: dict[str, Any]
) -> None:
    rows = zip(
        plane["values"][distortion["key"]],
        plane["values"][perception["key"]],
        plane["theory"],
        plane["bpp"],
        strict=True,
    )
    for d, p, theory, bpp in rows:
        if theory and distortion["key"] == "psnr-rgb":
            label = r"$D_\mathrm{mean}+\alpha^2\,E\|r\|^2$"
            axis.plot(theory, p, color=INK, linewidth=0.9, linestyle=":", label=label)
        axis.plot(d, p, color=ACCENT, linewidth=1.4, marker="o", markersize=3)
        axis.annotate(f"{bpp[0]:.3f}", (d[0], p[0]), (4, 2), textcoords="offset points", color=INK)
    axis.set(xlabel=f"{distortion['axis']} ({distortion['better']})")
    axis.set(ylabel=f"{perception['axis']}\n({perception['better']})")
    axis.margins(x=0.12)
    axis.set_title(
        f"{plane['codec']}, realism {plane['realisms'][0]:g} to {plane['realisms'][-1]:g}, "
        "by bits per pixel",
        fontsize=9,
    )
