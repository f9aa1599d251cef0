"""Would scores of novelty that the codec leaves out be better than its own?

AUROC of each kind of image (unusual_images.py) against validation photographs at quality 50, for
what would cost the encoder a decode, or networks that are not in the package:

- "squared error" of the mean (realism 0), its logarithm;
- "term D, reconstruction": the mean logits of the detail training's critics, of pixels and of
  features, on a 256-pixel window of what is decoded at realism 1;
- "term D, original": the same on the image itself, beside its mean.

"energy left" is the codec's own error score on the same images. Each score is a Mahalanobis
distance from the photographs, a photograph's from the others, as in `codec.train.novelty`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.harness import Benchmark, Run
from benchmarks.inputs import PACKAGED, File, Model, Shards
from benchmarks.quality.novelty import auroc
from benchmarks.quality.unusual_images import KINDS, images
from codec.images.strips import Strips
from codec.novelty import distance, error_statistics
from codec.runtime.model import CodecModel
from codec.train.data import load_images
from codec.train.detail.losses import Judge, Weights
from codec.train.novelty import spread

Floats = NDArray[np.float64]
QUALITY = 50
SIDE = 256  # pixels of the window that the critics see


@dataclass(frozen=True)
class Inputs:
    """What is measured.

    Attributes:
        shards: folder of train-*.tar and val-*.tar.
        checkpoint: of `bibcodec train --objective detail`.
        model: name or folder of a model.
    """

    shards: Shards
    checkpoint: File
    model: Model = PACKAGED


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        count: images of each kind.
        photographs: how many validation photographs.
    """

    count: int = 16
    photographs: int = 100


def logits(judge: Judge, residual: Tensor, mean: Tensor) -> Floats:
    """Mean logits of every critic on mean + residual, (1, 3, H, W) in [-1, 1] each."""
    found = [judge.pixels(residual, mean)]
    found += judge.heads(judge.features(mean + residual), judge.features(mean))
    return np.array([part.mean().item() for part in found])


@torch.inference_mode()
def scores(network: CodecModel, judge: Judge, image: NDArray[np.uint8]) -> dict[str, Floats]:
    """Statistics of an image (H, W, 3) by score."""
    planes = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    analysis = network.analyze(Strips([image]))
    coding = network.quantize(analysis, QUALITY)
    indices = coding.indices
    size = image.shape[:2]
    x = planes.float() / 127.5 - 1
    mean = torch.from_numpy(network.synthesize(indices, QUALITY, *size)) * 2 - 1
    drawn = network.synthesize(indices, QUALITY, *size, realism=1.0)
    sample = torch.from_numpy(drawn) * 2 - 1
    error = (x - mean).square().mean().item()
    top, left = ((side - SIDE) // 2 for side in size)
    x, mean, sample = (
        part[:, :, top : top + SIDE, left : left + SIDE].contiguous() for part in (x, mean, sample)
    )
    return {
        "energy left": error_statistics(coding.energy),
        "squared error": np.log([error]),
        "term D, reconstruction": logits(judge, sample - mean, mean),
        "term D, original": logits(judge, x - mean, mean),
    }


def table(
    network: CodecModel, judge: Judge, pictures: list[NDArray[np.uint8]]
) -> dict[str, Floats]:
    """Statistics of images by score, a row an image."""
    rows = [scores(network, judge, picture) for picture in pictures]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def measure(run: Run, inputs: Inputs, settings: Settings) -> dict[str, Any]:
    """Score photographs and every kind of other images."""
    network = inputs.model.load()
    state = torch.load(inputs.checkpoint.path, map_location="cpu", weights_only=True)
    judge = Judge(Weights()).eval()
    judge.load_state_dict(state["judge"])
    photographs = load_images(inputs.shards.folder, "val-*.tar", limit=settings.photographs)
    usual = {name: spread(x[None]) for name, x in table(network, judge, photographs).items()}
    found: dict[str, Any] = {name: {} for name in usual}
    for kind in KINDS:
        for name, x in table(network, judge, images(kind, settings.count)).items():
            near = usual[name]
            far = distance(x, np.array(near.mean[0]), np.array(near.covariance[0]))
            found[name][kind] = round(auroc(np.array(near.distances[0]), far), 4)
        run.say(f"{kind} {[row[kind] for row in found.values()]}")
    return {
        "step of the checkpoint": state["step"],
        "photographs": len(photographs),
        "images of each kind": settings.count,
        "auroc": found,
    }


BENCHMARK = Benchmark(Inputs, Settings, measure, result="novelty_critics.json")
