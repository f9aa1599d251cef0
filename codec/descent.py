"""The decoder's top-down pass over an image of any size, in tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codec.decoder import Decoder, Mean
from codec.quantizer import ResidualQuantizer
from codec.tiling import Map, Sink, Source, Tiles, Window, part

Finish = Callable[[Window, Mean], Tensor]  # the pixels of a window, from the decoder's pass over it


class Descent:
    """The levels of an image from the coarsest on: `expect`, `absorb`, `expect`, ..., `render`.

    Between levels it keeps the level's features and the latents' coded parts, 2 bytes a pixel of
    the image for the packaged model; the linear part of the image is made again wherever a window
    of it is needed.

    Args:
        decoder: the networks.
        quantizer: the centroids.
        tiles: of the image.
        condition: (1, 1 + levels), see `ModelConfig.condition`.
        indices: int32 grids of the first stages, or of all, coarse to fine. A level's grids are
            looked at from `absorb` or `render` of the level on.
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
        self._hidden = Map(tiles.whole)  # features of the last level that was absorbed
        self._coded: list[Map] = []  # of each level that was absorbed, what was coded of its latent

    def expect(self, sink: Sink) -> None:
        """Give the prediction of the next level's latent to a sink."""

        def step(_: Window, pixels: Tensor, *hidden: Tensor) -> list[Tensor]:
            return [self._expect(pixels, hidden)[2]]

        self._tiles.run(f"expect {self._level}", step, self._sources(), [sink])

    def absorb(self) -> None:
        """Take in the codes of the next level."""
        features, coded = Map(self._tiles.whole), Map(self._tiles.whole)

        def step(_: Window, remainder: Tensor, pixels: Tensor, *hidden: Tensor) -> list[Tensor]:
            return list(self._absorb(remainder, pixels, hidden))

        sources: list[Source] = [partial(self._remainder, self._level), *self._sources()]
        self._tiles.run(f"absorb {self._level}", step, sources, [features.write, coded.write])
        self._hidden = features
        self._coded.append(coded)

    def render(self, name: str, finish: Finish, sink: Sink) -> None:
        """Take in the codes of the finest level, and give the image to a sink.

        Args:
            name: of `finish`; functions that reach differently have different names.
            finish: makes pixels of the decoder's pass.
            sink: takes them.
        """

        def step(
            window: Window, remainder: Tensor, pixels: Tensor, *hidden: Tensor
        ) -> list[Tensor]:
            features, coded = self._absorb(remainder, pixels, hidden)
            pixels = pixels + self._transforms[self._level].synthesis(coded)
            return [finish(window, self._decoder.render(pixels, features, self._c))]

        sources: list[Source] = [partial(self._remainder, self._level), *self._sources()]
        self._tiles.run(f"render {name}", step, sources, [sink])

    @property
    def _level(self) -> int:
        return len(self._coded)

    def _sources(self) -> list[Source]:
        return [self._linear, self._hidden.read] if self._coded else [self._linear]

    def _linear(self, window: Window) -> Tensor:
        """The linear part of the image, of the levels that were absorbed: (1, 3, height, width)."""
        shape = (1, 3, window.height, window.width)
        pixels = torch.zeros(shape, device=self._c.device)
        for transform, coded in zip(self._transforms, self._coded, strict=False):
            wider = window.rounded(transform.cell)
            pixels = pixels + part(transform.synthesis(coded.read(wider)), wider, window)
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

    def _expect(self, pixels: Tensor, hidden: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        features = hidden[0] if hidden else pixels.new_zeros(())
        return self._decoder.expect(self._level, features, pixels, self._c)

    def _absorb(
        self, remainder: Tensor, pixels: Tensor, hidden: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Features of the next level, and what is coded of its latent."""
        features, coded, prediction = self._expect(pixels, hidden)
        features = self._decoder.absorb(self._level, features, prediction, remainder, self._c)
        return features, coded + remainder
