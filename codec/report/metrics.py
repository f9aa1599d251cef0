"""The metrics that a report can draw: their names, units and directions."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["distortion", "perception"]


@dataclass(frozen=True)
class Metric:
    """One measure of decoded images, as the keys of a result file name it."""

    key: str
    label: str
    unit: str  # "" if it has none
    higher_is_better: bool
    kind: Kind  # distortion compares pairs of images, perception compares distributions
    digits: int  # after the point, in tables

    @property
    def axis(self) -> str:
        """Title of an axis: name and unit."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    @property
    def better(self) -> str:
        """Which way is better, in words."""
        return "higher is better" if self.higher_is_better else "lower is better"

    @property
    def short(self) -> str:
        """Name for the head of a narrow column."""
        return self.label.replace(" distance, ", " ").removesuffix("-pixel windows")


_KNOWN = (
    Metric("psnr-rgb", "PSNR", "dB", True, "distortion", 2),
    Metric("ms-ssim-rgb", "MS-SSIM", "", True, "distortion", 4),
    Metric("ssimulacra2", "SSIMULACRA 2", "", True, "distortion", 1),
    Metric("flip", "FLIP", "", False, "distortion", 4),
    Metric("gmsd", "GMSD", "", False, "distortion", 4),
    Metric("lpips", "LPIPS", "", False, "distortion", 4),
    Metric("dists", "DISTS", "", False, "distortion", 4),
    Metric("fid", "FID", "", False, "perception", 2),
)
_DISTANCES = {"frechet": ("Fréchet distance", 2), "kid": ("Kernel distance", 4)}
_WINDOWED = re.compile(r"(frechet|kid)-(\d+)")


def metric(key: str) -> Metric | None:
    """The metric of a result file's key; None for what is not a metric that is known.

    Example:
        >>> metric("psnr-rgb").axis
        'PSNR, dB'
        >>> metric("frechet-256").label, metric("frechet-256").short
        ('Fréchet distance, 256-pixel windows', 'Fréchet 256')
        >>> metric("encoding_time") is None
        True
    """
    for known in _KNOWN:
        if key == known.key:
            return known
    windowed = _WINDOWED.fullmatch(key)
    if not windowed:
        return None
    name, digits = _DISTANCES[windowed[1]]
    return Metric(key, f"{name}, {windowed[2]}-pixel windows", "", False, "perception", digits)
