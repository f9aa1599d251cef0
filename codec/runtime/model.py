"""The codec model: networks, centroids and tables, ready to encode and decode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bitstream.header import Header, major_of
from codec.networks.config import ModelConfig
from codec.options import EFFORT, TILE
from codec.runtime.decoder_pass import DecoderPass
from codec.runtime.maps import Map
from codec.runtime.tiles import Tiles
from codec.runtime.windows import Window

if TYPE_CHECKING:
    from pathlib import Path

    from bitstream.prior import Prior
    from codec.images.strips import Samples, Strips
    from codec.novelty import Calibration
    from codec.runtime.codebooks import Codebooks
    from codec.runtime.encoder_pass import Analysis
    from codec.runtime.engine import Engine, Floats
    from codec.runtime.quantize import Coding


class CodecModel:
    """Weights and tables of a codec, ready to encode and decode; safe to share between threads.

    Args:
        config: the model's shape.
        engine: what runs its networks.
        codebooks: its centroids, and how often each is used.
        prior: the integer tables that price and code the indices.
        fingerprint: 4 bytes that name exactly these weights and tables in a file's header. The
            detail network is no part of it: a file's indices do not depend on that.
        folder: that it lies in, for its `calibration`.
        reaches: how far the steps of the passes reach, see `Tiles`; those that are missing are
            found as they are needed.
    """

    def __init__(
        self,
        config: ModelConfig,
        engine: Engine,
        codebooks: Codebooks,
        prior: Prior,
        fingerprint: bytes,
        *,
        folder: Path | None = None,
        reaches: dict[str, int] | None = None,
    ) -> None:
        self.config, self.engine, self.codebooks = config, engine, codebooks
        self.prior, self.fingerprint, self._folder = prior, fingerprint, folder
        self.cells, self.codes = prior.cells, prior.codes
        self.reaches = {} if reaches is None else reaches

    @cached_property
    def calibration(self) -> Calibration | None:
        """What the codes of photographs look like, read when it is first asked for.

        None if the model cannot judge novelty; CodecError if its file is not valid.
        """
        if self._folder is None:
            return None
        from codec.novelty import load_calibration  # noqa: PLC0415  (decoders judge nothing)

        sizes = len(self.cells), len(self.config.levels)
        return load_calibration(self._folder, self.fingerprint, *sizes)

    def analyze(self, image: Strips, tile: int = TILE, *, once: bool = False) -> Analysis:
        """Run the encoder network, once an image.

        Args:
            image: its samples, of any size from 1x1 on; they are freed as they are read, unless the
                model has texture codes.
            tile: pixels a side of what the networks see at once, here and in `quantize`.
            once: whether it is to be quantized once only, which frees its latents.
        """
        from codec.runtime.encoder_pass import Analysis, EncoderPass  # noqa: PLC0415  (encoders)

        height, width = image.height, image.width
        tiles, textured = self._tiles(height, width, tile), self.codebooks.texture is not None
        with self.engine.running():
            levels = len(self.codebooks.levels)
            latents = EncoderPass(self.engine, levels, tiles, image, keep=textured).run()
        return Analysis(latents, height, width, tile, image if textured else None, once)

    def quantize(
        self, analysis: Analysis, quality: int, lambda_offset: float = 0.0, effort: int = EFFORT
    ) -> Coding:
        """Choose the indices of an image at a quality 0..100, of the stages that it codes.

        A level's codes are searched jointly for least ‖e − Σ c‖² + λ·bits, see `Engine.search`.

        Args:
            analysis: what the encoder made of the image.
            quality: 0..100, which gives λ.
            lambda_offset: λ is that of quality + lambda_offset, which reaches file sizes between
                those of two qualities.
            effort: 1..9, how widely to search.
        """
        from codec.runtime.quantize import Quantization  # noqa: PLC0415  (encoders)

        lam = self.config.lambda_at(quality + lambda_offset)
        stages = self.config.coded_stages(quality)
        lengths = self.code_lengths(quality)[:stages]
        tiles = self._tiles(analysis.height, analysis.width, analysis.tile)
        search = Quantization(
            self.engine, self.codebooks, tiles, analysis, lengths, lam=lam, effort=effort
        )
        with self.engine.running():
            return search.run(self.config.condition(quality, stages), quality)

    def header(self, coding: Coding, height: int, width: int) -> Header:
        """The header of the file of an image's codes, of the format's version for this model."""
        return Header(
            width,
            height,
            coding.quality,
            len(coding.indices),
            self.fingerprint,
            major=major_of(len(self.cells)),
        )

    def code_lengths(self, quality: int) -> list[Floats]:
        """Bits of each code at a quality 0..100: per stage (K,) float32."""
        return [self.codebooks.code_lengths(stage, quality) for stage in range(len(self.cells))]

    def novelty(
        self,
        indices: Sequence[NDArray[np.int32]],
        header: Header,
        payload: int,
        energy: Sequence[tuple[float, float]] | None = None,
    ) -> float | None:
        """Percentile of a coded image among photographs, see `Calibration.percentile`.

        Args:
            indices: int32 grids of the stages, coarse to fine.
            header: of the file.
            payload: bytes that the indices take in the file.
            energy: see `Coding`; None if only the file is known.

        Returns:
            Above 0 and below 100. None if the image is below 256 pixels a side, if it has fewer
            stages than its quality codes, or if the model has no calibration.
        """
        from codec.novelty import (  # noqa: PLC0415  (decoders judge nothing)
            LEAST_SIDE,
            code_statistics,
            error_statistics,
        )

        if min(header.height, header.width) < LEAST_SIDE or self.calibration is None:
            return None
        if len(indices) != self.config.coded_stages(header.quality):
            return None
        code = code_statistics(self.code_lengths(header.quality), indices, payload)
        error = None if energy is None else error_statistics(energy)
        return self.calibration.percentile(code, error, header.quality)

    def strips(
        self,
        indices: Sequence[NDArray[np.int32]],
        header: Header,
        *,
        grey: bool = False,
        realism: float = 0.0,
        seed: int = 0,
        tile: int = TILE,
    ) -> Iterator[Samples]:
        """The image of indices in 8 bits, from top to bottom, a row of tiles at a time.

        Args:
            indices: int32 grids, coarse to fine: the first stages or all.
            header: of the file: size and quality.
            grey: the mean of the three colours for all of them.
            realism: α, 0..1, see `synthesize`.
            seed: of U, 0..2**64 - 1.
            tile: pixels a side of what the networks see at once.

        Yields:
            uint8 (rows, width, 3): the nearest to `synthesize`'s pixels.
        """
        tiles = self._tiles(header.height, header.width, tile)
        strip = _Strip(header.height, header.width, grey)
        decoder = self._decoder(tiles, header.quality, indices)
        rows, more = decoder.rows(realism, seed, strip.put), True
        while more:
            with self.engine.running():
                more = next(rows, False) is None
            yield strip.samples

    def synthesize(
        self,
        indices: Sequence[NDArray[np.int32]],
        quality: int,
        height: int,
        width: int,
        *,
        realism: float = 0.0,
        seed: int = 0,
        tile: int = TILE,
    ) -> Floats:
        """The image x̂ = g(ẑ) + α·r(ẑ + U) of indices (the first stages or all).

        The straight line between the conditional mean (α = 0) and the decoder of perfect realism
        (α = 1) is optimal for every trade between distortion and perception (Freirich 2021).

        Args:
            indices: int32 grids, coarse to fine.
            quality: 0..100, as they were coded.
            height: of the image.
            width: of the image.
            realism: α, 0..1. A model without a detail network has r = 0.
            seed: of U, 0..2**64 - 1.
            tile: pixels a side of what the networks see at once.

        Returns:
            (1, 3, height, width) float32 in 0..1.
        """
        tiles = self._tiles(height, width, tile)
        image = Map(tiles.whole)
        decoder = self._decoder(tiles, quality, indices)
        with self.engine.running():
            for _ in decoder.rows(realism, seed, image.write):
                pass
        return image.values[:, :, :height, :width]

    def _tiles(self, height: int, width: int, side: int) -> Tiles:
        cell = max(self.cells)
        return Tiles(-(-height // cell) * cell, -(-width // cell) * cell, cell, side, self.reaches)

    def _decoder(
        self, tiles: Tiles, quality: int, indices: Sequence[NDArray[np.int32]]
    ) -> DecoderPass:
        condition = self.config.condition(quality, len(indices))
        with self.engine.running():
            return DecoderPass(self.engine, self.codebooks, tiles, condition, indices)


class _Strip:
    """The row of tiles that is being made, in 8 bits.

    Args:
        height, width: of the image.
        grey: whether the mean of the colours stands for all of them.
    """

    def __init__(self, height: int, width: int, grey: bool) -> None:
        self._height, self._width, self._grey = height, width, grey
        self.samples: Samples = np.empty((0, 0, 3), np.uint8)

    def put(self, window: Window, pixels: Floats) -> None:
        """Take a tile's pixels, (1, 3, height, width) in 0..1; they are changed."""
        if not window.left:
            rows = min(window.bottom, self._height) - window.top
            self.samples = np.empty((rows, self._width, 3), np.uint8)
        x = pixels[0].transpose(1, 2, 0)[: len(self.samples), : self._width - window.left]
        if self._grey:
            x = x.mean(axis=2, keepdims=True)
        x *= 255
        np.rint(x, out=x)
        self.samples[:, window.left : window.left + x.shape[1]] = x
