"""From the records of images to one result: means, distances of distributions, intervals.

The schema is CompressAI's, lists of equal length under "results" with an entry per setting, and
more: "ci95" (bootstrap over images), "images" (each image's points) and "meta". No value is ever
NaN or infinite; what was not measured of every image has no key and is named in "not_measured".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codec.evaluation.measure import WINDOWS, Features, unpack
from codec.evaluation.metrics.fid import SIZE as FID_SIDE
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

Record = dict[str, Any]


def summarise(records: Sequence[Record]) -> dict[str, Any]:
    """The parts "results", "ci95" and "images" of a result, and "not_measured" and "windows".

    Args:
        records: of `codec.evaluation.measure.measure`, all by one plan; at least one.
    """
    count = len(records[0]["points"])
    rows = [[record["points"][i] for record in records] for i in range(count)]
    draws = np.random.default_rng(0).multinomial(
        len(records), [1 / len(records)] * len(records), REPEATS
    )
    results: dict[str, list[Any]] = {
        "quality": [_quality(row) for row in rows],
        "realism": [row[0]["realism"] for row in rows],
    }
    ci95: dict[str, list[Any]] = {}
    not_measured: dict[str, str] = {}
    if "target-bpp" in rows[0][0]:
        results["target-bpp"] = [row[0]["target-bpp"] for row in rows]
        results["over-target"] = [sum(p["bpp"] > p["target-bpp"] for p in row) for row in rows]
    for key in ("bpp", *METRICS, "lpips", "dists", "encoding_time", "decoding_time"):
        having = sum(key in point for row in rows for point in row)
        if having == count * len(records):
            values = np.array([[point[key] for point in row] for row in rows])
            results[key] = _rounded(values.mean(axis=1))
            ci95[key] = _percentiles(draws @ values.T / len(records))
        elif having:
            lacking = [r["file"] for r in records if any(key not in p for p in r["points"])]
            others = f" and {len(lacking) - 1} more are" if len(lacking) > 1 else " is"
            not_measured[key] = f"{lacking[0]}{others} too small for it"
    windows = {}
    for window in (*map(str, WINDOWS), "fid"):
        found = [record for record in records if window in record["originals"]]
        if len(found) > 1:
            measured = _fid(found) if window == "fid" else _distances(found, window, ci95)
            results |= measured
            counts = [len(unpack(record["originals"][window], window)) for record in found]
            windows[window] = {"images": len(found), "windows": sum(counts)}
            continue
        side = FID_SIDE if window == "fid" else int(window)
        names = ("fid",) if window == "fid" else (f"frechet-{window}", f"kid-{window}")
        reason = f"{len(found)} images hold a window of {side} pixels, expected two"
        not_measured |= dict.fromkeys(names, reason)
    if len(records) < 2:
        ci95 = {}
    return {
        "results": results,
        "ci95": ci95,
        "images": [_shown(record) for record in records],
        "not_measured": not_measured,
        "windows": windows,
    }


def _distances(
    records: Sequence[Record], window: str, ci95: dict[str, list[Any]]
) -> dict[str, list[float]]:
    """Fréchet and kernel distances of a window's features; adds their intervals to `ci95`."""
    from codec.evaluation.metrics.distances import Comparison, basic_interval  # noqa: PLC0415

    draws = np.random.default_rng(0).multinomial(
        len(records), [1 / len(records)] * len(records), DISTANCE_REPEATS
    )
    draws = draws[(draws > 0).sum(axis=1) > 1]  # two different images are the least
    results: dict[str, list[float]] = {f"frechet-{window}": [], f"kid-{window}": []}
    for originals, samples in _samples(records, window):
        comparisons = [Comparison(originals, decoded) for decoded in samples]
        spreads = np.mean([comparison.bootstrap(draws) for comparison in comparisons], axis=0)
        for name, value, spread in (
            ("frechet", np.mean([comparison.frechet() for comparison in comparisons]), spreads[0]),
            ("kid", np.mean([comparison.kid() for comparison in comparisons]), spreads[1]),
        ):
            results[f"{name}-{window}"].append(round(float(value), 6))
            interval = np.percentile(spread, [2.5, 97.5])
            if name == "frechet":
                interval = basic_interval(float(value), spread)
            ci95.setdefault(f"{name}-{window}", []).append(_rounded(interval))
    return results


def _fid(records: Sequence[Record]) -> dict[str, list[float]]:
    """FID of each setting."""
    from codec.evaluation.metrics.distances import frechet  # noqa: PLC0415

    found = [
        [frechet(np.concatenate(originals), np.concatenate(decoded)) for decoded in samples]
        for originals, samples in _samples(records, "fid")
    ]
    return {"fid": _rounded([float(np.mean(values)) for values in found])}


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
