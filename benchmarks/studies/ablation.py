"""Which parts of the training of r(ẑ + U) do what: short runs that differ in one thing each.

Every variant is trained for the same steps on the same crops, from the same start, and measured on
held-out photographs. Short runs rank what acts at once; they say nothing about what hours bring.

    python -m benchmarks.studies.ablation SHARDS --steps 300

A variant that the output already has, with the same steps and model, is not run again.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.provenance import commit, cpu
from codec.evaluation.metrics.distances import Comparison
from codec.evaluation.metrics.lpips import Lpips
from codec.evaluation.metrics.realism import features
from codec.files import writing
from codec.images.strips import Bands
from codec.models.loading import load_model
from codec.runtime.model import CodecModel
from codec.train.config import configured
from codec.train.data import load_images
from codec.train.detail.loop import DetailTraining, train_detail

SIDE, IMAGES, QUALITY, SAMPLES = 320, 60, 40, 4
COMMON = ["average=0.99", "warmup=50", "save_seconds=100000"]
VARIANTS: dict[str, list[str]] = {
    "all": [],
    "no critic at all": ["weights.pixel_critic=0", "weights.feature_critic=0"],
    "no critic of pixels": ["weights.pixel_critic=0"],
    "no critics of features": ["weights.feature_critic=0"],
    "no feature loss": ["weights.feature=0"],
    "feature loss without diversity": ["weights.diversity=0"],
    "feature loss as energy score": ["weights.diversity=1"],
    "no penalty on the mean over samples": ["weights.bias=0"],
    "U at 1/8 only": ["detail.noise=[16, 0, 0]"],
    "U at 1/2 only": ["detail.noise=[0, 0, 2]"],
    "hinge": ['weights.divergence="hinge"'],
    "KL": ['weights.divergence="kl"'],
}

Pixels = NDArray[np.uint8]


def crops(images: Sequence[Pixels]) -> list[Pixels]:
    """The middles of the images that are large enough."""
    found = []
    for image in images:
        top, left = ((side - SIDE) // 2 for side in image.shape[:2])
        if min(top, left) >= 0:
            found.append(np.array(image[top : top + SIDE, left : left + SIDE]))
    return found[:IMAGES]


def measured(model: CodecModel, images: Sequence[Pixels], lpips: Lpips | None) -> dict[str, float]:
    """Distortion and realism of samples of r."""
    mean_error, error, error_of_mean, distance = [], [], [], []
    means, samples = [], []
    for number, image in enumerate(images):
        x = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        indices = model.quantize(model.analyze(Bands([image])), QUALITY).indices
        g = torch.from_numpy(model.synthesize(indices, QUALITY, SIDE, SIDE))
        drawn = [
            torch.from_numpy(
                model.synthesize(
                    indices, QUALITY, SIDE, SIDE, realism=1.0, seed=number * SAMPLES + sample
                )
            )
            for sample in range(SAMPLES)
        ]
        mean_error.append(float((g - x).square().mean()))
        error.append(float(np.mean([float((y - x).square().mean()) for y in drawn])))
        error_of_mean.append(float((torch.stack(drawn).mean(0) - x).square().mean()))
        means.append(as_pixels(g))
        samples.append(as_pixels(drawn[0]))
        if lpips:
            distance.append(lpips.measure(image, samples[-1]))
    base, one, few = (float(np.mean(values)) for values in (mean_error, error, error_of_mean))
    spread = (one - few) * SAMPLES / (SAMPLES - 1)  # variance of a sample
    compared = Comparison(features(images, 128), features(samples, 128))
    before = Comparison(features(images, 128), features(means, 128))
    figures = {
        "mse_sample_over_mse_g": one / base,
        "bias_over_mse_g": (one - spread) / base - 1,
        "frechet-128": compared.frechet(),
        "kid-128": compared.kid(),
        "frechet-128_of_g": before.frechet(),
        "kid-128_of_g": before.kid(),
    }
    if lpips:
        figures["lpips"] = float(np.mean(distance))
    return {name: round(value, 4) for name, value in figures.items()}


def as_pixels(image: torch.Tensor) -> Pixels:
    rounded = (image[0] * 255).round().byte().permute(1, 2, 0)
    return np.ascontiguousarray(rounded.numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder of tar shards: train-*.tar, val-*.tar")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("-m", "--model", default="default")
    parser.add_argument("--lpips", help="weights of LPIPS 0.1 on SqueezeNet")
    parser.add_argument("-o", "--output", type=Path, default="benchmarks/results/ablation.json")
    arguments = parser.parse_args()

    held_out = crops(load_images(arguments.data, "val-*.tar"))
    lpips = Lpips(arguments.lpips) if arguments.lpips else None
    fingerprint = load_model(arguments.model, "cpu").fingerprint.hex()
    settings = {"steps": arguments.steps, "model": fingerprint}
    result: dict[str, Any] = {"variants": {}}
    if arguments.output.exists():
        earlier = json.loads(arguments.output.read_text())
        if all(earlier["meta"][name] == value for name, value in settings.items()):
            result = earlier
    for name, changes in VARIANTS.items():
        if name in result["variants"]:
            continue
        base = f"base={json.dumps(str(arguments.model))}"
        overrides = [base, f"steps={arguments.steps}", *COMMON, *changes]
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            train_detail(configured(DetailTraining(), None, overrides), arguments.data, out)
            model = load_model(out / "model", "cpu")
        result["variants"][name] = measured(model, held_out, lpips)
        result["meta"] = settings | {
            "commit": commit(),
            "machine": cpu(),
            "torch": torch.__version__,
            "held_out_images": len(held_out),
            "quality": QUALITY,
            "samples_an_image": SAMPLES,
        }
        with writing(str(arguments.output), force=True) as file:
            file.write(json.dumps(result, indent=1, allow_nan=False).encode() + b"\n")
        print(name, result["variants"][name], flush=True)


if __name__ == "__main__":
    main()
