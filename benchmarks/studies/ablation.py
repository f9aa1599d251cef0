"""Which parts of the training of r(ẑ + U) do what?

Short runs differ in one thing each. Every variant is trained for the same steps on the same crops,
from the same start, and measured on held-out photographs. Short runs rank what acts at once; they
say nothing about what hours bring.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, File, Model, Shards
from codec.evaluation.metrics.distances import Comparison
from codec.evaluation.metrics.lpips import Lpips
from codec.evaluation.metrics.realism import features
from codec.images.strips import Strips
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


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        shards: folder of train-*.tar and val-*.tar.
        model: name or folder of a model.
        lpips: file with the weights of LPIPS 0.1 on SqueezeNet.
    """

    shards: Shards
    model: Model = PACKAGED
    lpips: File | None = None


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        steps: of the training of each variant.
    """

    steps: int = 300


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
        indices = model.quantize(model.analyze(Strips([image])), QUALITY).indices
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


def trained(inputs: Inputs, steps: int, changes: list[str]) -> CodecModel:
    """The model of a short run with some changes."""
    base = f"base={json.dumps(inputs.model.source)}"
    config = configured(DetailTraining(), None, [base, f"steps={steps}", *COMMON, *changes])
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        train_detail(config, inputs.shards.folder, out)
        return load_model(out / "model", "cpu", "torch")


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Distortion and realism of every variant."""
    held_out = crops(load_images(inputs.shards.folder, "val-*.tar"))
    lpips = Lpips(inputs.lpips.source) if inputs.lpips else None
    variants = {}
    for name, changes in VARIANTS.items():
        variants[name] = run.part(
            name,
            lambda: measured(trained(inputs, settings.steps, changes), held_out, lpips),  # noqa: B023
        )
        run.say(f"{name} {variants[name]}")
    return {
        "variants": variants,
        "meta": {
            "held_out_images": len(held_out),
            "quality": QUALITY,
            "samples_an_image": SAMPLES,
        },
    }


BENCHMARK = Benchmark(Inputs, Settings, measure, result="ablation.json")
