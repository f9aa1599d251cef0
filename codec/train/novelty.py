"""Calibrate what is unusual to a model: novelty.json beside its weights.

    python -m codec.train.novelty --data VALIDATION [-m MODEL]

Photographs that the model was not trained on are coded at every calibrated quality. Each one's
distance is from the mean and covariance of the others (ten folds), so that another photograph's is
distributed alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bitstream import stream
from bitstream.errors import CodecError
from codec.images.strips import Strips
from codec.models.loading import load_model
from codec.novelty import (
    QUANTILES,
    Calibration,
    Floats,
    Spread,
    code_statistics,
    distance,
    error_statistics,
    gaussian,
)
from codec.runtime.model import CodecModel
from codec.train.data import load_images

QUALITIES = (0, 25, 50, 75, 100)
FOLDS = 10


def measure(
    network: CodecModel, image: NDArray[np.uint8], qualities: Sequence[int]
) -> tuple[Floats, Floats]:
    """Statistics of an image's code and of its error at each quality: (Q, S + 1) and (Q, L).

    Args:
        network: the model.
        image: (H, W, 3) uint8.
        qualities: 0..100 each.
    """
    analysis = network.analyze(Strips([image]))
    code, error = [], []
    for quality in qualities:
        coding = network.quantize(analysis, quality)
        header = network.header(coding, *image.shape[:2])
        payload = stream.encode_indices(coding.indices, network.prior, header)
        code.append(code_statistics(network.code_lengths(quality), coding.indices, len(payload)))
        error.append(error_statistics(coding.energy))
    return np.stack(code), np.stack(error)


def spread(table: Floats) -> Spread:
    """How statistics (Q, N, F) of N photographs lie; each one's distance is from the others'."""
    ranks = np.arange(1, QUANTILES + 1) / (QUANTILES + 1)
    fold = np.arange(table.shape[1]) % FOLDS
    mean, covariance, distances = [], [], []
    for x in table:
        found = gaussian(x)
        mean.append(found[0].tolist())
        covariance.append(found[1].tolist())
        apart = np.empty(len(x))
        for k in range(FOLDS):
            apart[fold == k] = distance(x[fold == k], *gaussian(x[fold != k]))
        if len(apart) > QUANTILES:
            apart = np.quantile(apart, ranks, method="weibull")
        distances.append(np.sort(apart).tolist())
    return Spread(mean, covariance, distances)


def calibrate(network: CodecModel, images: Sequence[NDArray[np.uint8]]) -> Calibration:
    """What photographs look like to a model.

    Raises:
        CodecError: there are too few images to say.
    """
    if len(images) < 5 * FOLDS:
        raise CodecError(f"got {len(images)} images: expected {5 * FOLDS} photographs or more")
    measured = [measure(network, image, QUALITIES) for image in images]
    code, error = (spread(np.stack(part, 1)) for part in zip(*measured, strict=True))
    fingerprint = network.fingerprint.hex()
    return Calibration(fingerprint, len(images), list(QUALITIES), code, error)


def main() -> None:
    """Calibrate a model and write the table into its folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="tar shard or folder")
    default = Path(__file__).parents[1] / "models" / "default"
    parser.add_argument("-m", "--model", type=Path, default=default, help="folder of the model")
    options = parser.parse_args()
    try:
        network = load_model(options.model)
        calibrate(network, load_images(options.data)).save(options.model)
    except CodecError as error:
        raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
