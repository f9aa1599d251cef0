"""The encoder's pass over an image of any size, in tiles: pixels to latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from codec.images.strips import Strips
from codec.options import TILE
from codec.runtime.engine import Array, Engine, Floats
from codec.runtime.maps import Flow, Map, Position, Sink, Source
from codec.runtime.tiles import Tiles
from codec.runtime.windows import Window

SAMPLES = (np.arange(256, dtype=np.float32) / 255) * 2 - 1  # in [-1, 1], by 8-bit value


@dataclass(frozen=True)
class Analysis:
    """What the encoder network made of an image: its latents, coarse to fine, and its size."""

    latents: list[Floats]  # (1, D, H32/cell, W32/cell) each, H32 = H rounded up to 32
    height: int
    width: int
    tile: int = TILE  # pixels a side of what the networks see at once
    image: Strips | None = None  # its samples, for models with texture codes
    once: bool = False  # each level's latents are freed when its codes are chosen


class EncoderPass:
    """The levels of an image from the finest on: linear transforms plus what a network adds.

    Args:
        engine: the networks.
        levels: how many there are.
        tiles: of the image.
        image: its samples.
        keep: whether its rows stay; otherwise they are freed as they are read.
    """

    def __init__(
        self, engine: Engine, levels: int, tiles: Tiles, image: Strips, *, keep: bool
    ) -> None:
        self._engine, self._tiles, self._image, self._keep = engine, tiles, image, keep
        self._finest = levels - 1
        self._latents = [Map(tiles.whole) for _ in range(levels)]

    def run(self) -> list[Floats]:
        """The latents, coarse to fine: (1, D, height/cell, width/cell) float32 each."""
        source: Source = self._next_pixels
        for level in range(self._finest, 0, -1):
            features = Flow(self._tiles.whole)
            sinks: list[Sink] = [partial(self._add, level), features.write]
            step = partial(self._refine, level)
            features.made_by(self._tiles.maker(f"refine {level}", step, [source], sinks))
            source = features.reader(Position(1))
        # Level 0 asks for the others' rows.
        self._tiles.run("refine 0", partial(self._refine, 0), [source], [partial(self._add, 0)])
        return [latent.values for latent in self._latents]

    def _refine(self, level: int, _: Window, features: Array) -> Sequence[Array]:
        correction, coarser = self._engine.refine(level, features)
        return [correction] if coarser is None else [correction, coarser]

    def _add(self, level: int, window: Window, correction: Floats) -> None:
        """Add to the linear latents, which are made the first time that a window is met."""
        if level == self._finest:
            linear = self._engine.analyze(pixels_of(self._image, window))
            for latent, values in zip(self._latents, linear, strict=True):
                latent.write(window, values)
        self._latents[level].add(window, correction)

    def _next_pixels(self, window: Window) -> Floats:
        if not self._keep:
            self._image.forget(window.top)
        return pixels_of(self._image, window)


def pixels_of(image: Strips, window: Window) -> Floats:
    """(1, 3, H, W) in [-1, 1], the last row and column repeated outside the image."""
    rows = image.read(window.top, window.left, window.bottom, window.right)
    x = SAMPLES[rows]
    below, right = window.height - x.shape[0], window.width - x.shape[1]
    if below or right:
        x = np.pad(x, ((0, below), (0, right), (0, 0)), mode="edge")
    return x.transpose(2, 0, 1)[None]
