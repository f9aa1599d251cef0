"""What the passes ask of the networks: arrays in, arrays out.

An engine runs one step of the networks on a window of an image. The passes beside this file
(`encoder_pass`, `decoder_pass`) decide which windows, in which order, and keep the maps between
the steps; they know no framework, and an engine knows no tiles.

Maps have the shape (1, channels, height/cell, width/cell). Pixels, latents and noise are float32.
Features and the embedding are float32 or, as numpy has no bfloat16, its bits in int16: a pass only
cuts them out, copies them and gives them back to the engine that made them. The memory layout is
the engine's choice too; maps keep the layout of what they are made of.

Levels are numbered from the coarsest (0) to the finest. A level's *latent* is what the linear
transforms turn into pixels: what the networks predicted of it plus the coded remainder.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float32]


class Engine(Protocol):
    """The networks' steps."""

    @property
    def noise(self) -> tuple[tuple[int, int], ...]:
        """The scales at which the detail network takes noise: cell in pixels, and channels.

        Empty if there is no detail network.
        """

    def running(self) -> AbstractContextManager[object]:
        """What is entered around all steps of a pass: what they share is set up once."""

    def analyze(self, pixels: Floats) -> list[Floats]:
        """Analysis transform, the linear part of the encoder.

        Args:
            pixels: (1, 3, H, W) in [-1, 1], H and W multiples of the coarsest cell.

        Returns:
            Per level (1, D, H/cell, W/cell).
        """

    def refine(self, level: int, features: Array) -> tuple[Floats, Array | None]:
        """The encoder network's part of one level; levels come fine to coarse.

        Args:
            level: 0 is the coarsest.
            features: pixels at the finest level, else the second result of the level before.

        Returns:
            What to add to the level's linear latent (1, D, H/cell, W/cell), and what the next
            coarser level starts from (None at level 0).
        """

    def embed(self, condition: Sequence[float]) -> Array:
        """The embedding of `ModelConfig.condition`, which the steps below take."""

    def predict(
        self, level: int, embedding: Array, features: Array, latents: Sequence[Floats]
    ) -> Floats:
        """What the coarser levels predict of a level's latent: (1, D, H/cell, W/cell).

        Args:
            level: 1 or more; nothing is known of level 0.
            embedding: see `embed`.
            features: those that `update` made of the level before.
            latents: of all coarser levels, level 0 first.
        """

    def update(
        self,
        level: int,
        embedding: Array,
        remainder: Floats | None,
        features: Array | None,
        latents: Sequence[Floats],
    ) -> tuple[Array, Floats]:
        """The features and the latent of a level once its remainder is decoded.

        Args:
            level: 0 or more.
            embedding: see `embed`.
            remainder: Σ c of the level's codes, (1, D, H/cell, W/cell); None for a level that is
                not coded (see `ModelConfig.coded_levels`): it stays as predicted.
            features: those that `update` made of the level before; None at level 0.
            latents: of all coarser levels, level 0 first.

        Returns:
            Features at the level's resolution, and the level's latent (1, D, H/cell, W/cell).
        """

    def synthesize(self, latents: Sequence[Floats]) -> Floats:
        """Synthesis transform, the linear part of the decoder: (1, 3, H, W) of all levels' latents.

        H and W are multiples of the coarsest cell.
        """

    def render(
        self,
        embedding: Array,
        pixels: Floats,
        features: Sequence[Array],
        noise: Sequence[Floats] | None,
        texture: Floats | None,
    ) -> tuple[Floats, Floats | None]:
        """The conditional mean g(ẑ), and the residual r(ẑ + U) if noise is given.

        Args:
            embedding: see `embed`.
            pixels: what `synthesize` made, (1, 3, H, W); H and W are multiples of the finest cell.
            features: those that `update` made of the finest level and, where its cells are of 4
                pixels, of the level before.
            noise: U per scale (see `noise` of the engine), (1, channels, H/cell, W/cell).
            texture: centroids of the texture codes (1, 16, H/8, W/8), of a model that has them; not
                looked at without noise.

        Returns:
            Both (1, 3, H, W), nominally in [-1, 1] and not clipped; None without noise.
        """

    def search(
        self, level: int, vectors: Floats, biases: Sequence[Floats], width: int
    ) -> NDArray[np.integer[Any]]:
        """Codes of a level's stages that jointly quantize vectors, by beam search.

        They are chosen for least ‖e − Σ_s c_s‖² + Σ_s b_s.

        Args:
            level: whose stages.
            vectors: (n, D), the vectors e.
            biases: per stage (K,), λ·bits of each code.
            width: partial sums that are kept.

        Returns:
            Codes (n, stages of the level).
        """
