"""The choice of codes: level by level, against what the decoder predicts of each level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bitstream.prior import grid_shape
from codec.images.strips import Strips
from codec.networks.config import TEXTURE_CELL, beam_width
from codec.runtime.codebooks import Codebooks
from codec.runtime.decoder_pass import DecoderPass
from codec.runtime.encoder_pass import Analysis, pixels_of
from codec.runtime.engine import Engine, Floats
from codec.runtime.maps import NOTHING
from codec.runtime.texture import choose
from codec.runtime.tiles import Tiles
from codec.runtime.windows import Window, part

Indices = list[NDArray[np.int32]]


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
        effort: 1..9, how widely to search, see `beam_width`.
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
    ) -> None:
        self._engine, self._codebooks, self._tiles = engine, codebooks, tiles
        self._latents, self._image, self._effort = analysis.latents, analysis.image, effort
        self._lengths, self._once = lengths, analysis.once
        self._biases = [np.float32(lam) * bits for bits in lengths]
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
        for level, stages in enumerate(self._codebooks.levels):
            if not level:
                for tile in self._tiles:
                    self._search(0, tile, np.zeros((), np.float32))
            elif stages[0] < len(self._indices):
                decoder.predict(level, partial(self._search, level))
            if self._once:
                self._latents[level] = NOTHING
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

    def _search(self, level: int, window: Window, prediction: Floats) -> None:
        stages = self._codebooks.levels[level]
        cell = self._codebooks.stages[stages[0]].cell
        rows = slice(window.top // cell, window.bottom // cell)
        columns = slice(window.left // cell, window.right // cell)
        inside = self._indices[stages[0]][rows, columns].shape
        e = part(self._latents[level], self._tiles.whole, window) - prediction
        vectors = e[0, :, : inside[0], : inside[1]].transpose(1, 2, 0).reshape(-1, e.shape[1])
        vectors = np.ascontiguousarray(vectors)
        biases = [self._biases[stage] for stage in stages]
        width = beam_width(self._effort, level, self._codebooks.stages[len(self._indices) - 1])
        codes = self._engine.search(level, vectors, biases, width)
        for stage, grid in zip(stages, codes.T, strict=True):
            self._indices[stage][rows, columns] = grid.reshape(inside)
        rest = vectors - self._codebooks.sum(stages, list(codes.T))
        cells = self._indices[stages[0]].size
        for k, left in enumerate((rest, vectors)):
            self._energy[level, k] += np.square(left).sum(dtype=np.float64) / cells
