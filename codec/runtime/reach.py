"""How far from a place the results of a step depend on it, found by running it on NaN.

Whatever depends on a block of NaN becomes NaN, for any weights: reach belongs to the shape of a
network, not to its training.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from codec.runtime.engine import Array
from codec.runtime.maps import Step
from codec.runtime.windows import Window, part

FARTHEST = 1 << 12  # pixels; what reaches farther is no convolution over a neighbourhood
BF16_NAN, BF16_INFINITY, BF16_SIGN = 0x7FC0, 0x7F80, 0x8000


def reach(step: Step, examples: Sequence[Array], unit: int) -> int:
    """How far from a place the results of a step depend on it (with gaps of 8 units at most).

    Args:
        step: see `Tiles.run`.
        examples: the arguments, beside the window, for some window of `unit` x `unit` pixels.
        unit: a multiple of all cells.

    Returns:
        Pixels, rounded up to a multiple of the coarsest cell of arguments and results.

    Raises:
        ValueError: farther than `FARTHEST`.

    Example:
        >>> def blur(window, x):
        ...     wide = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
        ...     return [sum(wide[:, :, k : k + x.shape[2], 2:-2] for k in range(5))]
        >>> reach(blur, [np.zeros((1, 1, 8, 8), np.float32)], unit=8)
        2
    """
    before = -1
    for around in (2**k for k in range(2, 20) if unit * 2**k <= FARTHEST):
        side = (2 * around + 1) * unit
        whole, middle = Window(0, 0, side, side), unit * around
        block = Window(middle, middle, middle + unit, middle + unit)
        maps = [_with_block(example, whole, block, 2 * around + 1) for example in examples]
        results = step(whole, *maps)
        cells = [side // values.shape[2] for values in (*maps, *results)]
        farthest = max(_spread(values, whole, block) for values in results)
        if farthest == before:  # a window of twice the size shows no more
            return -(-farthest // max(cells)) * max(cells)
        before = farthest
    raise ValueError(f"a step depends on places farther than {FARTHEST} pixels: it cannot be tiled")


def _with_block(example: Array, whole: Window, block: Window, times: int) -> Array:
    """Zeros like an example, of `times` its height and width, with a block of NaN."""
    rows, columns = (n * times for n in example.shape[2:])
    values = np.zeros_like(example, shape=(1, example.shape[1], rows, columns))
    part(values, whole, block)[...] = np.nan if values.dtype.kind == "f" else BF16_NAN
    return values


def _is_nan(values: Array) -> NDArray[np.bool_]:
    """Where a map is NaN; int16 are the bits of bfloat16, see `codec.runtime.engine`."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    bits = values.view(np.uint16) & np.uint16(BF16_SIGN - 1)
    return bits > np.uint16(BF16_INFINITY)


def _spread(values: Array, whole: Window, block: Window) -> int:
    """The most pixels between the block and a NaN of a map."""
    cell = whole.height // values.shape[2]
    _, _, rows, columns = np.nonzero(_is_nan(values))
    if not len(rows):
        return 0
    top, left = int(rows.min()) * cell, int(columns.min()) * cell
    bottom, right = (int(rows.max()) + 1) * cell, (int(columns.max()) + 1) * cell
    return max(block.top - top, bottom - block.bottom, block.left - left, right - block.right, 0)
