"""Networks over images of any size: tile by tile, equal to one pass over the whole image.

A pass is cut into *steps* (`model` and `decoder_pass` beside this file say which). A step runs on
windows of its sources that are larger than the tile by as far as its convolutions reach, and only
the tile of its results is kept; a map between two steps is made as the second one goes down the
image, and no more of its rows are held than that needs. How far they reach is found by running the
step itself on a block of NaN: whatever depends on the block becomes NaN.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from codec.options import LEAST_TILE

FARTHEST = 1 << 12  # pixels; what reaches farther is no convolution over a neighbourhood


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
        """The least window of whole cells that covers this one.

        >>> Window(8, 16, 40, 64).rounded(32)
        Window(top=0, left=0, bottom=64, right=64)
        """
        return Window(
            self.top // cell * cell,
            self.left // cell * cell,
            -(-self.bottom // cell) * cell,
            -(-self.right // cell) * cell,
        )


Source = Callable[[Window], Tensor]  # (1, C, height/cell, width/cell) of a window
Sink = Callable[[Window, Tensor], None]  # takes what a source gives
Step = Callable[..., Sequence[Tensor]]  # (window, maps of it) -> maps of it


def part(values: Tensor, outer: Window, inner: Window) -> Tensor:
    """The inner window of a map (1, C, rows, columns) of the outer one.

    >>> quarters = torch.arange(4.0).view(1, 1, 2, 2)
    >>> part(quarters, Window(0, 0, 64, 64), Window(0, 32, 64, 64)).tolist()
    [[[[1.0], [3.0]]]]
    """
    cell = outer.height // values.shape[2]
    rows = slice((inner.top - outer.top) // cell, (inner.bottom - outer.top) // cell)
    columns = slice((inner.left - outer.left) // cell, (inner.right - outer.left) // cell)
    return values[:, :, rows, columns]


class Map:
    """A feature map of a whole image, which sources and sinks share.

    Args:
        whole: the image's window.
    """

    def __init__(self, whole: Window) -> None:
        self._whole = whole
        self.values = torch.empty(0)  # (1, C, height/cell, width/cell), from the first `write` on

    def write(self, window: Window, values: Tensor) -> None:
        """Set a window; the first one also says how many channels there are, and of what."""
        if not self.values.numel():
            self.values = _like(values, window, self._whole)
        part(self.values, self._whole, window).copy_(values)

    def add(self, window: Window, values: Tensor) -> None:
        """Add to a window that is set."""
        part(self.values, self._whole, window).add_(values)


class Flow:
    """A feature map that is made while it is read, a row of tiles at a time.

    The windows of each of its readers never go back up: rows above them all are let go.

    Args:
        whole: the image's window.
    """

    def __init__(self, whole: Window) -> None:
        self._held = Window(0, 0, 0, whole.right)  # the rows that are there
        self._needed: list[int] = []  # the first that can be asked for again, by reader
        self._values = torch.empty(0)  # (1, C, rows/cell, width/cell)
        self._maker: Iterator[None] = iter(())

    def made_by(self, maker: Iterator[None]) -> None:
        """Name what writes a row of tiles at every step, see `Tiles.rows`."""
        self._maker = maker

    def write(self, window: Window, values: Tensor) -> None:
        """Set a window of the next row of tiles."""
        if window.bottom > self._held.bottom:
            top = min(self._needed)
            held = Window(top, 0, window.bottom, self._held.right)
            grown = _like(values, window, held)
            if top < self._held.bottom:
                kept = Window(top, 0, self._held.bottom, self._held.right)
                part(grown, held, kept).copy_(part(self._values, self._held, kept))
            self._held, self._values = held, grown
        part(self._values, self._held, window).copy_(values)

    def reader(self) -> Source:
        """A new reader, who is to begin before anything is let go."""
        number = len(self._needed)
        self._needed.append(0)

        def read(window: Window) -> Tensor:
            self._needed[number] = window.top
            while self._held.bottom < window.bottom:
                next(self._maker, None)
            return part(self._values, self._held, window)

        return read


def _give_back() -> None:
    """Return freed memory to the system: glibc keeps what lies below a piece that is in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)


def _like(values: Tensor, window: Window, larger: Window) -> Tensor:
    """A map of a larger window, not yet set, of the kind of one of a window."""
    cell = window.height // values.shape[2]
    shape = (1, values.shape[1], larger.height // cell, larger.width // cell)
    layout = torch.channels_last
    return torch.empty(shape, dtype=values.dtype, device=values.device, memory_format=layout)


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
            ValueError: a result depends on places farther than `FARTHEST`.
        """
        for tile in self:
            if tile.top and not tile.left:
                _give_back()
                yield
            window = tile
            if tile != self.whole:
                if name not in self._reaches:
                    self._reaches[name] = self._reach(step, sources)
                window = tile.grown(self._reaches[name], self.whole)
            results = step(window, *(source(window) for source in sources))
            for sink, values in zip(sinks, results, strict=True):
                sink(tile, part(values, window, tile))
        if tile.top:
            del results, values
            _give_back()

    def _reach(self, step: Step, sources: Sequence[Source]) -> int:
        corner = Window(0, 0, self._cell, self._cell)
        examples = [source(corner) for source in sources]
        results = step(corner, *examples)
        unit = max(self._cell // values.shape[2] for values in (*examples, *results))
        least = Window(0, 0, unit, unit)
        return reach(step, [part(example, corner, least) for example in examples], unit)


def reach(step: Step, examples: Sequence[Tensor], unit: int) -> int:
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
        >>> blur = torch.nn.Conv2d(1, 1, 5, padding=2)
        >>> reach(lambda window, x: [blur(x)], [torch.zeros(1, 1, 8, 8)], unit=8)
        2
    """
    before = -1
    for around in (2**k for k in range(2, 20) if unit * 2**k <= FARTHEST):
        side = (2 * around + 1) * unit
        whole, middle = Window(0, 0, side, side), unit * around
        block = Window(middle, middle, middle + unit, middle + unit)
        maps = []
        for example in examples:
            rows, columns = (n * (2 * around + 1) for n in example.shape[2:])
            maps.append(example.new_zeros((1, example.shape[1], rows, columns)))
            part(maps[-1], whole, block).fill_(torch.nan)
        results = step(whole, *maps)
        cells = [side // values.shape[2] for values in (*maps, *results)]
        found = max(_spread(values, whole, block) for values in results)
        if found == before:  # a window of twice the size shows no more
            return -(-found // max(cells)) * max(cells)
        before = found
    raise ValueError(f"a step depends on places farther than {FARTHEST} pixels: it cannot be tiled")


def _spread(values: Tensor, whole: Window, block: Window) -> int:
    """The most pixels between the block and a NaN of a map."""
    cell = whole.height // values.shape[2]
    _, _, rows, columns = torch.nonzero(torch.isnan(values), as_tuple=True)
    if not len(rows):
        return 0
    top, left = int(rows.min()) * cell, int(columns.min()) * cell
    bottom, right = (int(rows.max()) + 1) * cell, (int(columns.max()) + 1) * cell
    return max(block.top - top, bottom - block.bottom, block.left - left, right - block.right, 0)
