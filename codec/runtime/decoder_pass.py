"""The decoder's top-down pass over an image of any size, in tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codec.networks.decoder import Decoder, Mean
from codec.networks.quantizer import ResidualQuantizer
from codec.runtime.tiles import Flow, Sink, Source, Tiles, Window, part

Finish = Callable[[Window, Mean], Tensor]  # the pixels of a window, from the decoder's pass over it


class Descent:
    """The levels of an image from the coarsest on.

    Every pass begins at the indices, and holds a few rows of tiles of the features; for that, the
    encoder makes the coarsest of them twice.

    Args:
        decoder: the networks.
        quantizer: the centroids.
        tiles: of the image.
        condition: (1, 1 + levels), see `ModelConfig.condition`.
        indices: int32 grids of the first stages, or of all, coarse to fine.
    """

    def __init__(
        self,
        decoder: Decoder,
        quantizer: ResidualQuantizer,
        tiles: Tiles,
        condition: Tensor,
        indices: Sequence[NDArray[np.int32]],
    ) -> None:
        self._decoder, self._quantizer, self._tiles = decoder, quantizer, tiles
        self._transforms = list(decoder.transforms)
        self._indices = indices
        self._c = decoder.condition(condition)

    def expect(self, level: int, sink: Sink) -> None:
        """Give the prediction of a level's latent to a sink; looks at the coarser levels' indices.

        Args:
            level: 0 is the coarsest.
            sink: takes (1, D, height/cell, width/cell) float32 of every tile.
        """

        def step(_: Window, pixels: Tensor, *hidden: Tensor) -> list[Tensor]:
            before = hidden[0] if hidden else pixels.new_zeros(())
            return [self._decoder.expect(level, before, pixels, self._c)[2]]

        self._tiles.run(f"expect {level}", step, self._above(level), [sink])

    def render(self, name: str, finish: Finish, sink: Sink) -> None:
        """Give the image of all indices to a sink.

        Args:
            name: of `finish`; functions that reach differently have different names.
            finish: makes pixels of the decoder's pass.
            sink: takes them.
        """

        def step(window: Window, pixels: Tensor, hidden: Tensor) -> list[Tensor]:
            return [finish(window, self._decoder.render(pixels, hidden, self._c))]

        sources = self._above(len(self._transforms))
        self._tiles.run(f"render {name}", step, sources, [sink])

    def _above(self, level: int) -> list[Source]:
        """What the coarser levels say: the linear part of the image, and features if there are any.

        The linear part, 12 bytes a pixel, is made again wherever a window of it is needed.
        """
        coded: list[Callable[[], Source]] = []  # what was coded of each latent, for a new reader
        features: list[Source] = []
        for coarser in range(level):
            remainder = partial(self._remainder, coarser)
            sources: list[Source] = [remainder, self._linear(coded), *features]
            hidden, own = Flow(self._tiles.whole), Flow(self._tiles.whole)
            sinks = [hidden.write, own.write][: 2 if coarser else 1]  # 0: the remainder is all

            def step(
                _: Window, r: Tensor, x: Tensor, *before: Tensor, level: int = coarser
            ) -> Sequence[Tensor]:
                return self._absorb(level, r, x, before)[: 2 if level else 1]

            rows = self._tiles.rows(f"absorb {coarser}", step, sources, sinks)
            hidden.made_by(rows)
            own.made_by(rows)
            features = [hidden.reader()]
            coded.append(own.reader if coarser else partial(partial, self._remainder, coarser))
        return [self._linear(coded), *features]

    def _linear(self, coded: Sequence[Callable[[], Source]]) -> Source:
        """The linear part of the image, of some levels: (1, 3, height, width) of a window."""
        levels = [(t, reader()) for t, reader in zip(self._transforms, coded, strict=False)]

        def pixels(window: Window) -> Tensor:
            total = torch.zeros((1, 3, window.height, window.width), device=self._c.device)
            for transform, read in levels:
                wider = window.rounded(transform.cell)
                total = total + part(transform.synthesis(read(wider)), wider, window)
            return total

        return pixels

    def _remainder(self, level: int, window: Window) -> Tensor:
        """Σ c over a level's stages, zero outside the image: (1, D, height/cell, width/cell)."""
        stages = self._quantizer.of_level(level)
        first = self._quantizer.stages[stages[0]]
        cell = first.cell
        rows = slice(window.top // cell, window.bottom // cell)
        columns = slice(window.left // cell, window.right // cell)
        shape = (1, window.height // cell, window.width // cell, first.dim)
        total = torch.zeros(shape, device=self._c.device)
        for stage in stages[: max(len(self._indices) - stages[0], 0)]:
            codes = torch.from_numpy(self._indices[stage][rows, columns])
            codes = codes.to(self._c.device, torch.int64)
            total[0, : codes.shape[0], : codes.shape[1]] += self._quantizer.codebook(stage)[codes]
        return total.permute(0, 3, 1, 2)

    def _absorb(
        self, level: int, remainder: Tensor, pixels: Tensor, hidden: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Features of the next level, and what is coded of this one's latent."""
        before = hidden[0] if hidden else pixels.new_zeros(())
        features, coded, prediction = self._decoder.expect(level, before, pixels, self._c)
        features = self._decoder.absorb(level, features, prediction, remainder, self._c)
        return features, coded + remainder
