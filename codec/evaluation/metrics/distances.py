"""Distances between originals and decoded images, as two samples of windows' features.

Both are 0 if the images are the same:

- Fréchet (Heusel et al. 2017, arXiv:1706.08500): ‖μ − μ'‖² + tr(Σ + Σ' − 2(ΣΣ')^½). A finite sample
  biases it upwards, little where each decoded window is compared beside its own original.
- KID (Bińkowski et al. 2018, arXiv:1801.01401): the squared MMD with the kernel (x·y/D + 1)³ for D
  dimensions, summed over pairs of windows of different images only. So neither overlapping windows
  nor a window and its own reconstruction are taken for independent ones: it is unbiased, and may be
  negative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def frechet(x: NDArray[np.floating], y: NDArray[np.floating]) -> float:
    """The Fréchet distance of two samples, of any number of windows and dimensions.

    tr (ΣΣ')^½ is the sum of the singular values of FF'ᵀ for any factors Σ = FᵀF; these are at most
    as high as there are windows, so that few windows of many dimensions cost little.

    Args:
        x: [n, D], n two or more.
        y: [m, D], m two or more.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(9, 4))
        >>> round(frechet(x, 2 - x), 6) == round(float(np.square(2 - 2 * x.mean(axis=0)).sum()), 6)
        True
    """
    (mean, factor), (mean2, factor2) = (_mean_and_factor(side) for side in (x, y))
    cross = np.linalg.svd(factor @ factor2.T, compute_uv=False).sum()
    distance = np.square(mean - mean2).sum()
    return float(
        max(0.0, distance + np.square(factor).sum() + np.square(factor2).sum() - 2 * cross)
    )


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
        return frechet(self._x, self._y)

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
        number = np.outer(self.counts, self.counts).astype(np.float64)
        return _between_images(self._pairs, weights) / _between_images(number, weights)

    def _sum_of_pairs(self) -> NDArray[np.float64]:
        """Σ k(x, x') + k(y, y') − k(x, y') − k(y, x') for each two images, [I, I]."""
        rows = []
        for start, count in zip(self._starts, self.counts, strict=True):
            x, y = self._x[start : start + count], self._y[start : start + count]
            h = _kernel(x, self._x) + _kernel(y, self._y) - _kernel(x, self._y)
            h -= _kernel(y, self._x)
            rows.append(np.add.reduceat(h.sum(axis=0), self._starts))
        return np.stack(rows)


def _between_images(
    values: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Σ over pairs of different images [R]: windows of one image are not independent.

    Args:
        values: [I, I], of each two images.
        weights: [R, I], how often each image counts.
    """
    within = np.square(weights) @ np.diag(values)
    return np.einsum("ri,ij,rj->r", weights, values, weights, optimize=True) - within


def basic_interval(value: float, draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """The basic bootstrap interval of 95 %, [low, high], of a distance that is not negative.

    Drawing a window twice adds to the Fréchet distance the bias that it has once already, so the
    percentiles of the draws lie too high; mirrored at the value, 2d - q, they take the bias away.

    Args:
        value: the distance d.
        draws: the same of each bootstrap sample, [R].

    Example:
        >>> basic_interval(5.0, np.array([5.0, 6.0, 7.0, 8.0, 9.0])).round(1)
        array([1.1, 4.9])
    """
    low, high = np.percentile(draws, [2.5, 97.5])
    return np.maximum([2 * value - high, 2 * value - low], 0)


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


def _mean_and_factor(
    values: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean [D], and F [min(n, D), D] with FᵀF the covariance."""
    mean = values.mean(axis=0, dtype=np.float64)
    return mean, np.linalg.qr(values - mean, mode="r") / (len(values) - 1) ** 0.5


def _factor(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    factor: NDArray[np.float64] = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]
    return factor


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    kernel: NDArray[np.float64] = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel
