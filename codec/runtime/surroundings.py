"""What stands around the places of a level while its codes are being chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bitstream.context import ContextPrior, StageContext
from codec.runtime.engine import Floats


class Surroundings:
    """Context vectors of a level's places, before the shift, but for what the own place adds.

    They are float32: exact where the shift does not clip them.

    Args:
        prior: the contexts.
        stages: numbers of the level's stages, in coding order.
        indices: grids of the stages; those of coarser levels are as they will be coded, those of
            the level may change between two calls.
        quality: 0..100.
        expected: mean features (R,) of stages of coarser levels whose codes are not chosen yet.
    """

    def __init__(
        self,
        prior: ContextPrior,
        stages: Sequence[int],
        indices: Sequence[NDArray[np.int32]],
        quality: int,
        expected: Mapping[int, Floats],
    ) -> None:
        self._prior, self._stages, self._indices = prior, stages, indices
        self._expected = expected
        self._features = [features.astype(np.float32) for features in prior.features]
        contexts = [prior.contexts[stage] for stage in stages]
        self._places = [c.place + c.quality[quality] for c in contexts]
        self._maps = [_map(context) for context in contexts]

    def around(self, y: int, x: NDArray[np.intp], *, second: bool) -> list[Floats]:
        """What the context vectors of some places of a row have from elsewhere.

        Args:
            y: the row.
            x: the places' columns.
            second: whether the places are coded in the second pass over the checkerboard.

        Returns:
            Per stage (len(x), D).
        """
        coarser = self._coarser(y, x)
        length = self._features[0].shape[1]
        near = np.zeros((3, self._indices[self._stages[0]].shape[1] + 2, length), np.float32)
        found = []
        for number, stage in enumerate(self._stages):
            here = self._neighbours(stage, y)
            beside, above, across = _parts(near, x)
            now = np.zeros_like(beside)
            if second:
                now += here[1, x] + here[1, x + 2] + here[0, x + 1] + here[2, x + 1]
            parts = np.concatenate([*coarser, beside, above, across, now], axis=1)
            place = self._places[number]
            found.append(parts @ self._maps[number] + place[y % len(place), x % len(place)])
            near += here
        return found

    def _neighbours(self, stage: int, y: int) -> Floats:
        """Features of a stage in the rows y - 1, y, y + 1, zero outside: (3, columns + 2, R)."""
        grid = self._indices[stage]
        first = max(y - 1, 0)
        rows = self._features[stage][grid[first : y + 2]]
        found = np.zeros((3, grid.shape[1] + 2, rows.shape[2]), np.float32)
        found[first - y + 1 :][: len(rows), 1:-1] = rows
        return found

    def _coarser(self, y: int, x: NDArray[np.intp]) -> list[Floats]:
        """Three parts of each coarser level, as `ContextPrior` orders them, (len(x), R) each."""
        cells, levels = self._prior.cells, self._prior.levels
        parts = []
        for level in range(levels[self._stages[0]]):
            ratio = cells[levels.index(level)] // cells[self._stages[0]]
            row, later = y // ratio, y % ratio * 2 >= ratio
            above, along = self._sums(level, row), self._sums(level, row + (1 if later else -1))
            column = x // ratio + 1
            nearer = column + np.where(x % ratio * 2 >= ratio, 1, -1)
            parts += [above[column], above[nearer], along[column]]
        return parts

    def _sums(self, level: int, y: int) -> Floats:
        """Feature sums of a row of a coarser level, zero outside: (columns + 2, R)."""
        numbers = [stage for stage, own in enumerate(self._prior.levels) if own == level]
        rows, columns = self._indices[numbers[0]].shape
        found = np.zeros((columns + 2, self._features[0].shape[1]), np.float32)
        if 0 <= y < rows:
            for stage in numbers:
                known = self._features[stage][self._indices[stage][y]]
                found[1:-1] += self._expected.get(stage, known)
        return found


def _map(context: StageContext) -> Floats:
    """How a stage's context vector follows from its parts, one below the other."""
    dim = context.centres.shape[1]
    parts = [context.coarse.reshape(-1, dim), context.own[1:].reshape(-1, dim)]
    return np.concatenate(parts).astype(np.float32)


def _parts(near: Floats, x: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
    """Sums beside, above and below, and diagonally: (len(x), R) each."""
    beside, vertical = near[1, x] + near[1, x + 2], near[0, x + 1] + near[2, x + 1]
    return beside, vertical, near[0, x] + near[0, x + 2] + near[2, x] + near[2, x + 2]
