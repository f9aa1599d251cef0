"""Networks over images of any size: tile by tile, equal to one pass over the whole image.

A pass is cut into *steps* (`encoder_pass` and `decoder_pass` beside this file say which). A step
runs on windows of its sources that are larger than the tile by as far as its convolutions reach,
and only the tile of its results is kept. A map between two steps is made as the second one goes
down the image, as far as it asks for, and no more of its rows are held than that needs.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from codec.options import LEAST_TILE
from codec.runtime.windows import Window, part

if TYPE_CHECKING:
    from codec.runtime.maps import Maker, Sink, Source, Step

LEAST_ROWS = 288  # that a row of tiles has: fewer are left to no row, see `Tiles`


class Tiles:
    """The tiles of an image, and what it takes to run a step on them.

    Args:
        height, width: of the image, in pixels, multiples of `cell`.
        cell: of the coarsest map, in pixels: tiles are whole cells.
        side: the most pixels a side of a tile, at least 512. In an image of fewer rows or columns
            tiles are longer, for at least 512² pixels: below about a third of that, torch leaves
            float32 convolutions to another library, which rounds otherwise.
        reaches: how far the steps of a model reach, by name; filled as steps are met.
    """

    def __init__(
        self, height: int, width: int, cell: int, side: int, reaches: dict[str, int]
    ) -> None:
        self.whole = Window(0, 0, height, width)
        self._cell, self._side, self._reaches = cell, side, reaches

    def __iter__(self) -> Iterator[Window]:
        """The tiles, left to right and top to bottom, as equal as whole cells allow."""
        for top, bottom in self._cuts(self.whole.height, self.whole.width):
            for left, right in self._cuts(self.whole.width, self.whole.height):
                yield Window(top, left, bottom, right)

    def _cuts(self, length: int, other: int) -> list[tuple[int, int]]:
        count = -(-length // max(self._side, LEAST_TILE**2 // other))
        step = -(-length // (count * self._cell)) * self._cell
        return [(start, min(start + step, length)) for start in range(0, length, step)]

    def run(self, name: str, step: Step, sources: Sequence[Source], sinks: Sequence[Sink]) -> None:
        """Run a step on every tile (see `rows`)."""
        for _ in self.rows(name, step, sources, sinks):
            pass

    def rows(
        self, name: str, step: Step, sources: Sequence[Source], sinks: Sequence[Sink]
    ) -> Iterator[None]:
        """Run a step on a row of tiles at every `next`, which at the last one ends the iterator.

        Args:
            name: of the step; steps that reach differently have different names.
            step: maps of a window to maps of the same window.
            sources: where its arguments come from, beside the window.
            sinks: where its results go.

        Raises:
            ValueError: a result depends on places too far away, see `reach`.
        """
        for top, bottom in self._cuts(self.whole.height, self.whole.width):
            if top:
                yield
            self._row(name, step, sources, sinks, (top, bottom))

    def maker(
        self, name: str, step: Step, sources: Sequence[Source], sinks: Sequence[Sink]
    ) -> Maker:
        """Run a step on as many rows as the maps that it makes are asked for, see `rows`."""
        return partial(self._made, name, step, sources, sinks)

    def _made(
        self,
        name: str,
        step: Step,
        sources: Sequence[Source],
        sinks: Sequence[Sink],
        rows: tuple[int, int],
    ) -> None:
        """Run a step on at least these rows, and on no narrow row of tiles."""
        top, wanted = rows
        first, height = self._cuts(self.whole.height, self.whole.width)[0], self.whole.height
        bottom = max(-(-wanted // self._cell) * self._cell, top + first[1])
        if height - bottom < LEAST_ROWS:
            bottom = height
        self._row(name, step, sources, sinks, (top, bottom))

    def _row(
        self,
        name: str,
        step: Step,
        sources: Sequence[Source],
        sinks: Sequence[Sink],
        rows: tuple[int, int],
    ) -> None:
        """Run a step on the tiles of some rows."""
        for left, right in self._cuts(self.whole.width, self.whole.height):
            tile = window = Window(rows[0], left, rows[1], right)
            if tile != self.whole:
                if name not in self._reaches:
                    self._reaches[name] = self._reach(step, sources)
                window = tile.grown(self._reaches[name], self.whole)
            self._run_tile(tile, window, step, sources, sinks)
        if rows != (0, self.whole.height):
            _give_back()

    @staticmethod
    def _run_tile(
        tile: Window,
        window: Window,
        step: Step,
        sources: Sequence[Source],
        sinks: Sequence[Sink],
    ) -> None:
        """Run a step on a window, and keep the tile of it; nothing else stays in memory."""
        results = step(window, *(source(window) for source in sources))
        for sink, values in zip(sinks, results, strict=True):
            sink(tile, part(values, window, tile))

    def _reach(self, step: Step, sources: Sequence[Source]) -> int:
        from codec.runtime.reach import reach  # noqa: PLC0415  (graphs come with their reaches)

        corner = Window(0, 0, self._cell, self._cell)
        examples = [source(corner) for source in sources]
        results = step(corner, *examples)
        unit = max(self._cell // values.shape[2] for values in (*examples, *results))
        smallest = Window(0, 0, unit, unit)
        return reach(step, [part(example, corner, smallest) for example in examples], unit)


def _give_back() -> None:
    """Return freed memory to the system: glibc keeps what lies below a piece that is in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)
