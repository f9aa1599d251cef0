"""How far an image is from the photographs that a model knows, by its code and by its error.

The code length under the prior says what the model expected: per stage the mean of −log2 p_j over
the cells (p_j: the shares of the codes at that quality, I_Q of the paper), and over all stages what
the contexts saved of it. The error says what it could not express: per level of the pyramid the
share of the energy that the codes left, ‖e − Σ c‖² / ‖e‖², which the encoder knows without
decoding. Photographs of a quality have a mean and a covariance of the logarithms of these; an
image's Mahalanobis distance from them, as a percentile among validation photographs, is its
novelty: by its code alone for a file, the larger of the two in `encode`. Both too much and too
little count, and so does what is at the wrong stages.

`python -m codec.train.novelty` calibrates a model.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bitstream.errors import CodecError
from codec.files import writing
from codec.untrusted import INVALID, in_range, read_text, reason

Floats = NDArray[np.float64]

FILE = "novelty.json"  # in a model's folder
LEAST_SIDE = 256  # pixels: the cells of a smaller image are too few to judge by
QUANTILES = 200  # distances that are kept, at the most: novelty.json is a small file
UNUSUAL = 99.0  # percentile from which an image is warned of
FLOOR = 0.02  # bits a cell that an unused stage is taken to have
ENERGY = 0.01  # squared error a cell (pixels in [-1, 1]) that is taken to be always there
SHRINKAGE = 0.05  # of the covariance towards its diagonal
NOISE = 1e-3  # variance added to each logarithm


@dataclass(frozen=True)
class Spread:
    """How some statistics of photographs lie, at each calibrated quality.

    Attributes:
        mean: per quality, of the F statistics.
        covariance: per quality (F, F).
        distances: per quality, of each photograph from the others, ascending; of more than
            `QUANTILES` photographs so many quantiles.
    """

    mean: list[list[float]]
    covariance: list[list[list[float]]]
    distances: list[list[float]]

    def percentile(self, x: Floats, low: int, high: int, share: float) -> float:
        """Percentile of statistics (F,) at `share` of the way between two calibrated qualities."""
        distances, mean, covariance = (
            (1 - share) * np.asarray(table[low]) + share * np.asarray(table[high])
            for table in (self.distances, self.mean, self.covariance)
        )
        rank = int(np.searchsorted(distances, distance(x, mean, covariance)))
        return 100 * (rank + 0.5) / (len(distances) + 1)

    def check(self, qualities: int, features: int, photographs: int) -> None:
        """Raise an error of `INVALID` if the tables are not of these sizes."""
        shapes = {
            "mean": (qualities, features),
            "covariance": (qualities, features, features),
            "distances": (qualities, min(photographs, QUANTILES)),
        }
        for name, shape in shapes.items():
            table = np.asarray(getattr(self, name), np.float64)
            if table.shape != shape or not np.isfinite(table).all():
                raise ValueError(f"{name} has the shape {table.shape}, expected {shape}, finite")
        np.linalg.cholesky(np.asarray(self.covariance))


@dataclass(frozen=True)
class Calibration:
    """What photographs look like to a model, at some qualities.

    Attributes:
        fingerprint: of the model, 8 hexadecimal digits.
        photographs: how many there were.
        qualities: ascending.
        code: of `code_statistics`.
        error: of `error_statistics`.
    """

    fingerprint: str
    photographs: int
    qualities: list[int]
    code: Spread
    error: Spread

    def percentile(self, code: Floats, error: Floats | None, quality: int) -> float:
        """Percentile, above 0 and below 100, among the photographs': the larger one of the two.

        Between two calibrated qualities everything is interpolated.

        Args:
            code: `code_statistics` (S + 1,).
            error: `error_statistics` (L,); None if only the file is known.
            quality: of the code.
        """
        high = min(int(np.searchsorted(self.qualities, quality)), len(self.qualities) - 1)
        low = max(high - 1, 0)
        gap = self.qualities[high] - self.qualities[low]
        share = min(max((quality - self.qualities[low]) / gap, 0.0), 1.0) if gap else 0.0
        found = self.code.percentile(code, low, high, share)
        if error is not None:
            found = max(found, self.error.percentile(error, low, high, share))
        return found

    def check(self, stages: int, levels: int) -> None:
        """Raise an error of `INVALID` if the tables are not those of a model."""
        in_range("photographs", self.photographs, 1, 10**6)
        for quality in self.qualities:
            in_range("quality", quality, 0, 100)
        if not self.qualities or self.qualities != sorted(self.qualities):
            raise ValueError(f"the qualities are {self.qualities}, expected ascending ones")
        self.code.check(len(self.qualities), stages + 1, self.photographs)
        self.error.check(len(self.qualities), levels, self.photographs)

    def save(self, folder: Path) -> None:
        """Write novelty.json, numbers to five digits; if it fails (OSError) the old one stays."""
        text = json.dumps(asdict(self), default=float)
        rounded = json.loads(text, parse_float=lambda number: float(f"{float(number):.5g}"))
        with writing(str(folder / FILE), force=True) as file:
            file.write(json.dumps(rounded).encode() + b"\n")


def load_calibration(
    folder: Path, fingerprint: bytes, stages: int, levels: int
) -> Calibration | None:
    """A model folder's calibration; None if it has none, or that of other weights.

    Raises:
        CodecError: the file is there and is not valid.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        table = json.loads(read_text(path))
        table |= {name: Spread(**table[name]) for name in ("code", "error")}
        found = Calibration(**table)
        found.check(stages, levels)
    except INVALID as error:
        raise CodecError(
            f"{path} is no calibration of novelty, delete it: {reason(error)}"
        ) from error
    return found if found.fingerprint == fingerprint.hex() else None


def code_statistics(
    lengths: Sequence[NDArray[np.float32]], indices: Sequence[NDArray[np.int32]], payload: int
) -> Floats:
    """Logarithms of each stage's bits a cell, and of the share that the contexts left of them.

    Args:
        lengths: of all S stages (K,) float32, the bits of each code at the file's quality.
        indices: of the stages that the quality codes.
        payload: bytes that the indices took.

    Returns:
        (S + 1,) float64.
    """
    bits = np.zeros(len(lengths))  # a cell; of stages that are not coded none
    total = 0.0
    for number, grid in enumerate(indices):
        spent = lengths[number][grid].sum()
        bits[number] = spent / grid.size
        total += spent
    return np.append(np.log(bits + FLOOR), np.log(8 * payload / total))


def error_statistics(energy: Sequence[tuple[float, float]]) -> Floats:
    """Logarithms of the share of each level's energy that its codes left: (L,) float64.

    Args:
        energy: per level the means of ‖e − Σ c‖² and ‖e‖² over its cells, see
            `codec.runtime.model.Coding`.

    Example:
        >>> error_statistics([[1.0, 4.0], [0.0, 0.0]]).round(2).tolist()
        [-1.38, 0.0]
    """
    rest, whole = np.array(energy, np.float64).T + ENERGY
    return np.asarray(np.log(rest / whole), np.float64)


def distance(x: Floats, mean: Floats, covariance: Floats) -> Floats:
    """Mahalanobis distance of statistics (..., F).

    >>> float(distance(np.array([3.0, 0.0]), np.zeros(2), np.diag([4.0, 1.0])))
    1.5
    """
    offset = x - mean
    squared = (offset * np.linalg.solve(covariance, offset.T).T).sum(-1)
    return np.asarray(np.sqrt(squared), np.float64)


def gaussian(x: Floats) -> tuple[Floats, Floats]:
    """Mean and shrunk covariance of statistics (N, F)."""
    covariance = np.cov(x.T) + NOISE * np.eye(x.shape[1])
    diagonal = np.diag(np.diag(covariance))
    return x.mean(0), (1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal


def warn_if_unusual(percentile: float | None) -> None:
    """Issue an `UnusualImageWarning` from the percentile `UNUSUAL` on."""
    if percentile is not None and percentile >= UNUSUAL:
        from codec.errors import UnusualImageWarning  # noqa: PLC0415  (decoders warn of nothing)

        warnings.warn(
            f"unusual image: at percentile {percentile:.1f} of photographs; synthesized detail may "
            "be wrong, consider decoding with realism 0.3",
            UnusualImageWarning,
            stacklevel=3,
        )
