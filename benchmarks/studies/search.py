"""What does the joint search of a level's codes buy, beside greedy search and scalar quantization?

For the remainders that the encoder quantizes on validation photographs: squared error and bits a
cell (under the search's own code lengths) for beams of 1 (greedy) to 16, and, at the bits of the
greedy search, the squared error of uniform scalar quantization of the remainders' principal
components with a dead zone and ideal entropy coding of each component (a static transform codec).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, Model, Shards
from codec.models.torch_model import torch_engine
from codec.runtime.model import CodecModel
from codec.train.data import load_images

QUALITIES = (35, 55, 75)
BEAMS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        shards: folder of train-*.tar and val-*.tar.
        model: name or folder of a model.
    """

    shards: Shards
    model: Model = PACKAGED


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        images: how many validation photographs.
    """

    images: int = 12


def remainders(model: CodecModel, images: list[Tensor], quality: int) -> list[Tensor]:
    """What each level quantizes: (n, D) a level."""
    networks = torch_engine(model).networks
    quantizer = networks.quantizer
    lam = model.config.lambda_at(quality)
    found: list[list[Tensor]] = [[] for _ in model.config.levels]
    for x in images:
        latents = networks.encoder(x)

        def code(level: int, prediction: Tensor, latents: list[Tensor] = latents) -> Tensor:
            e = (latents[level] - prediction)[0].flatten(1).T.contiguous()
            found[level].append(e)
            here = quantizer.stages_of_level(level)
            biases = [lam * quantizer.code_lengths(s, quality) for s in here]
            codes = quantizer.search(here, e, biases, 8)
            return quantizer.centroids(here, codes).T.reshape(prediction.shape)

        condition = torch.tensor([model.config.condition(quality, len(model.cells))])
        networks.decoder.top_down(condition, code, x.shape)
    return [torch.cat(parts) for parts in found]


def scalar(e: Tensor, bits: float) -> float:
    """Squared error a cell of scalar quantization at so many bits a cell."""
    _, axes = torch.linalg.eigh(e.T @ e)
    u = e @ axes
    low, high, error = 0.01, 200.0, 0.0
    for _ in range(24):
        step = (low * high) ** 0.5
        level = u.sign() * (u.abs() / step + 0.33).floor()
        spent = 0.0
        for column in level.T:
            share = column.unique(return_counts=True)[1] / len(column)
            spent -= float((share * share.log2()).sum())
        error = float((u - level.sign() * (level.abs() + 0.04) * step).square().sum(1).mean())
        low, high = (step, high) if spent > bits else (low, step)
    return error


@torch.inference_mode()
def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """A row for each quality and level."""
    model = inputs.model.load()
    images = []
    for image in load_images(inputs.shards.folder, "val-*.tar", limit=settings.images):
        height, width = (side // 32 * 32 for side in image.shape[:2])
        x = torch.from_numpy(image[:height, :width].copy()).permute(2, 0, 1)[None]
        images.append(x.float() / 127.5 - 1)
    rows = []
    for quality in QUALITIES:
        for level, e in enumerate(remainders(model, images, quality)):
            rows.append(run.part(f"{quality} {level}", lambda: row_of(model, quality, level, e)))  # noqa: B023
            run.say(rows[-1])
    return {"rows": rows}


def row_of(model: CodecModel, quality: int, level: int, e: Tensor) -> dict[str, Any]:
    """Bits and squared error of a level's remainders, by width of the beam."""
    quantizer = torch_engine(model).networks.quantizer
    lam = model.config.lambda_at(quality)
    here = quantizer.stages_of_level(level)
    lengths = [quantizer.code_lengths(stage, quality) for stage in here]
    row: dict[str, Any] = {"quality": quality, "cell": model.config.levels[level].cell}
    for beam in BEAMS:
        codes = quantizer.search(here, e, [lam * length for length in lengths], beam)
        bits = sum(float(length[codes[:, k]].mean()) for k, length in enumerate(lengths))
        error = float((e - quantizer.centroids(here, codes)).square().sum(1).mean())
        row[f"beam {beam}"] = {"bits": round(bits, 3), "squared error": round(error, 4)}
        if beam == 1:
            row["scalar at the same bits"] = round(scalar(e, bits), 4)
    return row


BENCHMARK = Benchmark(Inputs, Settings, measure, result="search.json")
