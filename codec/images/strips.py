"""The rows of an image, from memory to the networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.uint8]


class Bands:
    """An image in bands of rows, which can be let go one by one.

    Args:
        bands: uint8 [rows, W, 3] each, top to bottom, at least one. Memory is freed if nothing
            else holds them.
    """

    def __init__(self, bands: Sequence[Samples]) -> None:
        self._bands = list(bands)
        self._tops = [0]
        for band in bands:
            self._tops.append(self._tops[-1] + len(band))
        self.height, self.width = self._tops[-1], bands[0].shape[1]

    def read(self, top: int, left: int, bottom: int, right: int) -> Samples:
        """A copy of a rectangle, uint8 [rows, columns, 3], as far as it is inside the image.

        >>> bands = Bands([np.full((2, 4, 3), n, np.uint8) for n in range(3)])
        >>> bands.read(1, 0, 4, 2)[:, 0, 0].tolist(), bands.read(4, 0, 9, 9).shape
        ([0, 1, 1], (2, 4, 3))
        """
        pieces = []
        for first, band in zip(self._tops, self._bands, strict=False):
            if first < bottom and first + len(band) > top:
                pieces.append(band[max(top - first, 0) : bottom - first, left:right])
        return np.concatenate(pieces)

    def forget(self, top: int) -> None:
        """Let go what is above a row, but for the rest of its band."""
        for number, end in enumerate(self._tops[1:]):
            if end <= top:
                self._bands[number] = self._bands[number][:0].copy()
