"""The context prior: a table for each symbol, chosen by a vector-quantized context, in integers.

Every code of every stage has a small vector of features. Sums of the features at and around a place
(the level's stages so far, its coarser levels, and in the second of two checkerboard passes the
current stage) map linearly to a context vector; the nearest of M centres names the table. Nothing
but integer sums, products, shifts and comparisons: equal on every machine (FORMAT.md 6.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from bitstream.prior import QUALITIES, Arrays, Prior, PriorState, integers, typed
from bitstream.tables import IntArray, Tables

if TYPE_CHECKING:
    from bitstream.entropy import Coder

OWN_PARTS = 5  # own place, left + right, above + below, four diagonals; all four of this stage
COARSE_PARTS = 3  # the cell above this one, its nearer horizontal and its nearer vertical neighbour
BAND = 64  # rows of a grid whose context vectors are made at once
ROWS = 512  # context vectors compared at once: what fits a cache
MAX_FEATURES = 64  # length of a code's features
CLIP = 4095  # context vectors and centres stay within
MAX_CONTEXT = 42  # length of a context vector: 3 of their products stay within int32


@dataclass(frozen=True)
class StageContext:
    """How one stage finds its tables; all arrays int32.

    R is the length of a code's features, D that of a context vector, l the level's number.
    """

    own: IntArray  # (OWN_PARTS, R, D)
    coarse: IntArray  # (l, COARSE_PARTS, R, D), coarse to fine
    place: IntArray  # (k, k, D): by row and column within the coarsest cell, of k cells a side
    quality: IntArray  # (QUALITIES, D)
    centres: IntArray  # (M, D), values within ±CLIP
    tables: Tables  # M tables


class ContextPrior(Prior):
    """Tables chosen by what is decoded already.

    Args:
        cells: see `Prior`; each level's cells divide those of the level before.
        features: for each stage int32 of shape (K, R).
        contexts: for each stage how it finds its tables.
        shift: bits by which mapped sums are shifted right (arithmetically) before clipping.

    Raises:
        ValueError: if shapes do not fit together, or a sum could leave int32.
    """

    kind = "context"

    def __init__(
        self,
        cells: tuple[int, ...],
        features: list[IntArray],
        contexts: list[StageContext],
        shift: int,
    ) -> None:
        super().__init__(cells, tuple(context.tables.symbols for context in contexts))
        self.features, self.contexts, self.shift = features, contexts, shift
        self.levels = [sorted(set(cells), reverse=True).index(cell) for cell in cells]
        if any(above < cell or above % cell for above, cell in pairwise(cells)):
            raise ValueError(f"cells {cells} do not form a pyramid, coarse to fine")
        if not 0 <= shift <= 24:
            raise ValueError(f"expected a shift of 0..24 bits, got {shift}")
        self._check()

    def _check(self) -> None:
        length = self.features[0].shape[1]
        if not 1 <= length <= MAX_FEATURES:
            raise ValueError(f"expected 1..{MAX_FEATURES} features of a code, got {length}")
        most = dict.fromkeys(self.levels, 0)  # largest feature sum of each level
        for stage, context in enumerate(self.contexts):
            level, side = self.levels[stage], self.cells[0] // self.cells[stage]
            dim = context.centres.shape[1]
            if not 1 <= dim <= MAX_CONTEXT:
                raise ValueError(f"expected 1..{MAX_CONTEXT} numbers of a context, got {dim}")
            shapes = {
                "features": (self.features[stage].shape, (self.codes[stage], length)),
                "own": (context.own.shape, (OWN_PARTS, length, dim)),
                "coarse": (context.coarse.shape, (level, COARSE_PARTS, length, dim)),
                "place": (context.place.shape, (side, side, dim)),
                "quality": (context.quality.shape, (QUALITIES, dim)),
                "centres": (context.centres.shape, (len(context.tables), dim)),
            }
            for name, (got, expected) in shapes.items():
                if got != expected:
                    raise ValueError(f"{name}.{stage} has shape {got}, expected {expected}")
            if _most(context.centres) > CLIP:
                raise ValueError(f"centres.{stage} leave the range ±{CLIP}")
            here = _most(self.features[stage])
            total = 4 * max(most[level], here) * _sum(context.own)
            total += sum(most[c] * _sum(context.coarse[c]) for c in range(level))
            total += _most(context.place) + _most(context.quality)
            if total >= 1 << 31:
                raise ValueError(f"the context sums of stage {stage} could leave int32")
            most[level] += here

    @cached_property
    def packed(self) -> list[bytes] | None:
        """The stages as the C extension reads them, None if their numbers leave its 16 bits."""
        from bitstream import compiled  # noqa: PLC0415

        return compiled.pack(self)

    @property
    def is_compiled(self) -> bool:
        """Whether C finds the tables: the extension is there, and it takes this prior."""
        from bitstream import compiled  # noqa: PLC0415

        return compiled.extension is not None and self.packed is not None

    def begin(self, height: int, width: int, quality: int) -> PriorState:
        """See `Prior.begin`."""
        from bitstream import compiled  # noqa: PLC0415

        if compiled.extension is None or self.packed is None:
            return ContextState(self, height, width, quality)
        return compiled.CompiledState(self, self.packed, height, width, quality)

    def to_arrays(self) -> Arrays:
        """Return the arrays of FORMAT.md 6.2."""
        arrays: dict[str, NDArray[np.generic]] = {
            "cells": np.array(self.cells, np.int32),
            "shift": np.array([self.shift], np.int32),
        }
        for s, context in enumerate(self.contexts):
            arrays |= {
                f"features.{s}": self.features[s],
                f"own.{s}": context.own,
                f"coarse.{s}": context.coarse,
                f"place.{s}": context.place,
                f"quality.{s}": context.quality,
                f"centres.{s}": context.centres,
                f"tables.{s}": context.tables.frequencies,
            }
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """See `Prior.from_arrays`."""
        cells = integers(arrays, "cells")

        def take(name: str, stage: int, ndim: int) -> IntArray:
            return typed(arrays, f"{name}.{stage}", np.int32, ndim)

        contexts = [
            StageContext(
                own=take("own", s, 3),
                coarse=take("coarse", s, 4),
                place=take("place", s, 3),
                quality=take("quality", s, 2),
                centres=take("centres", s, 2),
                tables=Tables(typed(arrays, f"tables.{s}", np.uint32, 2)),
            )
            for s in range(len(cells))
        ]
        features = [take("features", s, 2) for s in range(len(cells))]
        return cls(cells, features, contexts, integers(arrays, "shift")[0])


class ContextState(PriorState):
    """Codes each stage in two passes, first where row + column is even, then where it is odd."""

    def __init__(self, prior: ContextPrior, height: int, width: int, quality: int) -> None:
        super().__init__(prior, height, width, quality)
        self._prior = prior
        length = prior.features[0].shape[1]
        self._sums: list[IntArray] = []  # per level: features of its stages so far, summed
        for level in range(max(prior.levels) + 1):
            rows, columns = self.shapes[prior.levels.index(level)]
            self._sums.append(np.zeros((rows, columns, length), np.int32))

    def code_stage(self, stage: int, code: Coder, known: IntArray | None) -> IntArray:
        """See `PriorState.code_stage`."""
        rows, columns = self.shapes[stage]
        context, features = self._prior.contexts[stage], self._prior.features[stage]
        vectors = self._known_before(stage)  # (rows, columns, D)
        grid = np.zeros((rows, columns), np.int32)
        found = np.zeros((rows, columns, features.shape[1]), np.int32)  # features of this stage
        odd = (np.arange(rows)[:, None] + np.arange(columns)) % 2
        for colour in (0, 1):
            place = odd == colour
            here = vectors[place]
            if colour:
                around = _beside(found)
                around += _above(found)
                here += around[place] @ context.own[4]
                del around
            here >>= self._prior.shift
            table_ids = _nearest(np.clip(here, -CLIP, CLIP), context.centres)
            grid[place] = code(table_ids, context.tables, None if known is None else known[place])
            found[place] = features[grid[place]]
        self._sums[self._prior.levels[stage]] += found
        self.stages.append(grid)
        return grid

    def _known_before(self, stage: int) -> IntArray:
        """Context vectors of a stage but for the stage itself, before shift and clip."""
        context, level = self._prior.contexts[stage], self._prior.levels[stage]
        rows, columns = self.shapes[stage]
        coarser = []  # per coarser level: cells a side, and its three parts
        for number in range(level):
            ratio = self._prior.cells[self._prior.levels.index(number)] // self._prior.cells[stage]
            above, across, along = self._sums[number] @ context.coarse[number][:, None]
            across = np.pad(across, ((0, 0), (1, 1), (0, 0)))
            along = np.pad(along, ((1, 1), (0, 0), (0, 0)))
            coarser.append((ratio, above, across, along))
        side = context.place.shape[0]
        x = np.arange(columns)
        vectors = np.empty((rows, columns, context.own.shape[2]), np.int32)
        for top in range(0, rows, BAND):  # a band at a time: the parts take four times the memory
            band = vectors[top : top + BAND]
            first = max(top - 1, 0)
            own = self._sums[level][first : top + BAND + 1]
            parts = np.concatenate([own, _beside(own), _above(own), _above(_beside(own))], axis=2)
            parts = parts[top - first : top - first + len(band)]
            band[:] = parts @ context.own[:4].reshape(-1, context.own.shape[2])
            y = np.arange(top, top + len(band))[:, None]
            band += context.place[y % side, x % side] + context.quality[self.quality]
            for ratio, above, across, along in coarser:
                nearer = x // ratio + 1 + np.where(x % ratio * 2 >= ratio, 1, -1)
                band += above[y // ratio, x // ratio] + across[y // ratio, nearer]
                nearer = y // ratio + 1 + np.where(y % ratio * 2 >= ratio, 1, -1)
                band += along[nearer, x // ratio]
        return vectors


def _sum(array: IntArray) -> int:
    """Largest sum of absolute values that reaches one number of a context vector."""
    return int(np.abs(array, dtype=np.int64).sum(axis=(0, 1)).max())


def _most(array: IntArray) -> int:
    return int(np.abs(array, dtype=np.int64).max())


def _beside(grid: IntArray) -> IntArray:
    """Left plus right neighbour of every place, zero outside; (rows, columns, n) int32."""
    out = np.zeros_like(grid)
    out[:, 1:] = grid[:, :-1]
    out[:, :-1] += grid[:, 1:]
    return out


def _above(grid: IntArray) -> IntArray:
    """Upper plus lower neighbour of every place, zero outside; (rows, columns, n) int32."""
    out = np.zeros_like(grid)
    out[1:] = grid[:-1]
    out[:-1] += grid[1:]
    return out


def _nearest(vectors: IntArray, centres: IntArray) -> IntArray:
    """Number of the nearest centre of each vector, the lowest of equally near ones; (n,) int32."""
    slope = np.ascontiguousarray(-2 * centres.T)  # (D, M)
    offset = np.square(centres).sum(axis=1)
    table_ids = np.empty(len(vectors), np.int32)
    scores = np.empty((2, ROWS, len(centres)), np.int32)
    for first in range(0, len(vectors), ROWS):
        part = vectors[first : first + ROWS]
        score, product = scores[:, : len(part)]
        score[:] = offset
        for number, row in enumerate(slope):  # faster than numpy's integer matmul
            np.multiply(part[:, number, None], row, out=product)
            score += product
        table_ids[first : first + ROWS] = score.argmin(axis=1)
    return table_ids
