"""The page: one HTML file that carries its data, its pictures and the code that draws them."""

import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from codec.errors import CodecError
from codec.report.comparisons import bd_rates
from codec.report.metrics import Metric, metric
from codec.report.pictures import Gallery
from codec.report.results import Point, Published, Result
from codec.report.theory import predicted_psnr, psnr_by_realism

VIEWER = "bibcodec/index.html"
VIEWER_LINK = '<p><a href="{}">Open .bibc files, and encode photos, in the browser</a></p>'


def page(
    results: Sequence[Result],
    published: Sequence[Published] = (),
    gallery: Gallery | None = None,
    anchor: str | None = None,
    viewer: str | None = None,
) -> str:
    """The whole page as text.

    Args:
        results: at least one; codecs of the same name are told apart by a number.
        published: curves of others; drawn only where all results are of their set of images, and
            where a result has the same metric.
        gallery: pictures for the panel and for hovering.
        anchor: name of the codec that BD-rates are relative to at first; the first other codec if
            not given.
        viewer: address of the page that opens .bibc files (see `viewer_beside`), to link to.

    Raises:
        CodecError: plotly is missing, or no codec has the anchor's name.
    """
    try:
        from plotly.offline import get_plotlyjs  # noqa: PLC0415
    except ImportError as error:
        raise CodecError("the report needs plotly: pip install 'bibcodec[report]'") from error
    data = contents(results, published, anchor) | {"gallery": gallery and gallery.as_json()}
    names = ", ".join(dict.fromkeys(curve["codec"] for curve in data["curves"]))
    text = json.dumps(data, allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")
    parts = {
        "TITLE": f"Rate, distortion, perception: {escape(names)}",
        "LEAD": escape(_lead(results, names)),
        "WARNINGS": "".join(f'<p class="warning">{escape(w)}</p>' for w in warnings(results)),
        "VIEWER": VIEWER_LINK.format(escape(viewer)) if viewer else "",
        "PICTURES": escape(gallery.note) if gallery else "",
        "PROVENANCE": _provenance(results, data["published"]),
        "CSS": _asset("page.css"),
        "DATA": text,
        "PLOTLY": get_plotlyjs().replace("</script", "<\\/script"),
        "JS": _asset("charts.js") + _asset("pictures.js").removeprefix('"use strict";\n'),
    }
    template = _asset("page.html").split("%")
    return "".join(parts.get(piece, piece) if i % 2 else piece for i, piece in enumerate(template))


def viewer_beside(report: str) -> str | None:
    """The address, seen from a report, of the page of `web/` if it lies in the report's folder.

    Args:
        report: path of the report. The page is what `npm run build` writes, copied as `bibcodec/`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "bibcodec").mkdir()
        ...     _ = Path(folder, "bibcodec", "index.html").write_text("")
        ...     viewer_beside(f"{folder}/report.html"), viewer_beside(f"{folder}/bibcodec/a.html")
        ('bibcodec/index.html', None)
    """
    return VIEWER if (Path(report).parent / VIEWER).is_file() else None


def contents(
    results: Sequence[Result], published: Sequence[Published], anchor: str | None
) -> dict[str, Any]:
    """What the page's code reads: metrics, curves, the plane of realism, BD-rates."""
    named = _named(results)
    ours = _accented(named)
    keys = {key for result in results for point in result.points for key in point.values}
    same = _on_their_images(results, published)
    shown = _ordered([found for key in keys if (found := metric(key))])
    curves = [
        _curve(name, realism, points, accent=name == ours) | {"images": len(result.images)}
        for name, result in named.items()
        for realism, points in result.curves.items()
    ]
    plane = _plane(ours, named[ours])
    chosen = _anchor(curves, anchor)
    compared = [] if _mixed(results) else shown
    return {
        "metrics": [
            vars(m) | {"axis": m.axis, "better": m.better, "short": m.short} for m in shown
        ],
        "curves": curves,
        "published": [vars(p) for p in same if keys & set(p.values)],
        "elsewhere": len(published) - len(same),
        "plane": plane,
        "bd": {found.key: bd_rates(curves, found) for found in compared},
        "anchor": chosen,
        "absent": _absent(shown, plane) + ["bd-rate"] * (len(curves) < 2 or not compared),
    }


def warnings(results: Sequence[Result]) -> list[str]:
    """What a reader has to know before comparing the curves."""
    found = [
        f"{name}: every realism gives the same values: its model synthesizes no detail."
        for name, result in _named(results).items()
        if (plane := _plane(name, result))
        and all(len(set(row)) == 1 for grid in plane["values"].values() for row in grid)
    ]
    if _mixed(results):
        found.append(
            "These files were measured on different images: their curves cannot be compared, "
            "and there are no BD-rates."
        )
    elif len(results) > 1 and any(result.images_sha256 is None for result in results):
        found.append("Some files do not say which images they were measured on.")
    return found


def _mixed(results: Sequence[Result]) -> bool:
    """Whether results are known to be of different images."""
    return len({result.images_sha256 for result in results} - {None}) > 1


def image_count(results: Sequence[Result]) -> int | None:
    """How many images all results are of; None if they do not say or differ."""
    counts = {len(result.images) for result in results}
    return (counts.pop() or None) if len(counts) == 1 else None


def _named(results: Sequence[Result]) -> dict[str, Result]:
    named: dict[str, Result] = {}
    for result in results:
        name, number = result.name, 2
        while name in named:
            name, number = f"{result.name} ({number})", number + 1
        named[name] = result
    return named


def _accented(named: dict[str, Result]) -> str:
    """The codec in the accent colour: the first with a choice of realism, or the first."""
    return next((n for n, r in named.items() if None not in r.curves), next(iter(named)))


def _ordered(metrics: list[Metric]) -> list[Metric]:
    fixed = ["psnr-rgb", "ms-ssim-rgb", "ssimulacra2", "flip", "gmsd", "lpips", "dists"]
    fixed += ["frechet-256", "frechet-128", "kid-256", "kid-128", "fid"]
    return sorted(metrics, key=lambda m: (fixed.index(m.key) if m.key in fixed else 99, m.key))


def _curve(name: str, realism: float | None, points: list[Point], accent: bool) -> dict[str, Any]:
    label = name if realism is None else f"{name}, realism {realism:g}"
    return {
        "id": label,
        "codec": name,
        "label": label,
        "realism": realism,
        "accent": accent,
        "points": [vars(point) for point in points],
    }


def _plane(name: str, result: Result) -> dict[str, Any] | None:
    """Rates by realisms, of a codec that was measured at two realisms or more."""
    by_choice = {(p.setting, p.realism): p for p in result.points}
    realisms = sorted({p.realism for p in result.points if p.realism is not None})
    every = [p for p in result.points if p.realism == realisms[0]] if len(realisms) > 1 else []
    rows = [
        [by_choice[p.setting, r] for r in realisms]
        for p in sorted(every, key=lambda p: p.bpp)
        if all((p.setting, r) in by_choice for r in realisms)
    ]
    if not rows:
        return None
    keys = set.intersection(*(set(point.values) for row in rows for point in row))
    theory = []
    for row in rows:
        per_image = psnr_by_realism(result.images, row[0].setting, realisms)
        theory.append(predicted_psnr(realisms, per_image))
    return {
        "codec": name,
        "realisms": realisms,
        "qualities": [row[0].quality for row in rows],
        "targets": [row[0].target for row in rows],
        "bpp": [[point.bpp for point in row] for row in rows],
        "values": {key: [[p.values[key] for p in row] for row in rows] for key in keys},
        "theory": theory,
        "first_theory": next((i for i, line in enumerate(theory) if line), -1),
    }


def _anchor(curves: list[dict[str, Any]], name: str | None) -> str:
    if name is None:
        others = [curve for curve in curves if not curve["accent"]]
        return str((others or curves)[0]["id"])
    found = [curve["id"] for curve in curves if name in (curve["id"], curve["codec"])]
    if not found:
        known = ", ".join(dict.fromkeys(curve["codec"] for curve in curves))
        raise CodecError(f"no codec is called {name}: the files have {known}")
    return str(found[0])


def _on_their_images(results: Sequence[Result], published: Sequence[Published]) -> list[Published]:
    """The published curves that are known to be on the images of all results."""
    sets = {result.images_sha256 for result in results}
    if len(sets) > 1 or None in sets:
        return []
    return [p for p in published if p.images_sha256 in sets]


def _absent(metrics: list[Metric], plane: dict[str, Any] | None) -> list[str]:
    """The sections that the data leaves empty."""
    kinds = {found.kind for found in metrics}
    absent = [f"rate-{kind}" for kind in ("distortion", "perception") if kind not in kinds]
    if absent or plane is None:
        absent += ["distortion-perception", "surface"]
    elif len(plane["qualities"]) < 2:
        absent.append("surface")
    return absent


def _lead(results: Sequence[Result], names: str) -> str:
    count = image_count(results)
    images = f" on {count} images" if count else ""
    # CompressAI's files have no such meta, and do not say what they count
    whole = [name for name, result in _named(results).items() if result.images_sha256]
    if len(whole) == len(results):
        return f"{names}{images}. Every rate counts whole files."
    counted = f" The rates of {', '.join(whole)} count whole files." if whole else ""
    return f"{names}{images}.{counted}"


def _provenance(results: Sequence[Result], published: list[dict[str, Any]]) -> str:
    parts = []
    for name, result in _named(results).items():
        rows = "".join(
            f"<tr><th scope='row'>{escape(key)}</th><td class='text'>{escape(value)}</td></tr>"
            for key, value in _flat(result.meta)
        )
        parts.append(
            f"<h3>{escape(name)}</h3><p>{escape(result.description)}</p>"
            f"<details><summary>How it was measured</summary><div class='scroll'><table>"
            f"<tbody>{rows or '<tr><td>The file does not say.</td></tr>'}</tbody></table></div>"
            "</details>"
        )
    if published:
        items = "".join(
            f"<li>{escape(p['name'])}: {escape(p['source'])}"
            f"{'; ' + escape(p['note']) if p['note'] else ''}</li>"
            for p in published
        )
        parts.append(f"<h3>Published curves</h3><ul>{items}</ul>")
    return "\n".join(parts)


def _flat(meta: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested provenance as pairs of path and text."""
    if not isinstance(meta, dict):
        text = meta if isinstance(meta, str) else json.dumps(meta, ensure_ascii=False)
        return [(prefix, text)]
    return [
        pair
        for key, value in meta.items()
        for pair in _flat(value, f"{prefix}, {key}" if prefix else key)
    ]


def _asset(name: str) -> str:
    return (resources.files("codec.report") / "assets" / name).read_text("utf-8")
