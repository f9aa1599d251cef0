"""The noise U: Gaussian numbers that depend on a seed and a place, on nothing else.

Every value is a hash of (seed, plane, y, x, channel), so the whole image, a tile of it and a crop
of it see the same noise, on every device. Integers all the way; a table maps them to a normal law.
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist

import torch
from torch import Tensor

LEVELS = 4096  # values of the normal law: its quantiles at (i + ½) / LEVELS
GRAIN = 1024  # they are rounded to multiples of 1/GRAIN: the same floats on every machine


def noise(
    seed: int,
    plane: int,
    corner: tuple[int, int],
    shape: tuple[int, int, int],
    device: torch.device,
) -> Tensor:
    """A rectangle of the standard normal field of a plane.

    Args:
        seed: 0..2**64 - 1.
        plane: 0..2**32 - 1; different planes are independent.
        corner: the rectangle's first row and column, 0..2**32 - 1 each.
        shape: channels, rows, columns.
        device: where to compute; the values do not depend on it.

    Returns:
        (1, channels, rows, columns) float32, channels last in memory: of `LEVELS` values in ±3.7.

    Example:
        >>> cpu = torch.device("cpu")
        >>> whole = noise(7, 8, (0, 0), (2, 6, 6), cpu)
        >>> bool((noise(7, 8, (3, 1), (2, 3, 5), cpu) == whole[:, :, 3:, 1:]).all())
        True
        >>> whole[0, 0, 0, :3].tolist()
        [0.8310546875, 2.0166015625, -0.474609375]
    """
    channels, rows, columns = shape
    key = _mix(_mix(_mix(_number(seed)) + _number(seed >> 32)) + _number(plane)).to(device)
    row = _mix(key + _numbers(corner[0], rows, device))  # (rows,)
    place = _mix(row[:, None] + _numbers(corner[1], columns, device))
    pair = _mix(place[..., None] + _numbers(0, (channels + 1) // 2, device))
    value = torch.stack([pair >> 20, pair >> 8], dim=-1).bitwise_and_(LEVELS - 1).flatten(2)
    u = _quantiles(str(device))[value[..., :channels]]  # (rows, columns, channels)
    return u.permute(2, 0, 1)[None]


def _number(value: int) -> Tensor:
    """The low 32 bits of a number, as the int32 that has them."""
    low = value & 0xFFFFFFFF
    return torch.tensor(low - (low >> 31 << 32), dtype=torch.int32)


def _numbers(start: int, count: int, device: torch.device) -> Tensor:
    return _number(start).to(device) + torch.arange(count, dtype=torch.int32, device=device)


def _mix(x: Tensor) -> Tensor:
    """A permutation of the 32-bit integers with good avalanche (constants by C. Wellons).

    In int32, whose products wrap; `>>` repeats the sign, which the masks cut off.
    """
    x = x ^ ((x >> 16) & 0xFFFF)
    x *= 0x21F0AAAD
    x ^= (x >> 15) & 0x1FFFF
    x *= 0x735A2D97
    x ^= (x >> 15) & 0x1FFFF
    return x


@cache
def _quantiles(device: str) -> Tensor:
    law = NormalDist()
    values = [round(law.inv_cdf((i + 0.5) / LEVELS) * GRAIN) / GRAIN for i in range(LEVELS)]
    return torch.tensor(values, dtype=torch.float32, device=device)
