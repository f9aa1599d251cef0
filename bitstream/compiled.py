"""What `context.py` and `entropy.py` do in numpy, by the C of `native/`: the same result, sooner.

The C extension is optional. Where it was not built, or with BIBCODEC_NO_EXTENSION=1 in the
environment, numpy and constriction do the work, and only then is their code loaded.
"""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from bitstream.errors import Checksum, Truncated
from bitstream.prior import PriorState
from bitstream.tables import IntArray, Tables

if TYPE_CHECKING:
    from bitstream.context import ContextPrior
    from bitstream.entropy import Coder, Decoder, Encoder

LEAST_SEAL = 1 << 31
WORD = 1 << 32
ZERO_WORD = "the image data begins with a zero word: the file is damaged"
SWITCH = "BIBCODEC_NO_EXTENSION"


def _load() -> ModuleType | None:
    if os.environ.get(SWITCH):
        return None
    try:
        return import_module("bitstream._entropy")
    except ImportError:
        return None


extension: Any = _load()  # None: numpy does the work


class CompiledEncoder:
    """Does what `bitstream.entropy.Encoder` does."""

    def __init__(self) -> None:
        self._batches: list[tuple[IntArray, Tables, IntArray]] = []

    def code(self, table_ids: IntArray, tables: Tables, symbols: IntArray | None) -> IntArray:
        """Record one batch; see `bitstream.entropy.Encoder.code`."""
        if symbols is None or symbols.shape != table_ids.shape:
            raise ValueError("the encoder needs one symbol for each table id")
        batch = _plain(table_ids).copy(), tables, _plain(symbols).copy()
        extension.check(batch[0], tables.frequencies, tables.symbols, batch[2])
        self._batches.append(batch)
        return symbols

    def finish(self, seal: int) -> bytes:
        """Code everything recorded onto a seal; see `bitstream.entropy.Encoder.finish`."""
        state, words = seal, []
        for table_ids, tables, symbols in reversed(self._batches):
            state, written = extension.write(
                state, table_ids, tables.frequencies, tables.symbols, symbols
            )
            words.append(written)
        first = state.to_bytes(8, "big")
        words.append(first if state >= WORD else first[4:])
        return b"".join(reversed(words))


class CompiledDecoder:
    """Does what `bitstream.entropy.Decoder` does."""

    def __init__(self, data: bytes) -> None:
        if not any(data[:4]):
            raise Checksum(ZERO_WORD)
        self._data = data
        self._at = min(8, len(data))
        self._state = int.from_bytes(data[: self._at], "big")

    def code(
        self, table_ids: IntArray, tables: Tables, symbols: IntArray | None = None
    ) -> IntArray:
        """Read one batch; see `bitstream.entropy.Decoder.code`."""
        found = np.empty(len(table_ids), np.int32)
        after = extension.read(
            self._data,
            self._at,
            self._state,
            _plain(table_ids),
            tables.frequencies,
            tables.symbols,
            found,
        )
        if after is None:
            raise Truncated("the image data ran out")
        self._at, self._state = after
        return found

    def has_more(self) -> bool:
        """Whether more is left than any seal."""
        return self._state >= WORD

    def ends_with(self, seal: int) -> bool:
        """Whether all that is left is this seal."""
        return self._at == len(self._data) and self._state == seal


class CompiledState(PriorState):
    """Does what `bitstream.context.ContextState` does, for a prior that fits 16 bits.

    Args:
        packed: what `pack` makes of the prior.
    """

    def __init__(
        self, prior: ContextPrior, packed: list[bytes], height: int, width: int, quality: int
    ) -> None:
        super().__init__(prior, height, width, quality)
        self._prior, self._packed = prior, packed
        cells = np.array(sorted(set(prior.cells), reverse=True), np.int32)
        about = cells, height, width, prior.features[0].shape[1]
        self._image = np.zeros(extension.image_size(*about), np.uint8)  # sums of each level
        extension.begin_image(*about, self._image)

    def code_stage(self, stage: int, code: Coder, known: IntArray | None) -> IntArray:
        """See `PriorState.code_stage`."""
        rows, columns = self.shapes[stage]
        packed, tables = self._packed[stage], self._prior.contexts[stage].tables
        grid = np.zeros((rows, columns), np.int32)
        known = None if known is None else _plain(known)
        for colour in (0, 1):
            table_ids = np.empty((rows * columns + 1 - colour) // 2, np.int32)
            extension.tables(packed, self._image, self.quality, colour, grid, table_ids)
            symbols = None
            if known is not None:
                symbols = np.empty_like(table_ids)
                extension.take(rows, columns, colour, known, symbols)
            extension.put(rows, columns, colour, grid, _plain(code(table_ids, tables, symbols)))
        extension.add(packed, self._image, grid)
        self.stages.append(grid)
        return grid


def pack(prior: ContextPrior) -> list[bytes] | None:
    """Lay out each stage of a prior for C; None if its numbers leave 16 bits."""
    most = np.zeros(max(prior.levels) + 1, np.int64)  # of each level: the largest feature sum
    stages = []
    for level, features, c in zip(prior.levels, prior.features, prior.contexts, strict=True):
        arrays = [features, c.own, c.coarse, c.place, c.quality, c.centres]
        if any(array.dtype != np.int32 for array in arrays):
            return None
        sizes = (*features.shape, *c.centres.shape[::-1], level, len(c.place), prior.shift)
        packed = extension.pack_stage(sizes, *map(np.ascontiguousarray, arrays), most)
        if packed is None:
            return None
        stages.append(packed)
    return stages


def new_encoder() -> Encoder | CompiledEncoder:
    """Return an entropy encoder: the one in C if its extension is there."""
    if extension is not None:
        return CompiledEncoder()
    from bitstream.entropy import Encoder  # noqa: PLC0415

    return Encoder()


def new_decoder(data: bytes) -> Decoder | CompiledDecoder:
    """Return an entropy decoder of the words: the one in C if its extension is there."""
    if extension is not None:
        return CompiledDecoder(data)
    from bitstream.entropy import Decoder  # noqa: PLC0415

    return Decoder(data)


def _plain(array: IntArray) -> IntArray:
    """The array as C reads it."""
    return np.ascontiguousarray(array, np.int32)
