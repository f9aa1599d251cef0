"""Result files: what `bibcodec eval` and CompressAI write, read and checked."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from codec.errors import CodecError
from codec.report.metrics import metric

FORMER = {"psnr": "psnr-rgb", "ms-ssim": "ms-ssim-rgb"}  # as older files of CompressAI name them


@dataclass(frozen=True)
class Point:
    """Means over the images at one quality and realism."""

    bpp: float
    values: Mapping[str, float]  # metric key -> value
    quality: float | None = None
    realism: float | None = None  # 0..1; None for codecs without such a choice
    target: float | None = None  # bits a pixel asked for, if each image has a quality of its own
    over: int | None = None  # images whose files are larger than the target
    ci95: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def setting(self) -> tuple[float | None, float | None]:
        """What tells files apart: points of equal setting are decodings of the same files."""
        return (self.target, None if self.target is not None else self.quality)


@dataclass(frozen=True)
class Result:
    """One codec over one set of images."""

    name: str
    description: str
    points: tuple[Point, ...]
    images: tuple[Mapping[str, Any], ...]  # as the file has them: "file", "points", ...
    meta: Mapping[str, Any]

    @property
    def curves(self) -> dict[float | None, list[Point]]:
        """Points of equal realism, in order of rate."""
        realisms = dict.fromkeys(p.realism for p in self.points)
        return {
            r: sorted((p for p in self.points if p.realism == r), key=lambda p: p.bpp)
            for r in sorted(realisms, key=lambda r: -1.0 if r is None else r)
        }

    @property
    def images_sha256(self) -> str | None:
        """What identifies the set of images; None if the file does not say."""
        found = self.meta.get("images_sha256")
        return found if isinstance(found, str) else None


@dataclass(frozen=True)
class Published:
    """A curve from a paper or a repository; a value may be missing at some rates."""

    name: str
    family: str  # "generative", "learned for squared error", "classical"
    source: str
    note: str
    images_sha256: str | None
    bpp: tuple[float, ...]
    values: Mapping[str, tuple[float | None, ...]]


def read(paths: Sequence[Path]) -> tuple[list[Result], list[Published]]:
    """Read result files, and files of published curves (those with a list "published").

    Files of one point each, of the same name and images and without a quality (as `bibcodec eval
    --decoded` writes them), become one result.

    Raises:
        CodecError: a file is not JSON, lacks something (a metric that is known, too), or holds a
            number that is not finite.
        OSError: a file cannot be read.
    """
    results: list[Result] = []
    published: list[Published] = []
    for path in paths:
        raw = _load(path)
        try:
            if "published" in raw:
                published += _published(raw)
            else:
                results.append(_result(raw, path))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise CodecError(
                f"{path}: not a result file: {what}; expected what `bibcodec eval` writes"
            ) from error
    if not results:
        raise CodecError("no results to report: give at least one file that `bibcodec eval` wrote")
    return _joined(results), published


def _joined(results: Sequence[Result]) -> list[Result]:
    """Results in their order; the points of a foreign codec, a file each, as one curve."""
    groups: dict[Any, list[Result]] = {}
    for number, result in enumerate(results):
        first = result.points[0]
        alone = len(result.points) == 1 and first.quality is first.realism is first.target is None
        known = alone and result.images_sha256
        groups.setdefault((result.name, known) if known else number, []).append(result)
    return [group[0] if len(group) == 1 else _one(group) for group in groups.values()]


def _one(group: Sequence[Result]) -> Result:
    """One result of the points of several; what differs in their provenance is told by point."""
    ordered = sorted(group, key=lambda result: result.points[0].bpp)
    first = ordered[0]
    others = {
        f"point {number}": {k: v for k, v in result.meta.items() if v != first.meta.get(k)}
        for number, result in enumerate(ordered[1:], 2)
    }
    return replace(
        first,
        description="; ".join(dict.fromkeys(result.description for result in ordered)),
        points=tuple(result.points[0] for result in ordered),
        meta={**first.meta, **others},
    )


def _load(path: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise CodecError(f"{path}: holds {constant}: a value that was not measured has no key")

    try:
        raw = json.loads(path.read_text(), parse_constant=refuse)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CodecError(f"{path}: not JSON: {error}") from error
    except RecursionError:
        raise CodecError(f"{path}: not a result file: nested too deeply") from None
    if not isinstance(raw, dict):
        raise CodecError(f"{path}: not a result file: expected an object, got a list or a value")
    return raw


def _result(raw: dict[str, Any], path: Path) -> Result:
    columns: dict[str, list[Any]] = {FORMER.get(k, k): v for k, v in raw["results"].items()}
    columns |= {key: raw["results"][key] for key in FORMER.values() if key in raw["results"]}
    rates = [_number(value, "bpp") for value in columns["bpp"]]
    if not rates or min(rates) <= 0:
        raise ValueError("bpp is to be a list of numbers above 0")
    for key, column in columns.items():
        if len(column) != len(rates):
            raise ValueError(f"{key} has {len(column)} values, bpp has {len(rates)}")
    known = [key for key in columns if metric(key)]
    if not known:
        raise ValueError(f"it holds no metric that is known, only {', '.join(columns)}")
    intervals = {key: rows for key, rows in raw.get("ci95", {}).items() if key in known}
    rows = [{key: column[i] for key, column in columns.items()} for i in range(len(rates))]
    return Result(
        name=str(raw.get("name") or path.stem),
        description=str(raw.get("description", "")),
        points=tuple(
            _point(row, known, {key: ranges[i] for key, ranges in intervals.items()})
            for i, row in enumerate(rows)
        ),
        images=tuple(raw.get("images", ())),
        meta=raw.get("meta", {}),
    )


def _point(row: dict[str, Any], known: Sequence[str], intervals: dict[str, Any]) -> Point:
    """One point of a result: a value of every column, and the intervals of the known metrics."""
    given = {
        key: _number(row[key], key)
        for key in (*known, "bpp", "quality", "realism", "target-bpp", "over-target")
        if row.get(key) is not None
    }
    return Point(
        bpp=given["bpp"],
        values={key: given[key] for key in known if key in given},
        quality=given.get("quality"),
        realism=given.get("realism"),
        target=given.get("target-bpp"),
        over=round(given["over-target"]) if "over-target" in given else None,
        ci95={
            key: (_number(interval[0], key), _number(interval[1], key))
            for key, interval in intervals.items()
            if interval is not None
        },
    )


def _published(raw: dict[str, Any]) -> list[Published]:
    sets = {name: about.get("images_sha256") for name, about in raw["datasets"].items()}
    return [
        Published(
            name=entry["name"],
            family=entry["family"],
            source=entry["source"],
            note=entry["note"],
            images_sha256=sets[entry["dataset"]],
            bpp=tuple(entry["results"]["bpp"]),
            values={k: tuple(v) for k, v in entry["results"].items() if k != "bpp"},
        )
        for entry in raw["published"]
    ]


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{what} is {value!r}, expected a finite number")
    return float(value)
