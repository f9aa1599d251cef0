"""Rectangles of an image, and what lies in them of a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from codec.runtime.engine import Array


@dataclass(frozen=True)
class Window:
    """A rectangle of an image, in pixels."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.right - self.left

    def grown(self, margin: int, whole: Window) -> Window:
        """The window with a margin on each side, as far as `whole` goes.

        >>> Window(32, 0, 64, 32).grown(16, Window(0, 0, 64, 96))
        Window(top=16, left=0, bottom=64, right=48)
        """
        return Window(
            max(self.top - margin, whole.top),
            max(self.left - margin, whole.left),
            min(self.bottom + margin, whole.bottom),
            min(self.right + margin, whole.right),
        )

    def rounded(self, cell: int) -> Window:
        """The smallest window of whole cells that covers this one.

        >>> Window(8, 16, 40, 64).rounded(32)
        Window(top=0, left=0, bottom=64, right=64)
        """
        return Window(
            self.top // cell * cell,
            self.left // cell * cell,
            -(-self.bottom // cell) * cell,
            -(-self.right // cell) * cell,
        )


def part(values: Array, outer: Window, inner: Window) -> Array:
    """The inner window of a map (1, C, rows, columns) of the outer one, as a view.

    >>> quarters = np.arange(4.0).reshape(1, 1, 2, 2)
    >>> part(quarters, Window(0, 0, 64, 64), Window(0, 32, 64, 64)).tolist()
    [[[[1.0], [3.0]]]]
    """
    cell = outer.height // values.shape[2]
    rows = slice((inner.top - outer.top) // cell, (inner.bottom - outer.top) // cell)
    columns = slice((inner.left - outer.left) // cell, (inner.right - outer.left) // cell)
    return values[:, :, rows, columns]


def empty_like(values: Array, window: Window, larger: Window) -> Array:
    """A map of a larger window, not yet set, of the type and layout of one of a window."""
    cell = window.height // values.shape[2]
    shape = (1, values.shape[1], larger.height // cell, larger.width // cell)
    return np.empty_like(values, shape=shape)
