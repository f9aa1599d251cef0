"""MS-SSIM (Wang et al. 2003, doi:10.1109/ACSSC.2003.1292216) for sides of any parity.

Five scales; windows of 11 x 11 pixels that lie within the image, Gaussian with σ = 1.5; K₁ = 0.01,
K₂ = 0.03. A scale is made of the one before by means of 2 x 2 pixels from the top left, and a last
row or column that has no neighbour is its own neighbour: the authors' low-pass filter with
symmetric borders, whose every other value is kept. Packages that put the padding at the top or at
the left move every cell by a pixel, and packages that drop the last row measure another image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, from the finest
SIDE, SIGMA = 11, 1.5  # of the window, in pixels
SMALLEST = 161  # pixels a side of an image whose fifth scale holds a window
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
BELL = np.exp(-np.square(np.arange(SIDE) - SIDE // 2) / (2 * SIGMA**2))
KERNEL = BELL / BELL.sum()

Planes = NDArray[np.float64]


def score(original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
    """Mean over the channels of two images uint8 [H, W, C], 0..1, linear; 1 is the same image.

    A scale whose contrast and structure are negatively correlated counts as 0.

    Raises:
        ValueError: a side is below 161 pixels.

    Example:
        >>> x = np.random.default_rng(0).integers(0, 256, (161, 170, 3), np.uint8)
        >>> score(x, x), round(score(x, x // 2), 3)
        (1.0, 0.82)
    """
    if min(original.shape[:2]) < SMALLEST:
        raise ValueError(
            f"MS-SSIM of an image of {original.shape[1]}x{original.shape[0]} pixels: "
            f"expected sides of {SMALLEST} or more"
        )
    x, y = original.astype(np.float64), decoded.astype(np.float64)
    product = np.ones(x.shape[2])
    for scale, weight in enumerate(WEIGHTS):
        if scale:
            x, y = _halved(x), _halved(y)
        luminance, contrast_structure = _maps(x, y)
        last = scale == len(WEIGHTS) - 1
        similarity = luminance * contrast_structure if last else contrast_structure
        product *= np.maximum(similarity.mean(axis=(0, 1)), 0) ** weight
    return float(product.mean())


def _maps(x: Planes, y: Planes) -> tuple[Planes, Planes]:
    """Luminance, and contrast times structure, at every window."""
    mean_x, mean_y = _windows(x), _windows(y)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    variances = _windows(x * x + y * y) - squares
    covariance = _windows(x * y) - product
    return (2 * product + C1) / (squares + C1), (2 * covariance + C2) / (variances + C2)


def _windows(planes: Planes) -> Planes:
    """Gaussian means of all windows that lie within the image."""
    from scipy.ndimage import correlate1d  # noqa: PLC0415

    inside = slice(SIDE // 2, -(SIDE // 2))
    rows = correlate1d(planes, KERNEL, axis=0)[inside]
    means: Planes = correlate1d(rows, KERNEL, axis=1)[:, inside]
    return means


def _halved(planes: Planes) -> Planes:
    """Means of 2 x 2 pixels; the last row or column counts twice if it is alone."""
    height, width = planes.shape[:2]
    even = np.pad(planes, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    halved: Planes = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2, -1).mean(
        axis=(1, 3)
    )
    return halved
