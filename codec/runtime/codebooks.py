"""The centroids of a model and how often each of its codes is used: all that indices mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codec.networks.config import RANGES, Stage, stages_of, texture_stage

if TYPE_CHECKING:
    from codec.runtime.engine import Floats


class Codebooks:
    """S codebooks, coarse to fine; every prefix of stages is a valid, coarser quantization.

    Attributes:
        stages: all of them, in coding order.
        books: per stage the centroids (K, D) float32.
        levels: per level the numbers of its latent's stages.
        texture: number of the stage of texture codes, if there is one.

    Args:
        stages: the stages in coding order.
        books: per stage the centroids (K, D).
        shares: of the codes per range of qualities, (RANGES, S, most codes of a stage).
    """

    def __init__(self, stages: Sequence[Stage], books: Sequence[Floats], shares: Floats) -> None:
        self.stages = tuple(stages)
        self.books = list(books)
        self._shares = shares
        count = 1 + max(stage.level for stage in stages)
        self.levels = tuple(stages_of(stages, level) for level in range(count))
        self.texture = texture_stage(stages)

    def code_lengths(self, stage: int, quality: float) -> Floats:
        """What each code of a stage costs the search at a quality 0..100: (K,) bits.

        −log₂ of the code's share, linear between the middles of the quality ranges, so that file
        sizes grow evenly.
        """
        at = min(max(quality * RANGES / 100 - 0.5, 0.0), RANGES - 1.0)
        low = min(int(at), RANGES - 2)
        shares = self._shares[low : low + 2, stage, : self.stages[stage].codes]
        first, second = -np.log2(shares.astype(np.float64))
        return np.asarray(first + (at - low) * (second - first), np.float32)

    def sum(self, stages: Sequence[int], codes: Sequence[NDArray[np.integer[Any]]]) -> Floats:
        """Σ_s c_s of codes, an array of any shape a stage, at least one: (..., D) float32."""
        first, *rest = (self.books[stage][code] for stage, code in zip(stages, codes, strict=True))
        for centroids in rest:
            first += centroids
        return first
