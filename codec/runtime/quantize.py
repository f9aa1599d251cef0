"""The choice of codes: level by level, against what the decoder predicts of each level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bitstream.context import ContextPrior
from bitstream.prior import Prior, grid_shape
from codec.images.strips import Strips
from codec.networks.config import TEXTURE_CELL, beam_width, uses_contexts
from codec.runtime.codebooks import Codebooks
from codec.runtime.context_search import ContextBeam, ContextSearch
from codec.runtime.decoder_pass import DecoderPass
from codec.runtime.encoder_pass import Analysis, pixels_of
from codec.runtime.engine import Array, Engine, Floats
from codec.runtime.surroundings import Surroundings
from codec.runtime.texture import choose
from codec.runtime.tiles import Tiles
from codec.runtime.windows import Window, part

Indices = list[NDArray[np.int32]]

QUICK = 1  # effort of the search whose codes are only the contexts of a second one


@dataclass(frozen=True)
class Coding:
    """The codes of an image.

    Attributes:
        indices: per stage an int32 grid, coarse to fine.
        quality: 0..100, what they were chosen for.
        energy: per level the means of ‖e − Σ c‖² and ‖e‖² over its cells: what the codes left of
            the remainder, and the remainder; zeros for a level that is not coded.
    """

    indices: Indices
    quality: int
    energy: list[tuple[float, float]]


class Quantization:
    """The search for the codes of an image, at one λ.

    Args:
        engine: the networks.
        codebooks: the centroids.
        tiles: of the image.
        analysis: its latents.
        lengths: per stage (K,), bits of each code, of the stages that are to be coded.
        lam: λ.
        effort: 1..9, how widely to search, see `beam_width`, and how often, see `uses_contexts`.
        prior: what codes the indices; None if only `lengths` are to count, at any effort.
    """

    def __init__(
        self,
        engine: Engine,
        codebooks: Codebooks,
        tiles: Tiles,
        analysis: Analysis,
        lengths: Sequence[Floats],
        *,
        lam: float,
        effort: int,
        prior: Prior | None = None,
    ) -> None:
        self._engine, self._codebooks, self._tiles = engine, codebooks, tiles
        self._latents, self._image, self._effort = analysis.latents, analysis.image, effort
        self._lengths, self._lam = lengths, lam
        self._biases = [np.float32(lam) * bits for bits in lengths]
        self._prior = prior if isinstance(prior, ContextPrior) and uses_contexts(effort) else None
        self._second: dict[int, ContextSearch] = {}  # by level
        size = analysis.height, analysis.width
        stages = codebooks.stages[: len(lengths)]
        self._indices = [np.zeros(grid_shape(*size, s.cell), np.int32) for s in stages]
        self._energy = np.zeros((len(analysis.latents), 2))

    def run(self, condition: Sequence[float], quality: int) -> Coding:
        """The codes of the levels that are to be coded, coarse to fine.

        Args:
            condition: what the decoder will know, see `ModelConfig.condition`.
            quality: which is noted in the result.
        """
        decoder = DecoderPass(self._engine, self._codebooks, self._tiles, condition, self._indices)
        if self._prior is not None:
            for level, stages in enumerate(self._codebooks.levels):
                if stages[0] < len(self._indices):
                    self._second[level] = self._context_search(self._prior, level, quality)
        for tile in self._tiles:
            self._search(0, tile, np.zeros((), np.float32))
        for level, stages in enumerate(self._codebooks.levels):
            if level and stages[0] < len(self._indices):
                decoder.predict(level, partial(self._search, level))
        if self._codebooks.texture is not None and self._image is not None:
            decoder.mean(partial(self._describe, self._codebooks.texture, self._image))
        return Coding(
            self._indices, quality, [(rest, all_) for rest, all_ in self._energy.tolist()]
        )

    def _describe(self, stage: int, image: Strips, window: Window, mean: Floats) -> None:
        """Choose the texture codes of a window, by its mean in 0..1."""
        rows = slice(window.top // TEXTURE_CELL, window.bottom // TEXTURE_CELL)
        columns = slice(window.left // TEXTURE_CELL, window.right // TEXTURE_CELL)
        book, x = self._codebooks.books[stage], pixels_of(image, window)
        codes = choose(book, self._lengths[stage], x, 2 * mean - 1)
        inside = self._indices[stage][rows, columns]
        inside[...] = codes[0, : inside.shape[0], : inside.shape[1]]

    def _context_search(self, prior: ContextPrior, level: int, quality: int) -> ContextSearch:
        stages, texture = self._codebooks.levels[level], self._codebooks.texture
        expected = {}
        if texture is not None and texture < stages[0]:  # those codes are chosen last
            shares = np.exp2(-self._lengths[texture])
            expected[texture] = (shares / shares.sum()) @ prior.features[texture].astype(np.float32)
        books = [self._codebooks.books[stage] for stage in stages]
        return ContextSearch(
            ContextBeam(prior, books, stages, self._lam),
            Surroundings(prior, stages, self._indices, quality, expected),
            [self._indices[stage] for stage in stages],
            self._width(level, self._effort),
            partial(self._account, level),
        )

    def _width(self, level: int, effort: int) -> int:
        return beam_width(effort, level, self._codebooks.stages[len(self._indices) - 1])

    def _search(self, level: int, window: Window, prediction: Floats) -> None:
        stages = self._codebooks.levels[level]
        cell = self._codebooks.stages[stages[0]].cell
        rows = slice(window.top // cell, window.bottom // cell)
        columns = slice(window.left // cell, window.right // cell)
        inside = self._indices[stages[0]][rows, columns].shape
        e = part(self._latents[level], self._tiles.whole, window) - prediction
        vectors = np.ascontiguousarray(e[0, :, : inside[0], : inside[1]].transpose(1, 2, 0))
        flat = vectors.reshape(-1, e.shape[1])
        second = self._second.get(level)
        width = self._width(level, QUICK if second else self._effort)
        codes = self._engine.search(level, flat, [self._biases[stage] for stage in stages], width)
        for stage, grid in zip(stages, codes.T, strict=True):
            self._indices[stage][rows, columns] = grid.reshape(inside)
        if second:
            second.take(rows.start, columns.start, vectors)
        else:
            self._account(level, flat, codes)

    def _account(self, level: int, vectors: Floats, codes: Array) -> None:
        """Note what the final codes (n, stages) of vectors (n, D) leave."""
        stages = self._codebooks.levels[level]
        rest = vectors - self._codebooks.sum(stages, list(codes.T))
        cells = self._indices[stages[0]].size
        for k, left in enumerate((rest, vectors)):
            self._energy[level, k] += np.square(left).sum(dtype=np.float64) / cells
