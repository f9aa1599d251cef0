"""Feature maps of a whole image: one that is held whole, and one that is made while it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from codec.runtime.engine import Array
from codec.runtime.windows import Window, empty_like, part

Source: TypeAlias = Callable[[Window], Array]  # (1, C, height/cell, width/cell) of a window
Step: TypeAlias = Callable[..., Sequence[Array]]  # (window, maps of it) -> maps of it
Sink: TypeAlias = Callable[[Window, Array], None]  # takes what a source gives

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


class Flow:
    """A feature map that is made while it is read, a row of tiles at a time.

    The windows of each of its readers never go back up: rows above them all are freed.

    Args:
        whole: the image's window.
    """

    def __init__(self, whole: Window) -> None:
        self._held = Window(0, 0, 0, whole.right)  # the rows that are there
        self._needed: list[int] = []  # the first that can be asked for again, by reader
        self._values: Array = NOTHING  # (1, C, rows/cell, width/cell)
        self._maker: Iterator[None] = iter(())

    def made_by(self, maker: Iterator[None]) -> None:
        """Name what writes a row of tiles at every step, see `Tiles.rows`."""
        self._maker = maker

    def write(self, window: Window, values: Array) -> None:
        """Set a window of the next row of tiles."""
        if window.bottom > self._held.bottom:
            top = min(self._needed)
            held = Window(top, 0, window.bottom, self._held.right)
            grown = empty_like(values, window, held)
            if top < self._held.bottom:
                kept = Window(top, 0, self._held.bottom, self._held.right)
                part(grown, held, kept)[...] = part(self._values, self._held, kept)
            self._held, self._values = held, grown
        part(self._values, self._held, window)[...] = values

    def reader(self) -> Source:
        """A new reader; all readers are created before the first one reads."""
        self._needed.append(0)
        return _Reader(self, len(self._needed) - 1)

    def read(self, reader: int, window: Window) -> Array:
        """What a reader sees of a window; rows are made first as they are needed."""
        self._needed[reader] = window.top
        while self._held.bottom < window.bottom:
            next(self._maker, None)
        return part(self._values, self._held, window)


class _Reader:
    """One of those who read a flow, by its number."""

    def __init__(self, flow: Flow, number: int) -> None:
        self._flow, self._number = flow, number

    def __call__(self, window: Window) -> Array:
        return self._flow.read(self._number, window)
