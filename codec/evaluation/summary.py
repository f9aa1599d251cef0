"""From the records of images to one result: means, distances of distributions, intervals.

The schema is CompressAI's, lists of equal length under "results" with an entry per setting, and
more: "ci95" (bootstrap over images), "images" (each image's points) and "meta". No value is ever
NaN or infinite; what was not measured of every image has no key and is named in "not_measured".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codec.evaluation.measure import WINDOWS, Features, Record, unpack
from codec.evaluation.metrics import FID_SIDE
from codec.evaluation.metrics.fidelity import METRICS

REPEATS = 1000  # of the bootstrap for means
DISTANCE_REPEATS = 200  # for distances, whose every repeat costs an eigenvalue decomposition
NOTES = {
    "psnr-rgb": "mean over images of 10 log10(255² / MSE) over R, G and B, at most 100",
    "ms-ssim-rgb": "Wang 2003, halved by means of 2 x 2 pixels from the top left, a last odd row "
    "or column counted twice; mean over R, G and B, linear",
    "ssimulacra2": "as libjxl's program, with the maps and weights of the package ssimulacra2",
    "flip": "NVIDIA flip-evaluator, LDR, 67 pixels per degree, mean of the error map",
    "gmsd": "Xue 2014, luma, half resolution",
    "lpips": "version 0.1 on SqueezeNet 1.1",
    "dists": "on VGG16, with torchmetrics' network, at full resolution",
    "windows": "features of EfficientNet-Lite2 (ImageNet), stage 5, 120 channels, averaged over "
    "square windows that overlap by half; no model of ours is trained with this network",
    "frechet": "biased upwards by the finite sample, little as both samples are windows of the "
    "same photographs",
    "kid": "unbiased: pairs of windows of different images only; may be negative",
    "fid": "FID/256 of Mentzer et al. 2020: torch-fidelity's Inception-v3, 2048 features of "
    "windows of 256 pixels, side by side from the corner and again from (128, 128), images pooled; "
    "biased upwards, the more the fewer windows there are, so comparable at equal windows only; "
    "without intervals, which would cost too much",
    "samples": "at realism above 0, means over the seeds 0, 1, ...: of distances too, "
    "the seeds are not pooled",
    "ci95": f"of a bootstrap over images ({REPEATS} repeats; {DISTANCE_REPEATS} for distances): "
    "percentiles q; for Fréchet distances 2d - q, as repeated windows shift them upwards",
    "bpp": "the whole file; images are coded as sRGB samples, without metadata",
    "time": "seconds per image, mean, within the measuring process",
}
MEANS = ("bpp", *METRICS, "lpips", "dists", "encoding_time", "decoding_time")


@dataclass(frozen=True)
class Figures:
    """Some of a result's lists, an entry per setting.

    Attributes:
        results: values by metric.
        ci95: intervals [low, high] by metric.
        not_measured: why a metric is not there, by metric.
    """

    results: dict[str, list[Any]] = field(default_factory=dict)
    ci95: dict[str, list[Any]] = field(default_factory=dict)
    not_measured: dict[str, str] = field(default_factory=dict)

    def __or__(self, other: Figures) -> Figures:
        """Both."""
        return Figures(
            self.results | other.results,
            self.ci95 | other.ci95,
            self.not_measured | other.not_measured,
        )


@dataclass(frozen=True)
class Summary:
    """What the records of a plan's images come to.

    Attributes:
        figures: of every setting.
        images: each image's points.
        windows: how many images hold windows of a size, and how many windows, by size.
    """

    figures: Figures
    images: list[Record]
    windows: dict[str, dict[str, int]]

    def as_json(self) -> dict[str, Any]:
        """The parts of a result file that are not "meta"."""
        figures = self.figures
        return {"results": figures.results, "ci95": figures.ci95, "images": self.images}


def summarize(records: Sequence[Record]) -> Summary:
    """Means, distances and intervals of the records of `codec.evaluation.measure.measure`.

    Args:
        records: of images, all by one plan; at least one.
    """
    figures = _settings(records)
    for metric in MEANS:
        figures |= _mean(records, metric)
    windows = {}
    for window in (*map(str, WINDOWS), "fid"):
        having = [record for record in records if window in record["originals"]]
        if len(having) < 2:
            figures |= _too_few(window, len(having))
            continue
        figures |= _fid(having) if window == "fid" else _distances(having, window)
        counts = [len(unpack(record["originals"][window], window)) for record in having]
        windows[window] = {"images": len(having), "windows": sum(counts)}
    if len(records) < 2:
        figures = replace(figures, ci95={})
    return Summary(figures, [_shown(record) for record in records], windows)


def _rows(records: Sequence[Record]) -> list[list[Record]]:
    """The points of all images, by setting."""
    return [list(row) for row in zip(*(record["points"] for record in records), strict=True)]


def _settings(records: Sequence[Record]) -> Figures:
    """The settings, and how many images are above a target."""
    rows = _rows(records)
    results: dict[str, list[Any]] = {
        "quality": [_quality(row) for row in rows],
        "realism": [row[0]["realism"] for row in rows],
    }
    if "target-bpp" in rows[0][0]:
        results["target-bpp"] = [row[0]["target-bpp"] for row in rows]
        results["over-target"] = [sum(p["bpp"] > p["target-bpp"] for p in row) for row in rows]
    return Figures(results)


def _mean(records: Sequence[Record], metric: str) -> Figures:
    """The means of a metric over the images, if all of them have it."""
    rows = _rows(records)
    lacking = [r["file"] for r in records if any(metric not in p for p in r["points"])]
    if not lacking:
        values = np.array([[point[metric] for point in row] for row in rows])
        draws = _draws(len(records), REPEATS)
        interval = _percentiles(draws @ values.T / len(records))
        return Figures({metric: _rounded(values.mean(axis=1))}, {metric: interval})
    if any(metric in point for row in rows for point in row):
        others = f" and {len(lacking) - 1} more are" if len(lacking) > 1 else " is"
        return Figures(not_measured={metric: f"{lacking[0]}{others} too small for it"})
    return Figures()


def _draws(images: int, repeats: int) -> NDArray[np.int64]:
    """How often each image is drawn in each repeat of a bootstrap, (repeats, images)."""
    return np.random.default_rng(0).multinomial(images, [1 / images] * images, repeats)


def _too_few(window: str, images: int) -> Figures:
    """Why the distances of a window are not there."""
    side = FID_SIDE if window == "fid" else int(window)
    metrics = ("fid",) if window == "fid" else (f"frechet-{window}", f"kid-{window}")
    reason = f"{images} images hold a window of {side} pixels, expected two"
    return Figures(not_measured=dict.fromkeys(metrics, reason))


def _distances(records: Sequence[Record], window: str) -> Figures:
    """Fréchet and kernel distances of a window's features, with their intervals."""
    from codec.evaluation.metrics.distances import Comparison, basic_interval  # noqa: PLC0415

    draws = _draws(len(records), DISTANCE_REPEATS)
    draws = draws[(draws > 0).sum(axis=1) > 1]  # two different images are the least
    frechet, kid = f"frechet-{window}", f"kid-{window}"
    results: dict[str, list[Any]] = {frechet: [], kid: []}
    ci95: dict[str, list[Any]] = {frechet: [], kid: []}
    for originals, samples in _samples(records, window):
        comparisons = [Comparison(originals, decoded) for decoded in samples]
        repeats = np.mean([comparison.bootstrap(draws) for comparison in comparisons], axis=0)
        distance = float(np.mean([comparison.frechet() for comparison in comparisons]))
        results[frechet].append(round(distance, 6))
        ci95[frechet].append(_rounded(basic_interval(distance, repeats[0])))
        kernel = float(np.mean([comparison.kid() for comparison in comparisons]))
        results[kid].append(round(kernel, 6))
        ci95[kid].append(_rounded(np.percentile(repeats[1], [2.5, 97.5])))
    return Figures(results, ci95)


def _fid(records: Sequence[Record]) -> Figures:
    """FID of each setting."""
    from codec.evaluation.metrics.distances import frechet  # noqa: PLC0415

    by_setting = [
        [frechet(np.concatenate(originals), np.concatenate(decoded)) for decoded in samples]
        for originals, samples in _samples(records, "fid")
    ]
    return Figures({"fid": _rounded([float(np.mean(values)) for values in by_setting])})


def _samples(
    records: Sequence[Record], window: str
) -> Iterator[tuple[list[Features], list[list[Features]]]]:
    """For each setting the features of the originals, and those of the decoded images by seed."""
    originals = [unpack(record["originals"][window], window) for record in records]
    for i in range(len(records[0]["points"])):
        texts = [record["points"][i]["features"][window] for record in records]
        seeds = zip(*texts, strict=True)
        yield originals, [[unpack(text, window) for text in seed] for seed in seeds]


def _quality(row: Sequence[Mapping[str, Any]]) -> float | None:
    """The quality of a setting: the mean where each image has its own."""
    if row[0]["quality"] is None:
        return None
    mean = round(float(np.mean([point["quality"] for point in row])), 3)
    return int(mean) if mean.is_integer() else mean


def _percentiles(draws: NDArray[np.float64]) -> list[list[float]]:
    """[low, high] of each column."""
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    return [_rounded(pair) for pair in zip(low, high, strict=True)]


def _rounded(values: Sequence[float] | NDArray[np.float64]) -> list[float]:
    return [round(float(value), 6) for value in values]


def _shown(record: Record) -> Record:
    """A record without what only the summary needs."""
    points = [
        {
            key: round(value, 6) if isinstance(value, float) else value
            for key, value in point.items()
            if key != "features"
        }
        for point in record["points"]
    ]
    return {key: record[key] for key in ("file", "width", "height")} | {"points": points}
