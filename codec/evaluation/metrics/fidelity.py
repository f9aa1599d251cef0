"""Fidelity: how close a decoded image is to its original.

Each metric takes two sRGB images, uint8 [H, W, 3] of the same size, and gives one float:

- `psnr-rgb`, dB: 10·log10(255² / MSE) over all samples of R, G and B; 100 where it would be more.
- `ms-ssim-rgb`, 0..1: Wang et al. 2003, mean over R, G and B, linear, see
  `codec.evaluation.metrics.ms_ssim`; sides above 160.
- `ssimulacra2`, ..100: Sneyers 2022, see `codec.evaluation.metrics.ssimulacra`; sides of 8 or more.
- `flip`, 0..1, lower is better: Andersson et al. 2020, LDR at 67 pixels a degree (flip-evaluator).
- `gmsd`, lower is better: Xue et al. 2014, doi:10.1109/TIP.2013.2293423, on luma (Y of YIQ) of
  half the resolution, as `gmsd` here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from codec.evaluation.metrics import ms_ssim as multi_scale

Samples = NDArray[np.uint8]

PSNR_CAP = 100.0  # dB; no infinity is ever written
SSIMULACRA2_SIDE = 8


def psnr(original: Samples, decoded: Samples) -> float:
    """PSNR over all samples in dB, at most 100.

    Example:
        >>> x = np.zeros((4, 4, 3), np.uint8)
        >>> round(psnr(x, x + 1), 2), psnr(x, x)
        (48.13, 100.0)
    """
    error = np.square(original.astype(np.float64) - decoded).mean()
    return min(PSNR_CAP, 10 * math.log10(255**2 / error)) if error else PSNR_CAP


def ms_ssim(original: Samples, decoded: Samples) -> float:
    """Multi-scale SSIM, mean of R, G and B, linear (not in dB): 1 is the same image."""
    return multi_scale.score(original, decoded)


def ssimulacra2(original: Samples, decoded: Samples) -> float:
    """SSIMULACRA 2: 100 is the same image, 90 hardly different, 50 medium quality, < 0 very bad."""
    from codec.evaluation.metrics.ssimulacra import score  # noqa: PLC0415

    return score(original, decoded)


def flip(original: Samples, decoded: Samples) -> float:
    """Mean of NVIDIA's FLIP error map, 0 for the same image."""
    from flip_evaluator import evaluate  # noqa: PLC0415

    x, y = (image.astype(np.float32) / 255 for image in (original, decoded))
    return float(evaluate(x, y, "LDR", applyMagma=False)[1])


def gmsd(original: Samples, decoded: Samples) -> float:
    """Standard deviation of the gradient magnitude similarity, 0 for the same image.

    Example:
        >>> x = np.zeros((16, 16, 3), np.uint8)
        >>> gmsd(x, x)
        0.0
    """
    x, y = _gradient(original), _gradient(decoded)
    constant = 170 / 255**2
    return float(((2 * x * y + constant) / (x * x + y * y + constant)).std())


METRICS: Mapping[str, Callable[[Samples, Samples], float]] = {
    "psnr-rgb": psnr,
    "ms-ssim-rgb": ms_ssim,
    "ssimulacra2": ssimulacra2,
    "flip": flip,
    "gmsd": gmsd,
}
_NEEDS = {
    "ms-ssim-rgb": "scipy",
    "ssimulacra2": "ssimulacra2",
    "flip": "flip_evaluator",
}
_SMALLEST = {"ms-ssim-rgb": multi_scale.SMALLEST, "ssimulacra2": SSIMULACRA2_SIDE}


def unmeasured() -> dict[str, str]:
    """Metrics whose package is not installed, and why that is."""
    return {
        name: f"the package {module} is not installed: pip install 'bibcodec[metrics]'"
        for name, module in _NEEDS.items()
        if find_spec(module) is None
    }


def measure(original: Samples, decoded: Samples) -> dict[str, float]:
    """All metrics that can be had of two images.

    Args:
        original: uint8 [H, W, 3], sRGB.
        decoded: the same.

    Returns:
        A value per metric; a metric is left out if its package is not installed or if the image is
        too small for it.

    Raises:
        ValueError: the sizes differ.
    """
    if original.shape != decoded.shape:
        raise ValueError(f"sizes differ: {decoded.shape[:2]}, expected {original.shape[:2]}")
    missing = unmeasured()
    return {
        name: metric(original, decoded)
        for name, metric in METRICS.items()
        if name not in missing and min(original.shape[:2]) >= _SMALLEST.get(name, 1)
    }


def _gradient(image: Samples) -> NDArray[np.float64]:
    """Magnitude of the Prewitt gradient of luma at half the resolution, zero beyond the edges."""
    luma = image.astype(np.float64) @ (np.array([0.299, 0.587, 0.114]) / 255)
    height, width = luma.shape
    luma = np.pad(luma, ((0, height % 2), (0, width % 2)))
    half = luma.reshape(luma.shape[0] // 2, 2, luma.shape[1] // 2, 2).mean(axis=(1, 3))
    h = np.pad(half, 1)
    rows = h[:-2] + h[1:-1] + h[2:]
    columns = h[:, :-2] + h[:, 1:-1] + h[:, 2:]
    across, down = (rows[:, 2:] - rows[:, :-2]) / 3, (columns[2:] - columns[:-2]) / 3
    return np.hypot(across, down)
