"""Scores of novelty that the codec leaves out: benchmarks/results/novelty_critics.json.

    python -m benchmarks.studies.novelty_critics VALIDATION CHECKPOINT

AUROC of each kind of image (unusual_images.py) against validation photographs at quality
50, for what would cost the encoder a decode, or networks that are not in the package:

- "squared error" of the mean (realism 0), its logarithm;
- "term D, reconstruction": the mean logits of the detail training's critics, of pixels and of
  features, on a 256-pixel window of what is decoded at realism 1;
- "term D, original": the same on the image itself, beside its mean.

"energy left" is the codec's own error score on the same images. Each score is a Mahalanobis
distance from the photographs, a photograph's from the others, as in `codec.train.novelty`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.provenance import meta
from benchmarks.quality.novelty import auroc
from benchmarks.quality.unusual_images import KINDS, images
from codec.images.strips import Bands
from codec.models.loading import load_model
from codec.novelty import distance, error_statistics
from codec.runtime.model import CodecModel
from codec.train.data import load_images
from codec.train.detail.losses import Judge, Weights
from codec.train.novelty import spread

Floats = NDArray[np.float64]
QUALITY = 50
SIDE = 256  # pixels of the window that the critics see


def logits(judge: Judge, residual: Tensor, mean: Tensor) -> Floats:
    """Mean logits of every critic on mean + residual, (1, 3, H, W) in [-1, 1] each."""
    found = [judge.pixels(residual, mean)]
    found += judge.heads(judge.features(mean + residual), judge.features(mean))
    return np.array([part.mean().item() for part in found])


@torch.inference_mode()
def scores(network: CodecModel, judge: Judge, image: NDArray[np.uint8]) -> dict[str, Floats]:
    """Statistics of an image (H, W, 3) by score."""
    planes = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    analysis = network.analyze(Bands([image]))
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


def main() -> None:
    """Score photographs and every kind, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("validation", type=Path, help="photographs: a tar shard or a folder")
    parser.add_argument("checkpoint", type=Path, help="of `bibcodec train --objective detail`")
    parser.add_argument("--count", type=int, default=16, help="images of each kind")
    parser.add_argument("--photographs", type=int, default=100)
    default = Path("benchmarks/results/novelty_critics.json")
    parser.add_argument("-o", "--out", type=Path, default=default)
    options = parser.parse_args()
    network = load_model("default", "cpu")
    state = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    judge = Judge(Weights()).eval()
    judge.load_state_dict(state["judge"])

    def table(pictures: list[NDArray[np.uint8]]) -> dict[str, Floats]:
        rows = [scores(network, judge, picture) for picture in pictures]
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    known = table(load_images(options.validation, limit=options.photographs))
    usual = {name: spread(x[None]) for name, x in known.items()}
    found: dict[str, Any] = {name: {} for name in usual}
    for kind in KINDS:
        for name, x in table(images(kind, options.count)).items():
            near = usual[name]
            far = distance(x, np.array(near.mean[0]), np.array(near.covariance[0]))
            found[name][kind] = round(auroc(np.array(near.distances[0]), far), 4)
        print(kind, {name: row[kind] for name, row in found.items()}, flush=True)
    result = {
        "meta": meta([], network.fingerprint),
        "step of the checkpoint": state["step"],
        "photographs": len(known["squared error"]),
        "images of each kind": options.count,
        "auroc": found,
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
