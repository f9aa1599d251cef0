"""Texture codes: what the conditional mean lacks, cell by cell, in the encoder's words.

The codes of the latents say what the picture is, as far as it was worth the bits. Where they are
silent, the picture may be smooth, or it may have a texture that was not worth its bits, and the
detail network cannot know which. A texture code says it: for each cell of 32 pixels, the nearest
centroid to statistics of x − g(ẑ). "None" is one of the codes: r then adds nothing there.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codec.networks.config import TEXTURE_CELL, TEXTURE_DIM

if TYPE_CHECKING:
    from codec.runtime.engine import Floats

BLOCK = 8  # pixels a side of the blocks whose spectrum is taken, and of a texture map's cells
BANDS = 10  # three bands of frequency by three directions in luma, and one band of chroma
STATISTICS = TEXTURE_DIM - 2  # the bands, and four quarters of a cell; then the two flags
FLOOR = 2e-5  # energy per pixel of rounding to 8 bits, pixels in [-1, 1]
FLAT = 1.5 / 127.5  # a cell nearer than that to a plane has no texture
RATE = 1.0  # squared distance that a bit is worth
UNKNOWN, NONE = 0, 1  # the codes that say nothing, and that there is nothing


@cache
def _spectrum() -> tuple[Floats, Floats]:
    """The cosine transform of a block (64, 64), and the band of each coefficient (64, 9).

    A coefficient's band follows from its frequency u + v (1-2, 3-5, 6-14) and its direction: mostly
    horizontal, mostly vertical, or neither.
    """
    k = np.arange(BLOCK)
    rows = np.cos(np.pi * k[:, None] * (2 * k + 1) / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    rows[0] /= np.sqrt(2)
    basis = np.kron(rows, rows)
    u, v = (c.ravel() for c in np.indices((BLOCK, BLOCK)))
    frequency = np.digitize(u + v, [3, 6])
    direction = np.where(v > 2 * u, 0, np.where(u > 2 * v, 1, 2))
    bands = np.zeros((BLOCK**2, BANDS - 1))
    bands[np.arange(1, BLOCK**2), (3 * frequency + direction)[1:]] = 1
    return basis.astype(np.float32), bands.astype(np.float32)


def energies(e: Any) -> tuple[Any, Any]:
    """The energy of a residual in each block of 8 pixels, per pixel.

    Args:
        e: (N, 3, H, W) float32, pixels in units of [-1, 1], H and W multiples of 8: an array, or a
            tensor of torch.

    Returns:
        In the bands of luma (N, H/8, W/8, 9) and in chroma (N, H/8, W/8), of the same kind.
    """
    basis, bands = _spectrum()
    if not isinstance(e, np.ndarray):
        basis, bands = e.new_tensor(basis), e.new_tensor(bands)
    n, _, height, width = e.shape
    red, green, blue = e[:, 0], e[:, 1], e[:, 2]
    blocks = ((red + green + blue) / 3**0.5).reshape(
        n, height // BLOCK, BLOCK, width // BLOCK, BLOCK
    )
    blocks = blocks.swapaxes(2, 3).reshape(n, height // BLOCK, width // BLOCK, BLOCK**2)
    coloured = (red - blue) ** 2 / 2 + (red - 2 * green + blue) ** 2 / 6
    coloured = coloured.reshape(n, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return (blocks @ basis.T) ** 2 @ bands / BLOCK**2, coloured.mean(4).mean(2)


def statistics(e: Floats) -> Floats:
    """What texture codes say of a residual.

    Args:
        e: x − g, (N, 3, H, W), pixels in units of [-1, 1], H and W multiples of 32.

    Returns:
        (N, H/32, W/32, 14): per band the logarithm of its energy, in units of two octaves above
        2^-10, and per quarter of the cell how far the energy of luma is above the cell's, in units
        of three octaves.
    """
    luma, chroma = energies(e)
    per_block = np.concatenate([luma, chroma[..., None]], 3)
    n, rows, columns, _ = per_block.shape
    half = TEXTURE_CELL // BLOCK // 2
    quarters = per_block.reshape(n, rows // half, half, columns // half, half, BANDS).mean((2, 4))
    quarters = quarters.reshape(n, rows // half // 2, 2, columns // half // 2, 2, BANDS)
    whole = quarters.mean((2, 4))
    of_quarters = np.log2(quarters[..., :-1].sum(5) + FLOOR).swapaxes(2, 3)
    of_cell = np.log2(whole[..., :-1].sum(3) + FLOOR)[..., None, None]
    parts = (of_quarters - of_cell).reshape(*whole.shape[:3], 4)
    return np.concatenate([(np.log2(whole + FLOOR) + 10) / 2, parts / 3], 3, dtype=np.float32)


def nothing() -> Floats:
    """The statistics (14,) of a cell that lacks nothing: those of the code "none"."""
    return statistics(np.zeros((1, 3, TEXTURE_CELL, TEXTURE_CELL), np.float32))[0, 0, 0]


def is_flat(x: Floats) -> NDArray[np.bool_]:
    """Which cells are of one colour, or an even gradient.

    Args:
        x: (N, 3, H, W), pixels in [-1, 1], H and W multiples of 32.

    Returns:
        (N, H/32, W/32): whether all pixels are within a level and a half of a plane.
    """
    side = TEXTURE_CELL
    n, _, height, width = x.shape
    cells = x.reshape(n, 3, height // side, side, width // side, side)
    ramp = np.arange(side, dtype=np.float32) - (side - 1) / 2
    ramps = [ramp[:, None, None], ramp]
    plane = cells.mean((3, 5), keepdims=True)
    for along in ramps:
        slope = (cells * along).sum((3, 5), keepdims=True) / np.square(ramp).sum() / side
        plane = plane + slope * along
    return np.asarray(np.abs(cells - plane).max((1, 3, 5)) <= FLAT)


def choose(book: Floats, lengths: Floats, x: Floats, mean: Floats) -> NDArray[np.int32]:
    """The texture codes of an image: least squared distance + bits, "none" where it is flat.

    Args:
        book: centroids (K, 16).
        lengths: bits of each code (K,).
        x: the image (N, 3, H, W), pixels in [-1, 1], H and W multiples of 32.
        mean: g(ẑ), of the same shape.

    Returns:
        (N, H/32, W/32), each in 1..K-1.
    """
    found = statistics(x - mean)
    known = book[1:, :STATISTICS]
    score = np.square(known).sum(1) + RATE * lengths[1:] - 2 * found @ known.T
    codes = 1 + score.argmin(3)
    return np.where(is_flat(x), NONE, codes).astype(np.int32)


def texture_map(centroids: Floats) -> Floats:
    """What the detail network takes: centroids (N, h, w, 16) as (N, 16, 4·h, 4·w)."""
    times = TEXTURE_CELL // BLOCK
    return centroids.transpose(0, 3, 1, 2).repeat(times, 2).repeat(times, 3)
