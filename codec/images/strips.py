"""The rows of an image, from memory to the networks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.uint8]


class Strips:
    """An image in strips of rows, whose memory can be freed strip by strip.

    Args:
        strips: uint8 [rows, W, 3] each, top to bottom, at least one. Memory is freed if nothing
            else holds them.
    """

    def __init__(self, strips: Sequence[Samples]) -> None:
        self._strips = list(strips)
        self._tops = [0]
        for strip in strips:
            self._tops.append(self._tops[-1] + len(strip))
        self.height, self.width = self._tops[-1], strips[0].shape[1]

    def read(self, top: int, left: int, bottom: int, right: int) -> Samples:
        """A copy of the part of a rectangle that lies inside the image, uint8 [rows, columns, 3].

        >>> strips = Strips([np.full((2, 4, 3), n, np.uint8) for n in range(3)])
        >>> strips.read(1, 0, 4, 2)[:, 0, 0].tolist(), strips.read(4, 0, 9, 9).shape
        ([0, 1, 1], (2, 4, 3))
        """
        pieces = []
        for first, strip in zip(self._tops, self._strips, strict=False):
            if first < bottom and first + len(strip) > top:
                pieces.append(strip[max(top - first, 0) : bottom - first, left:right])
        return np.concatenate(pieces)

    def forget(self, top: int) -> None:
        """Free the strips that end above a row."""
        for number, end in enumerate(self._tops[1:]):
            if end <= top:
                self._strips[number] = self._strips[number][:0].copy()
