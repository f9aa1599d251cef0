"""The noise U: Gaussian numbers that depend on a seed and a place, on nothing else.

Every value is a hash of (seed, plane, y, x, channel), so the whole image, a tile of it and a crop
of it see the same noise, on every device. Integers all the way; a table maps them to a normal law.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

LEVELS = 4096  # values of the normal law: its quantiles at (i + ½) / LEVELS
GRAIN = 1024  # they are rounded to multiples of 1/GRAIN: the same floats on every machine

Words = NDArray[np.uint32]


def noise(
    seed: int, plane: int, corner: tuple[int, int], shape: tuple[int, int, int]
) -> NDArray[np.float32]:
    """A rectangle of the standard normal field of a plane.

    Args:
        seed: 0..2**64 - 1.
        plane: 0..2**32 - 1; different planes are independent.
        corner: the rectangle's first row and column, 0..2**32 - 1 each.
        shape: channels, rows, columns.

    Returns:
        (1, channels, rows, columns) float32, channels last in memory: of `LEVELS` values in ±3.7.

    Example:
        >>> whole = noise(7, 8, (0, 0), (2, 6, 6))
        >>> bool((noise(7, 8, (3, 1), (2, 3, 5)) == whole[:, :, 3:, 1:]).all())
        True
        >>> whole[0, 0, 0, :3].tolist()
        [0.8310546875, 2.0166015625, -0.474609375]
    """
    channels, rows, columns = shape
    key = _mix(_mix(_mix(_numbers(seed, 1)) + _numbers(seed >> 32, 1)) + _numbers(plane, 1))
    row = _mix(key + _numbers(corner[0], rows))  # (rows,)
    place = _mix(row[:, None] + _numbers(corner[1], columns))
    pair = _mix(place[..., None] + _numbers(0, (channels + 1) // 2))
    value = np.stack([pair >> 20, (pair >> 8) & (LEVELS - 1)], axis=-1)
    u = _quantiles()[value.reshape(rows, columns, -1)[..., :channels]]
    return u.transpose(2, 0, 1)[None]


def draw(
    planes: Sequence[tuple[int, int]], seed: int, corner: tuple[int, int], size: tuple[int, int]
) -> list[NDArray[np.float32]]:
    """U of a rectangle of an image: a plane of noise a scale, numbered by its cell.

    Args:
        planes: side of a cell in pixels, and channels, per scale.
        seed: 0..2**64 - 1.
        corner: the rectangle's first row and column in pixels, multiples of all cells.
        size: its rows and columns in pixels, multiples of all cells.

    Returns:
        Per scale (1, channels, rows/cell, columns/cell).

    Example:
        >>> [u.shape for u in draw([(8, 16), (4, 2)], 0, (64, 0), (32, 64))]
        [(1, 16, 4, 8), (1, 2, 8, 16)]
    """
    return [
        noise(
            seed,
            cell,
            (corner[0] // cell, corner[1] // cell),
            (channels, size[0] // cell, size[1] // cell),
        )
        for cell, channels in planes
    ]


def _numbers(start: int, count: int) -> Words:
    """Consecutive numbers from the low 32 bits of one on, which wrap around at 2**32."""
    return np.uint32(start & 0xFFFFFFFF) + np.arange(count, dtype=np.uint32)


def _mix(x: Words) -> Words:
    """A permutation of the 32-bit integers with good avalanche (constants by C. Wellons)."""
    x = x ^ (x >> np.uint32(16))
    x *= np.uint32(0x21F0AAAD)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x735A2D97)
    x ^= x >> np.uint32(15)
    return x


@cache
def _quantiles() -> NDArray[np.float32]:
    from statistics import NormalDist  # noqa: PLC0415  (decimal, fractions: not for realism 0)

    law = NormalDist()
    values = [round(law.inv_cdf((i + 0.5) / LEVELS) * GRAIN) / GRAIN for i in range(LEVELS)]
    return np.array(values, np.float32)
