"""How well does the model tell photographs from other images?

AUROC of each kind of image (unusual_images.py) against the validation photographs of the
model's calibration, each of these judged by the others, by the code and by the error; the share of
images that each of the two and `encode`, by the larger one, warns of, and of Kodak's photographs,
which they should not; and what the judgement costs.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import codec
from benchmarks import schema
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import Missing, ModelOnPhotographs
from benchmarks.markdown import number, paragraph, table
from benchmarks.quality.unusual_images import KINDS, images
from bitstream.header import Header
from codec.images.strips import Strips
from codec.novelty import UNUSUAL, Calibration, distance
from codec.runtime.model import CodecModel
from codec.train import novelty as training

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        count: images of each kind.
        qualities: of the files, written with commas between.
    """

    count: int = 16
    qualities: tuple[int, ...] = (50,)


def auroc(usual: NDArray[np.float64], unusual: NDArray[np.float64]) -> float:
    """Chance that an unusual image lies farther out than a usual one."""
    pairs = np.sign(unusual[:, None] - usual[None])
    return float((pairs + 1).mean() / 2)


def judge(network: CodecModel, pictures: list[Pixels], qualities: list[int]) -> dict[str, Any]:
    """AUROC and share of warnings of a set of pictures at each quality, by each score."""
    calibration = calibrated(network)
    measured = [training.measure(network, picture, qualities) for picture in pictures]
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
        raise Missing("the model has no calibration: run python -m codec.train.novelty")
    return network.calibration


def cost(network: CodecModel, picture: Pixels) -> dict[str, float]:
    """Seconds of encoding a picture, and of judging it: medians of five."""
    data = codec.encode(picture, model=network)
    analysis = network.analyze(Strips([picture]))
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


def measure(run: Run, inputs: ModelOnPhotographs, settings: Settings) -> dict[str, Any]:
    """Judge the photographs and every kind of other images."""
    network = inputs.model.load()
    photographs = [np.asarray(image) for image in inputs.photographs.images()]
    qualities = list(settings.qualities)
    between = [*qualities, 40]  # 40 lies between two calibrated qualities
    sets = {"kodak": run.part("kodak", lambda: judge(network, photographs, between))}
    for kind in KINDS:
        sets[kind] = run.part(
            kind,
            lambda: judge(network, images(kind, settings.count), qualities),  # noqa: B023
        )
        run.say(f"{kind} {sets[kind]}")
    return {
        "statistics": {"code": len(network.cells) + 1, "error": len(network.config.levels)},
        "photographs": calibrated(network).photographs,
        "threshold": UNUSUAL,
        "sets": sets,
        "cost": cost(network, photographs[0]),
    }


def figures() -> list[str]:
    """What docs/figures.md says of unusual images."""
    result = schema.read("novelty")
    rows = []
    for kind, figures in result["sets"].items():
        row = figures["quality 50"]
        scores = [number(row[name].get("auroc")) for name in ("code", "error")]
        warned = round(row["warned"] * figures["images"])
        shown = ["-", "-"] if kind == "kodak" else scores
        rows.append([kind, f"{warned} of {figures['images']}", *shown])
    return [
        *table(["images", "`encode` warns of", "AUROC, code", "AUROC, error"], rows),
        *paragraph(
            "Quality 50. The AUROC is the chance that an image of the kind lies farther out than a",
            "photograph of the validation set: by the lengths of its code, and by what the codes",
            "leave out. Satellite-like images, and most cartoons and medical-like images, get no",
            "warning.",
        ),
    ]


BENCHMARK = Benchmark(ModelOnPhotographs, Settings, measure, result="novelty.json")
