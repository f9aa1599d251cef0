"""Feature maps of a whole image: one that is held whole, and one that is made while it is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from codec.runtime.windows import Window, empty_like, part

if TYPE_CHECKING:
    from codec.runtime.engine import Array

Source: TypeAlias = "Callable[[Window], Array]"  # (1, C, height/cell, width/cell) of a window
Step: TypeAlias = "Callable[..., Sequence[Array]]"  # (window, maps of it) -> maps of it
Sink: TypeAlias = "Callable[[Window, Array], None]"  # takes what a source gives
Maker: TypeAlias = Callable[[tuple[int, int]], None]  # makes the rows between two numbers

NOTHING = np.empty((1, 0, 0, 0), np.float32)


class Map:
    """A feature map of a whole image, which sources and sinks share.

    Args:
        whole: the image's window.
    """

    def __init__(self, whole: Window) -> None:
        self._whole = whole
        self.values: Array = NOTHING  # (1, C, height/cell, width/cell), from the first `write` on

    def write(self, window: Window, values: Array) -> None:
        """Set a window; the first one also says how many channels there are, and of what."""
        if not self.values.size:
            self.values = empty_like(values, window, self._whole)
        part(self.values, self._whole, window)[...] = values

    def add(self, window: Window, values: Array) -> None:
        """Add to a window that is set."""
        part(self.values, self._whole, window)[...] += values


class Position:
    """How far down the readers of one step have come: none of them goes back up.

    Args:
        cell: in pixels; the windows of the step begin in the same row of such cells.
    """

    def __init__(self, cell: int) -> None:
        self._cell = cell
        self.top = 0  # the first row that can be asked for again

    def move(self, window: Window) -> None:
        """One of the readers asks for a window."""
        self.top = window.top // self._cell * self._cell


class Flow:
    """A feature map that is made while it is read, a row of tiles at a time.

    Rows above the positions of all its readers are freed. Rows are made as far down as they are
    asked for, so whoever needs most of them should read first.

    Args:
        whole: the image's window.
    """

    def __init__(self, whole: Window) -> None:
        self._held = Window(0, 0, 0, whole.right)  # the rows that are there
        self._readers: list[Position] = []
        self._values: Array = NOTHING  # (1, C, rows/cell, width/cell)
        self._maker: Maker | None = None

    def made_by(self, maker: Maker) -> None:
        """Name what writes rows of tiles, see `Tiles.maker`."""
        self._maker = maker

    def write(self, window: Window, values: Array) -> None:
        """Set a window of the next row of tiles."""
        if window.bottom > self._held.bottom:
            self._grow(window, values)
        part(self._values, self._held, window)[...] = values

    def _grow(self, window: Window, values: Array) -> None:
        """Make room for a row of tiles, of the type of a window's values, and free what is above.

        The old rows are freed before the new ones are there: only those that stay are held twice.
        """
        top, bottom = min(position.top for position in self._readers), self._held.bottom
        held = Window(top, 0, window.bottom, self._held.right)
        kept = Window(top, 0, max(top, bottom), self._held.right)
        rows = part(self._values, self._held, kept).copy() if top < bottom else None
        self._values = NOTHING
        self._values = empty_like(values, window, held)
        if rows is not None:
            part(self._values, held, kept)[...] = rows
        self._held = held

    def reader(self, position: Position) -> Source:
        """A new reader, of a step; all readers are created before the first one reads."""
        self._readers.append(position)
        return partial(self._read, position)

    def _read(self, position: Position, window: Window) -> Array:
        """What a reader sees of a window; rows are made first as they are needed."""
        position.move(window)
        if self._held.bottom < window.bottom and self._maker is not None:
            self._maker((self._held.bottom, window.bottom))
        return part(self._values, self._held, window)
