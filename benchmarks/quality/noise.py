"""Is the synthesized detail noise around the conditional mean, and how much of it is there?

For x̂ = g(ẑ) + α·r(ẑ + U), per image at a rate, on decoded images before rounding to 8 bits:

- "mean_of_samples": MSE of the mean of 16 samples at α = 1, over MSE(g). 1 + 1/16 of the next
  figure's excess at best, if r averages to zero over U.
- "sample": MSE of one sample over MSE(g). At perfect realism with an optimal g it is 2 at most.
- "measured" and "predicted": MSE(α) over MSE(g), and what D_mean + α²·E‖r‖² predicts of it, with
  E‖r‖² = E‖x̂(1) − g‖². They differ by −2α·E⟨x − g, r⟩, which is 0 if g is the conditional mean.
- "spread": the samples' standard deviation, in steps of 1/255, in the tenth of the 16-pixel blocks
  where the original is flattest, and in the tenth where it is most textured.
- "energy": E‖r‖² over MSE(g), which is 1 for samples of the posterior; and "energy_by_cells", the
  same in three classes of cells of 8 pixels, of all images together: those without a code at 8 and
  at 16 pixels, those with one at 16 only, and those with one at 8 pixels.
- "idempotence": share of the indices that come back when the decoded 8-bit image is encoded again
  at the same quality, for α = 0 and 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import codec
from benchmarks import schema
from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, Missing, Model, Photographs
from benchmarks.markdown import number, paragraph, table
from bitstream import container, stream
from bitstream.header import Header
from codec.images.strips import Strips
from codec.runtime.model import CodecModel
from codec.runtime.quantize import Indices

Pixels = NDArray[np.float64]  # [H, W, 3] in 0..1

SAMPLES = 16
ALPHAS = (0.25, 0.5, 0.75, 1.0)
BLOCK = 16
CLASSES = (0, 16, 8)  # the finest cell that has a code, pixels; 0: neither


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        photographs: folder of images.
        model: name or folder of a model with a detail network.
    """

    photographs: Photographs
    model: Model = PACKAGED


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        target_bpp: bits per pixel of the files.
    """

    target_bpp: float = 0.1


def tensor(image: Image.Image) -> torch.Tensor:
    """float32 [1, 3, H, W] in 0..1 of an RGB image."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


class Decoded:
    """One file of an image, decoded as often as one likes."""

    def __init__(self, model: CodecModel, data: bytes) -> None:
        file = container.parse(data)
        self.model, self.header = model, file.header
        self.indices: Indices = stream.decode_indices(file.payload, model.prior, file.header)

    def at(self, realism: float, seed: int = 0) -> Pixels:
        """The image at a realism, before rounding."""
        header: Header = self.header
        pixels = self.model.synthesize(
            self.indices, header.quality, header.height, header.width, realism=realism, seed=seed
        )
        return np.asarray(pixels[0].transpose(1, 2, 0), np.float64)

    def again(self, realism: float) -> float:
        """Share of the indices that come back when the 8-bit image is encoded again."""
        pixels = np.rint(self.at(realism) * 255).astype(np.uint8)
        analysis = self.model.analyze(Strips([pixels]))
        second = self.model.quantize(analysis, self.header.quality).indices
        same = sum(int((a == b).sum()) for a, b in zip(self.indices, second, strict=True))
        return same / sum(grid.size for grid in self.indices)


def classes(model: CodecModel, indices: Indices, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Per pixel [H, W]: 0 without codes at 16 and 8 pixels, 1 with one at 16 only, 2 at 8."""
    finest = np.zeros(shape, np.int64)
    for numbers in model.codebooks.levels:
        cell = model.codebooks.stages[numbers[0]].cell
        known = [indices[number] != 0 for number in numbers if number < len(indices)]
        if cell in CLASSES and known:
            spread = np.any(known, axis=0).repeat(cell, 0).repeat(cell, 1)
            finest[spread[: shape[0], : shape[1]]] = CLASSES.index(cell)
    return finest


def of_image(
    model: CodecModel, image: Image.Image, target: float
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """The figures of one image, and its map of the samples' standard deviation [H, W]."""
    data = codec.encode(image, target_bpp=target, model=model)
    decoded = Decoded(model, data)
    x = np.asarray(image, np.float64) / 255
    g = decoded.at(0.0)
    error = float(np.square(x - g).mean())
    total, squares, sample_error, energy = np.zeros_like(g), np.zeros_like(g), 0.0, 0.0
    for seed in range(SAMPLES):
        sample = decoded.at(1.0, seed)
        total += sample
        squares += np.square(sample - g)
        sample_error += float(np.square(x - sample).mean()) / SAMPLES
        energy += float(np.square(sample - g).mean()) / SAMPLES
    mean = total / SAMPLES
    kind = classes(model, decoded.indices, x.shape[:2])
    missing, added = (a.mean(axis=2) for a in (np.square(x - g), squares / SAMPLES))
    by_class = [[float(m[kind == k].sum()) / m.size for m in (added, missing)] for k in range(3)]
    variance = np.maximum(squares / SAMPLES - np.square(mean - g), 0) * SAMPLES / (SAMPLES - 1)
    spread = np.sqrt(variance.mean(axis=2))
    measured = [
        float(np.mean([np.square(x - decoded.at(a, seed)).mean() for seed in range(2)]))
        for a in ALPHAS[:-1]
    ]
    flat, textured = by_texture(x, spread)
    same_quality = Decoded(model, codec.encode(image, quality=decoded.header.quality, model=model))
    return {
        "bpp": 8 * len(data) / (image.width * image.height),
        "mse": error,
        "mean_of_samples": float(np.square(x - mean).mean()) / error,
        "sample": sample_error / error,
        "measured": [d / error for d in (*measured, sample_error)],
        "predicted": [1 + a * a * energy / error for a in ALPHAS],
        "energy": energy / error,
        "energies_by_cells": by_class,
        "spread_flat": 255 * flat,
        "spread_textured": 255 * textured,
        "idempotence_0": same_quality.again(0.0),
        "idempotence_1": same_quality.again(1.0),
    }, spread


def by_texture(x: Pixels, spread: NDArray[np.float64]) -> tuple[float, float]:
    """Mean of a map in the flattest tenth and in the most textured tenth of an image's blocks."""
    rows, columns = spread.shape[0] // BLOCK, spread.shape[1] // BLOCK

    def blocks(plane: NDArray[np.float64]) -> NDArray[np.float64]:
        cut = plane[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
        return cut.transpose(0, 2, 1, 3).reshape(rows * columns, -1)

    order = np.argsort(blocks(x.mean(axis=2)).std(axis=1))
    means = blocks(spread).mean(axis=1)[order]
    tenth = max(1, len(order) // 10)
    return float(means[:tenth].mean()), float(means[-tenth:].mean())


def summary(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over the images with bootstrap 95 % intervals; lists are per α."""
    draws = np.random.default_rng(0).integers(len(figures), size=(1000, len(figures)))
    found = {}
    for key in figures[0]:
        values = np.array([figure[key] for figure in figures])
        low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5], axis=0)
        found[key] = {
            name: np.round(value, 6).tolist()
            for name, value in (("mean", values.mean(axis=0)), ("low", low), ("high", high))
        }
    return found


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """The figures of every image, and their means."""
    model = inputs.model.load()
    if not model.engine.noise:
        raise Missing(f"the model {inputs.model.source} has no detail network: nothing to measure")
    figures = []
    for path, image in zip(inputs.photographs.paths, inputs.photographs.images(), strict=True):
        one = run.part(path.name, lambda: of_image(model, image, settings.target_bpp)[0])  # noqa: B023
        figures.append(one)
        run.say(f"{path.name} {one}")
    found = summary(figures)
    added, missing = np.array(found["energies_by_cells"]["mean"]).T
    return {
        "samples": SAMPLES,
        "alphas": ALPHAS,
        "energy_by_cells": [round(float(ratio), 4) for ratio in added / missing],
        "images_within_half_and_three_halves": sum(0.5 <= f["energy"] <= 1.5 for f in figures),
        "summary": found,
        "images": [
            {"file": path.name, **figure}
            for path, figure in zip(inputs.photographs.paths, figures, strict=True)
        ],
    }


def figures() -> list[str]:
    """What docs/figures.md says of the noise."""
    noise = schema.read("noise")
    mean = {name: figure["mean"] for name, figure in noise["summary"].items()}
    low, high = (noise["summary"]["sample"][end] for end in ("low", "high"))
    pairs = zip(noise["alphas"], mean["measured"], mean["predicted"], strict=True)
    rows = [[f"{alpha:g}", number(found), number(expected)] for alpha, found, expected in pairs]
    target = noise["meta"]["settings"]["target_bpp"]
    return [
        *table(["realism", "MSE over that of the mean", "predicted: D + realism² E‖r‖²"], rows),
        *paragraph(
            f"{noise['meta']['images']} Kodak images at {target:g} bits per pixel. The mean",
            f"squared error of a sample is {mean['sample']:.2f} times that of the conditional",
            f"mean (95 %: {low:.2f} to {high:.2f}); at perfect realism it would be 2. The error",
            "of the mean of",
            f"{noise['samples']} samples is {mean['mean_of_samples']:.3f} times that of the",
            "conditional mean, so the detail is noise and not a second picture.",
        ),
        *paragraph(
            "The standard deviation over seeds is",
            f"{mean['spread_flat']:.1f} of 255 in the flattest tenth of an image and",
            f"{mean['spread_textured']:.1f} in the most textured. Encoding a decoded image again",
            f"returns {100 * mean['idempotence_0']:.0f} % of the indices at realism 0 and",
            f"{100 * mean['idempotence_1']:.0f} % at realism 1.",
        ),
    ]


BENCHMARK = Benchmark(Inputs, Settings, measure, result="noise.json")
