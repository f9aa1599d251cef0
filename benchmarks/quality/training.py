"""Is a model in training better than the packaged one at realism 0, with the same kind of tables?

A model in training has no context prior yet. So the networks of both models get static tables,
made of the shares of their codes, and real files are written with these. What a context prior
saves of such files is in context.json. Each point of a curve is one quality: the mean over the
images of bits per pixel (of the whole file) and of PSNR (of RGB, of each image).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import schema
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, Model, Photographs
from benchmarks.markdown import number, paragraph, table
from benchmarks.quality.rd import curve
from bitstream import container, stream
from codec.evaluation import peers
from codec.evaluation.metrics import fidelity
from codec.evaluation.provenance import versions
from codec.images.strips import Strips
from codec.models.torch_model import torch_engine
from codec.report.bjontegaard import bd_rate, value_at_rate
from codec.runtime.model import CodecModel
from codec.train.codec.export import as_model, static_prior

QUALITIES = (0, 15, 30, 45, 60, 75, 88, 100)
AVIF = (2, 8, 16, 25, 36, 50, 62)
AT_BPP = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.8)


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images, or a tar file of them.
        model: folder of the model in training.
        other: name or folder of the model to compare it with.
    """

    photographs: Photographs
    model: Model
    other: Model = PACKAGED


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        name: of the set of images, for the name of the result.
        every: one image of so many is measured.
    """

    name: str = "kodak"
    every: int = 1


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """The curves of both models and of AVIF, and their PSNR at some rates."""
    images = list(inputs.photographs.images())[:: settings.every]
    curves = {}
    for name, given in (("in training", inputs.model), ("compared with", inputs.other)):
        model = given.load()
        networks = torch_engine(model).networks
        curves[name] = rates(as_model(networks, static_prior(networks)), images)
        run.say(f"{name}: {curves[name]}")
    avif = peers.load("avif")
    plan = f"{avif.description} {AVIF} {settings} {inputs.photographs.identity} {versions()}"
    measured = run.kept("AVIF", plan, lambda: curve(images, AVIF, avif.encode, avif.decode))
    curves["AVIF"] = {"bpp": measured["bpp"], "psnr-rgb": measured["psnr-rgb"]}
    sides = [curves[name][key] for name in ("in training", "compared with") for key in KEYS]
    return {
        "images": len(images),
        "curves": curves,
        "psnr_at_bpp": {
            name: {str(rate): at_rate(points, rate) for rate in AT_BPP}
            for name, points in curves.items()
        },
        "bd_rate_percent": bd_rate(*sides),
    }


KEYS = ("bpp", "psnr-rgb")
Curve = dict[str, list[float]]


def at_rate(points: Curve, rate: float) -> float | None:
    """PSNR at a rate, between the points of a curve; None outside of it."""
    value = value_at_rate(points["bpp"], points["psnr-rgb"], rate)
    return None if value is None else round(value, 3)


def rates(model: CodecModel, images: Sequence[Image.Image]) -> Curve:
    """A model's curve: means over images of bits per pixel and PSNR, a value per quality."""
    rows = np.mean([one_image(model, image) for image in images], axis=0)
    return {key: [round(float(v), 4) for v in rows[:, k]] for k, key in enumerate(KEYS)}


def one_image(model: CodecModel, image: Image.Image) -> list[tuple[float, float]]:
    """Bits per pixel of the whole file, and PSNR at realism 0, at each of `QUALITIES`."""
    pixels = np.asarray(image)
    analysis = model.analyze(Strips([pixels]))
    points = []
    for quality in QUALITIES:
        coding = model.quantize(analysis, quality)
        header, indices = model.header(coding, image.height, image.width), coding.indices
        data = container.write(header, stream.encode_indices(indices, model.prior, header), {})
        decoded = np.vstack(list(model.strips(indices, header)))
        points.append(
            (8 * len(data) / (image.width * image.height), fidelity.psnr(pixels, decoded))
        )
    return points


def figures() -> list[str]:
    """What docs/figures.md says of the packaged model's networks beside the first model's."""
    rows, images = [], {}
    for name, shown in (("val-native", "photographs of 768 x 768 pixels"), ("kodak", "Kodak")):
        result = schema.read(f"training_{name}")
        images[shown] = result["images"]
        for codec, psnr in result["psnr_at_bpp"].items():
            called = {"in training": "packaged model", "compared with": "first model"}
            rows.append([shown, called.get(codec, codec), *(number(v) for v in psnr.values())])
    counts = " and ".join(f"{count} of {shown}" for shown, count in images.items())
    return [
        *table(["images", "", *(f"{rate} bpp" for rate in AT_BPP)], rows),
        *paragraph(
            "PSNR in dB at realism 0. Both models have static tables here, so their files are",
            f"larger than with a context prior. The images are {counts}. A dash stands where the",
            "qualities do not reach. The first model is in `models/first`.",
        ),
    ]


BENCHMARK = Benchmark(Inputs, Settings, measure, result="training_{name}.json")
