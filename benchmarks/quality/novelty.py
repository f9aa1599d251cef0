"""How well a model tells photographs from other images: benchmarks/results/novelty.json.

    python -m benchmarks.quality.novelty KODAK_FOLDER

AUROC of each kind of image (unusual_images.py) against the validation photographs of the
model's calibration, each of these judged by the others, by the code and by the error; the share of
images that each of the two and `encode`, by the larger one, warns of, and of Kodak's photographs,
which they should not; and what the judgement costs.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import codec
from benchmarks.provenance import meta
from benchmarks.quality.unusual_images import KINDS, images
from bitstream.header import Header
from codec.images.strips import Bands
from codec.models.loading import load_model
from codec.novelty import UNUSUAL, Calibration, distance
from codec.runtime.model import CodecModel
from codec.train.novelty import measure

Pixels = NDArray[np.uint8]


def auroc(usual: NDArray[np.float64], unusual: NDArray[np.float64]) -> float:
    """Chance that an unusual image lies farther out than a usual one."""
    pairs = np.sign(unusual[:, None] - usual[None])
    return float((pairs + 1).mean() / 2)


def judge(network: CodecModel, pictures: list[Pixels], qualities: list[int]) -> dict[str, Any]:
    """AUROC and share of warnings of a set of pictures at each quality, by each score."""
    calibration = calibrated(network)
    measured = [measure(network, picture, qualities) for picture in pictures]
    scores = {"code": calibration.code, "error": calibration.error}
    found: dict[str, Any] = {"images": len(pictures)}
    for k, quality in enumerate(qualities):
        both = [calibration.percentile(code[k], error[k], quality) for code, error in measured]
        row: dict[str, Any] = {"warned": share(np.array(both) >= UNUSUAL)}
        if quality in calibration.qualities:
            at = calibration.qualities.index(quality)
            for number, (name, score) in enumerate(scores.items()):
                x = np.stack([statistics[number][k] for statistics in measured])
                far = distance(x, np.array(score.mean[at]), np.array(score.covariance[at]))
                alone = [score.percentile(row, at, at, 0.0) for row in x]
                row[name] = {
                    "auroc": round(auroc(np.array(score.distances[at]), far), 4),
                    "warned": share(np.array(alone) >= UNUSUAL),
                }
        found[f"quality {quality}"] = row
    return found


def share(which: NDArray[np.bool_]) -> float:
    return round(float(which.mean()), 4)


def calibrated(network: CodecModel) -> Calibration:
    if network.calibration is None:
        raise SystemExit("error: the model has no calibration: run python -m codec.train.novelty")
    return network.calibration


def cost(network: CodecModel, picture: Pixels) -> dict[str, float]:
    """Seconds of encoding a picture, and of judging it: medians of five."""
    data = codec.encode(picture, model=network)
    analysis = network.analyze(Bands([picture]))
    coding = network.quantize(analysis, 50)
    height, width = picture.shape[:2]
    header = Header(width, height, 50, len(coding.indices), network.fingerprint)
    whole, own = [], []
    for _ in range(5):
        start = time.perf_counter()
        codec.encode(picture, model=network)
        whole.append(time.perf_counter() - start)
        start = time.perf_counter()
        network.novelty(coding.indices, header, len(data), coding.energy)
        own.append(time.perf_counter() - start)
    seconds, extra = float(np.median(whole)), float(np.median(own))
    return {
        "encode_seconds": round(seconds, 4),
        "novelty_seconds": round(extra, 5),
        "share": round(extra / seconds, 4),
    }


def main() -> None:
    """Judge every kind and Kodak, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kodak", type=Path)
    parser.add_argument("-m", "--model", default="default")
    parser.add_argument("--count", type=int, default=16, help="images of each kind")
    parser.add_argument("-q", "--quality", type=int, nargs="+", default=[50])
    parser.add_argument("-o", "--out", type=Path, default=Path("benchmarks/results/novelty.json"))
    options = parser.parse_args()
    network = load_model(options.model, "cpu")
    paths = sorted(options.kodak.glob("*.png"))
    kodak = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    between = [*options.quality, 40]  # 40 lies between two calibrated qualities
    found = {"kodak": judge(network, kodak, between)}
    print("kodak", found["kodak"], flush=True)
    for kind in KINDS:
        found[kind] = judge(network, images(kind, options.count), options.quality)
        print(kind, found[kind], flush=True)
    result = {
        "meta": meta(paths, network.fingerprint),
        "statistics": {"code": len(network.cells) + 1, "error": len(network.config.levels)},
        "photographs": calibrated(network).photographs,
        "threshold": UNUSUAL,
        "sets": found,
        "cost": cost(network, kodak[0]),
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
