"""The decoder's top-down pass over an image of any size, in tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from codec.networks.config import TEXTURE_CELL
from codec.runtime.maps import Flow, Position, Sink, Source
from codec.runtime.noise import draw
from codec.runtime.texture import UNKNOWN, texture_map
from codec.runtime.windows import Window, part

if TYPE_CHECKING:
    from codec.runtime.codebooks import Codebooks
    from codec.runtime.engine import Array, Engine, Floats
    from codec.runtime.tiles import Tiles

Readers: TypeAlias = Callable[[Position], Source]  # each call makes a new reader of a map
FINEST = 4  # pixels a side: of such cells the image needs the features of the level before, too


class DecoderPass:
    """The levels of an image from the coarsest on.

    Every pass begins at the indices and holds a few rows of tiles of the features. The price: the
    encoder, which makes one pass a level, computes the coarsest features more than once.

    Args:
        engine: the networks.
        codebooks: the centroids.
        tiles: of the image.
        condition: see `ModelConfig.condition`.
        indices: int32 grids of the first stages, or of all, coarse to fine. The predictions of a
            level depend on those of the coarser levels only.
    """

    def __init__(
        self,
        engine: Engine,
        codebooks: Codebooks,
        tiles: Tiles,
        condition: Sequence[float],
        indices: Sequence[NDArray[np.int32]],
    ) -> None:
        self._engine, self._codebooks, self._tiles = engine, codebooks, tiles
        self._indices = indices
        self._embedding = engine.embed(condition)
        first = [codebooks.stages[numbers[0]] for numbers in codebooks.levels]
        self._cells = [stage.cell for stage in first]
        self._optional = [stage.optional for stage in first]

    def predict(self, level: int, sink: Sink) -> None:
        """Give the prediction of a level's latent to a sink.

        Args:
            level: 1 or more: nothing is known of level 0.
            sink: takes (1, D, height/cell, width/cell) float32 of every tile.
        """
        features, latents = self._coarser(level)
        at = Position(self._cells[0])
        sources = [reader(at) for reader in (features[-1], *latents)]
        self._tiles.run(f"predict {level}", partial(self._predict, level), sources, [sink])

    def rows(self, realism: float, seed: int, sink: Sink) -> Iterator[None]:
        """Give the image of all indices, g(ẑ) + α·r(ẑ + U), to a sink: a row of tiles a `next`.

        Args:
            realism: α. At 0, and for a model without a detail network, r is not computed.
            seed: of U.
            sink: takes (1, 3, height, width) float32 of every tile, in 0..1.
        """
        detail = bool(realism and self._engine.noise)
        features, latents = self._coarser(len(self._cells))
        last = features[:-3:-1] if self._cells[-1] == FINEST else features[-1:]
        at = Position(self._cells[0])
        sources: list[Source] = [partial(self._linear_image, [reader(at) for reader in latents])]
        if not detail:
            sources += [reader(at) for reader in last]
            return self._tiles.rows("render mean", self._mean, sources, [sink])
        if self._codebooks.texture is not None:
            sources.append(self._texture)
        sources += [reader(at) for reader in last]
        step = partial(self._detailed, realism, seed)
        return self._tiles.rows("render detail", step, sources, [sink])

    def _coarser(self, level: int) -> tuple[list[Readers], list[Readers]]:
        """What makes new readers of the features and of the latent of each coarser level."""
        features: list[Readers] = []
        latents: list[Readers] = []
        for coarser in range(level):
            at = Position(self._cells[0])
            sources: list[Source] = [reader(at) for reader in (*features[-1:], *latents)]
            if self._is_coded(coarser):
                sources.insert(0, partial(self._remainder, coarser))
            hidden, latent = Flow(self._tiles.whole), Flow(self._tiles.whole)
            step, sinks = partial(self._update, coarser), [hidden.write, latent.write]
            name = f"update {coarser}" if self._is_coded(coarser) else f"extend {coarser}"
            maker = self._tiles.maker(name, step, sources, sinks)
            hidden.made_by(maker)
            latent.made_by(maker)
            features.append(hidden.reader)
            latents.append(latent.reader)
        return features, latents

    def _predict(
        self, level: int, _: Window, features: Array, *latents: Floats
    ) -> Sequence[Floats]:
        return [self._engine.predict(level, self._embedding, features, latents)]

    def _is_coded(self, level: int) -> bool:
        """Whether any stage of a level is there; a level that need not be is left out else."""
        return not self._optional[level] or self._codebooks.levels[level][0] < len(self._indices)

    def _update(self, level: int, _: Window, *given: Array) -> Sequence[Array]:
        coded = self._is_coded(level)
        remainder, coarser = (given[0], given[1:]) if coded else (None, given)
        features, latents = (coarser[0], coarser[1:]) if level else (None, ())
        return self._engine.update(level, self._embedding, remainder, features, latents)

    def mean(self, sink: Sink) -> None:
        """Give the conditional mean g(ẑ) of all indices to a sink.

        Args:
            sink: takes (1, 3, height, width) float32 of every tile, in 0..1.
        """
        for _ in self.rows(0.0, 0, sink):
            pass

    def _mean(self, _: Window, pixels: Floats, *features: Array) -> Sequence[Floats]:
        return [_displayed(self._engine.render(self._embedding, pixels, features, None, None)[0])]

    def _detailed(
        self, realism: float, seed: int, window: Window, pixels: Floats, *known: Array
    ) -> Sequence[Floats]:
        texture, features = None, known
        if self._codebooks.texture is not None:
            texture, features = known[0], known[1:]
        corner, size = (window.top, window.left), (window.height, window.width)
        u = draw(self._engine.noise, seed, corner, size)
        mean, residual = self._engine.render(self._embedding, pixels, features, u, texture)
        if residual is not None:
            residual *= np.float32(realism)
            mean += residual
        return [_displayed(mean)]

    def _texture(self, window: Window) -> Floats:
        """The texture map of a window, "unknown" outside the image: (1, 16, height/8, width/8)."""
        wider, stage = window.rounded(TEXTURE_CELL), self._codebooks.texture
        shape = (wider.height // TEXTURE_CELL, wider.width // TEXTURE_CELL)
        codes = np.full(shape, UNKNOWN, np.int32)
        if stage is not None and stage < len(self._indices):
            known = part(self._indices[stage][None, None], self._tiles.whole, wider)[0, 0]
            codes[: known.shape[0], : known.shape[1]] = known
        book = self._codebooks.books[stage or 0]
        return part(texture_map(book[codes][None]), wider, window)

    def _linear_image(self, latents: Sequence[Source], window: Window) -> Floats:
        """The linear part of the image: (1, 3, height, width) of a window."""
        wider = window.rounded(self._cells[0])
        # The finest first: what makes it asks for the most rows of the coarser ones.
        finer_first = [read(wider) for read in reversed(latents)]
        return part(self._engine.synthesize(finer_first[::-1]), wider, window)

    def _remainder(self, level: int, window: Window) -> Floats:
        """Σ c over a level's stages, zero outside the image: (1, D, height/cell, width/cell)."""
        stages = self._codebooks.levels[level]
        cell = self._cells[level]
        rows = slice(window.top // cell, window.bottom // cell)
        columns = slice(window.left // cell, window.right // cell)
        dim = self._codebooks.stages[stages[0]].dim
        total = np.zeros((window.height // cell, window.width // cell, dim), np.float32)
        known = stages[: max(len(self._indices) - stages[0], 0)]
        if known:
            codes = [self._indices[stage][rows, columns] for stage in known]
            total[: codes[0].shape[0], : codes[0].shape[1]] = self._codebooks.sum(known, codes)
        return total.transpose(2, 0, 1)[None]


def _displayed(x: Floats) -> Floats:
    """Pixels of [-1, 1] in 0..1, clipped, in place."""
    x += 1
    x *= 0.5
    return np.clip(x, 0, 1, out=x)
