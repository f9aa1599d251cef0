"""What theory says a stochastic decoder's distortion should be.

With x̂ = g(ẑ) + α·r(ẑ + U), E‖x − x̂‖² = D_mean − 2α·E⟨x − g, r⟩ + α²·E‖r‖². The middle term is zero
if g is the mean of x given ẑ and U is independent of x given ẑ. What remains is the line drawn in a
report: D_mean + α²·E‖r‖² (Freirich et al. 2021; Yan et al. 2022).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PEAK = 255.0**2


def predicted_psnr(
    realisms: Sequence[float], psnr: Sequence[Sequence[float]]
) -> list[float] | None:
    """PSNR at each realism if D_mean + α²·E‖r‖² held, from measurements alone.

    E‖r‖² of an image is the curvature of its measured squared error over α; the slope at α = 0,
    which theory has as zero, is fitted beside it and left out.

    Args:
        realisms: the α that were measured; needs 0 and two more to tell the terms apart.
        psnr: for each image, the PSNR in dB at each α.

    Returns:
        Means over the images in dB, in the order of `realisms`; None if the data does not suffice.

    Example:
        >>> d = [100.0, 100 + 0.25 * 80, 100 + 80]  # theory holds: D_mean 100, E‖r‖² 80
        >>> psnr = [[float(10 * np.log10(PEAK / e)) for e in d]]
        >>> [round(p, 2) for p in predicted_psnr([0, 0.5, 1], psnr)] == [
        ...     round(p, 2) for p in psnr[0]
        ... ]
        True
    """
    alpha = np.asarray(realisms, np.float64)
    if 0 not in alpha or len(set(alpha)) < 3 or not psnr:
        return None
    error = PEAK * 10 ** (-np.asarray(psnr, np.float64) / 10)  # (images, realisms)
    mean = error[:, list(alpha).index(0)]
    energy = detail_energy(alpha, error - mean[:, None])
    predicted = mean[:, None] + alpha**2 * energy[:, None]
    return [float(p) for p in (10 * np.log10(PEAK / predicted)).mean(axis=0)]


def detail_energy(alpha: NDArray[np.float64], added: NDArray[np.float64]) -> NDArray[np.float64]:
    """E‖r‖² of each image: least squares of added(α) = −2α·C + α²·E‖r‖², not below 0.

    Args:
        alpha: (realisms,), at least two of them not 0.
        added: (images, realisms), squared error above that of α = 0.
    """
    terms = np.stack([alpha, alpha**2], axis=1)
    solution = np.linalg.lstsq(terms, added.T, rcond=None)[0]
    return np.maximum(solution[1], 0.0)


def psnr_by_realism(
    images: Sequence[Mapping[str, Any]],
    setting: tuple[float | None, float | None],
    realisms: Sequence[float],
) -> list[list[float]]:
    """PSNR of each image at each realism, of the images that have them all at this setting.

    Args:
        images: as result files have them.
        setting: see `codec.report.results.Point`.
        realisms: α, in the order of the columns.
    """
    target, quality = setting
    key, wanted = ("quality", quality) if target is None else ("target-bpp", target)
    rows = []
    for image in images:
        found = {
            point["realism"]: point["psnr-rgb"]
            for point in image["points"]
            if point.get(key) == wanted and "psnr-rgb" in point
        }
        if all(realism in found for realism in realisms):
            rows.append([float(found[realism]) for realism in realisms])
    return rows
