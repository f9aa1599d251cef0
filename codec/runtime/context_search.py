"""The search for codes by the lengths that their contexts give them, for high effort.

The first search takes each code's length from how often the code is used. The file is coded by
tables that the codes around a place choose (`bitstream.context`), so a second search takes the
lengths of those. It goes row by row, when the codes of the next row are found, and in each row over
the places of the first pass of the checkerboard, then over those of the second. What it finds does
not depend on tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitstream.context import CLIP, ContextPrior
from codec.runtime.engine import Floats
from codec.runtime.surroundings import Surroundings

ROWS = 1 << 11  # partial sums searched at once: what a cache holds
GROUP = 16
SLOPE = 1.15  # λ is per bit of static tables, and contexts take so many fewer for the same codes
Integers = NDArray[np.intp]


@dataclass(frozen=True)
class _Stage:
    """What the search needs of a stage: K codes, M tables, vectors of D, contexts of C numbers."""

    book: Floats  # (K, D)
    slope: Floats  # (D, K)
    costs: Floats  # (M, K): |c|² + λ·bits
    features: Floats  # (K, R)
    own: Floats  # (R, C)
    centres: Floats  # (C, M)
    norms: Floats  # (M,)
    scale: np.float32

    def tables(self, context: Floats) -> Integers:
        """The tables of context vectors (n, C) before the shift."""
        shifted = np.clip(np.floor(context * self.scale), -CLIP, CLIP)
        return (shifted @ self.centres + self.norms).argmin(1)


class ContextBeam:
    """Beam search in which every partial sum asks its context what the next code costs.

    Minimizes ‖e − Σ c‖² + λ·Σ bits. The bits are those of the tables that the context prior
    chooses, by the partial sum's own codes and by what stands around the place.

    Args:
        prior: the contexts and tables.
        books: centroids (K, D) of the level's stages.
        stages: their numbers, in coding order.
        lam: λ.
    """

    def __init__(
        self, prior: ContextPrior, books: Sequence[Floats], stages: Sequence[int], lam: float
    ) -> None:
        self._stages = []
        for stage, book in zip(stages, books, strict=True):
            context = prior.contexts[stage]
            centres = context.centres.astype(np.float32)
            self._stages.append(
                _Stage(
                    book,
                    -2 * np.ascontiguousarray(book.T),
                    np.square(book).sum(1) + np.float32(SLOPE * lam) * context.tables.bits,
                    prior.features[stage].astype(np.float32),
                    context.own[0].astype(np.float32),
                    -2 * np.ascontiguousarray(centres.T),
                    np.square(centres).sum(1),
                    np.float32(0.5**prior.shift),
                )
            )

    def search(self, vectors: Floats, around: Sequence[Floats], width: int) -> Integers:
        """Codes (n, stages) of vectors (n, D).

        Args:
            vectors: e.
            around: per stage (n, C), see `Surroundings`.
            width: partial sums that are kept.
        """
        found = []
        for first in range(0, len(vectors), max(ROWS // width, 1)):
            part = slice(first, first + max(ROWS // width, 1))
            found.append(self._search(vectors[part], [a[part] for a in around], width))
        return np.concatenate(found)

    def _search(self, vectors: Floats, around: Sequence[Floats], width: int) -> Integers:
        n, sums = len(vectors), 1  # B partial sums of each vector
        rest, cost = vectors, np.zeros(n, np.float32)  # (n·B, D), (n·B,)
        known = np.zeros((n, self._stages[0].features.shape[1]), np.float32)  # sums of features
        codes = np.zeros((n, 0), np.intp)
        for stage, elsewhere in zip(self._stages, around, strict=True):
            context = known @ stage.own
            context += elsewhere.repeat(sums, axis=0)
            score = rest @ stage.slope
            score += stage.costs[stage.tables(context)]
            score += cost[:, None]
            least, pick = smallest(score.reshape(n, -1), width)
            parent, code = np.divmod(pick, len(stage.book))
            parent += sums * np.arange(n)[:, None]
            cost, sums, parent, code = least.ravel(), pick.shape[1], parent.ravel(), code.ravel()
            rest = rest[parent] - stage.book[code]
            known = known[parent] + stage.features[code]
            codes = np.column_stack([codes[parent], code])
        return codes[::sums]


class ContextSearch:
    """The second search of a level, as the tiles of the first one come in.

    Args:
        beam: of the level.
        surroundings: of the level.
        grids: of the level's stages; the codes of the first search, which are replaced.
        width: of the search.
        done: takes vectors (n, D) and their final codes (n, stages).
    """

    def __init__(
        self,
        beam: ContextBeam,
        surroundings: Surroundings,
        grids: Sequence[NDArray[np.int32]],
        width: int,
        done: Callable[[Floats, Integers], None],
    ) -> None:
        self._beam, self._surroundings, self._grids = beam, surroundings, grids
        self._width, self._done = width, done
        self._waiting: dict[int, Floats] = {}  # (columns, D) by row, until the next row is found

    def take(self, top: int, left: int, vectors: Floats) -> None:
        """Take the vectors (rows, columns, D) of a tile; tiles come from left to right and down."""
        rows, columns = self._grids[0].shape
        for y, row in enumerate(vectors, top):
            if not left:
                self._waiting[y] = np.empty((columns, row.shape[1]), np.float32)
            self._waiting[y][left : left + len(row)] = row
        if left + vectors.shape[1] == columns:
            bottom = top + len(vectors)
            for y in [y for y in self._waiting if y + 1 < bottom or bottom == rows]:
                self._search(y, self._waiting.pop(y))

    def _search(self, y: int, vectors: Floats) -> None:
        for second in (False, True):
            x = np.arange((y + second) % 2, len(vectors), 2)
            if not len(x):
                continue
            around = self._surroundings.around(y, x, second=second)
            codes = self._beam.search(vectors[x], around, self._width)
            for grid, found in zip(self._grids, codes.T, strict=True):
                grid[y, x] = found
            self._done(vectors[x], codes)


def smallest(score: Floats, count: int) -> tuple[Floats, Integers]:
    """The `count` least entries of each row, ascending, and their columns.

    They lie in the `count` groups of columns with the least minima.

    Args:
        score: (n, m).
        count: 1 or more; m entries if it is more than m.

    >>> smallest(np.array([[3.0, 1.0, 2.0]], np.float32), 2)[1].tolist()
    [[1, 2]]
    """
    groups = score.shape[1] // GROUP
    if score.shape[1] % GROUP or groups <= count:
        column = np.argsort(score, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(score, column, 1), column
    grouped = score.reshape(len(score), GROUP, groups)  # group g: columns g, g + groups, ...
    group = np.argpartition(grouped.min(1), count - 1, axis=1)[:, :count]
    inside = np.take_along_axis(grouped, group[:, None], 2).reshape(len(score), -1)
    place = np.argpartition(inside, count - 1, axis=1)[:, :count]
    value = np.take_along_axis(inside, place, 1)
    order = np.argsort(value, axis=1)
    place = np.take_along_axis(place, order, 1)
    column = place // count * groups + np.take_along_axis(group, place % count, 1)
    return np.take_along_axis(value, order, 1), column
