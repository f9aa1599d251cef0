"""The same curves as a static figure, for papers."""

from collections.abc import Sequence
from typing import IO, Any

from codec.errors import CodecError
from codec.report.page import contents
from codec.report.results import Published, Result

ACCENT, INK, SOFT = "#0b6e69", "#1c2530", "#87919b"
GREYS = ("#3f4a56", "#6a7682", "#55616d", "#76818c")
MARKERS, DASHES = "sD^xv+", ("-", "--", "-.", ":")
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


def _has(plane: dict[str, Any] | None, metrics: dict[str, dict[str, Any]]) -> bool:
    return plane is not None and all(m["key"] in plane["values"] for m in metrics.values())


def _over_rate(axis: Any, data: dict[str, Any], found: dict[str, Any]) -> None:
    key, grey = found["key"], 0
    for entry in data["published"]:
        if key in entry["values"] and entry["family"] == "generative":
            points = [(x, y) for x, y in zip(entry["bpp"], entry["values"][key], strict=True) if y]
            axis.plot(
                *zip(*points, strict=True),
                color=SOFT,
                linewidth=0.7,
                linestyle="none" if len(points) < len(entry["bpp"]) else DASHES[grey % 4],
                marker=MARKERS[grey % len(MARKERS)],
                markersize=3,
                markerfacecolor="none",
                label=f"{entry['name']} (published)",
            )
            grey += 1
    grey = 0
    for curve in data["curves"]:
        measured = [p for p in curve["points"] if key in p["values"]]
        looks: dict[str, Any] = {"color": ACCENT, "linewidth": 1.8, "marker": "o", "markersize": 4}
        if curve["accent"]:
            looks["alpha"] = 0.45 + 0.55 * (1.0 if curve["realism"] is None else curve["realism"])
        else:
            looks |= {"color": GREYS[grey % 4], "linestyle": DASHES[grey % 4], "linewidth": 1.2}
            looks["marker"] = MARKERS[grey % len(MARKERS)]
            grey += 1
        if measured:
            values = [p["values"][key] for p in measured]
            axis.plot([p["bpp"] for p in measured], values, label=curve["label"], **looks)
    rates = [p["bpp"] for curve in data["curves"] for p in curve["points"]]
    values = [p["values"][key] for c in data["curves"] for p in c["points"] if key in p["values"]]
    pad = 0.06 * ((max(values) - min(values)) or 1)
    axis.set(xscale="log", xlim=(min(rates) / 1.1, max(rates) * 1.1), xlabel="bits per pixel")
    axis.set(ylim=(min(values) - pad, max(values) + pad))
    axis.set(ylabel=f"{found['axis']}\n({found['better']})")
    ticks = [m * 10.0**e for e in range(-4, 2) for m in (1, 2, 5)]
    axis.set_xticks([t for t in ticks if min(rates) / 1.1 <= t <= max(rates) * 1.1])
    axis.set_xticks([], minor=True)
    axis.xaxis.set_major_formatter("{x:g}")


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
