"""The codec model: encoder, quantizer, prior and decoder with their weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from bitstream.errors import CodecError
from bitstream.header import Header
from bitstream.prior import Prior, grid_shape
from codec.files import writing
from codec.images.strips import Bands
from codec.networks.decoder import Mean
from codec.networks.detail import Detail
from codec.networks.layers import channels_last
from codec.networks.pyramid import Networks
from codec.networks.quantizer import beam
from codec.novelty import LEAST_SIDE, Calibration, code_statistics, error_statistics
from codec.options import EFFORT, TILE
from codec.runtime.decoder_pass import Descent
from codec.runtime.tiles import Flow, Map, Sink, Source, Tiles, Window, part

Indices = list[NDArray[np.int32]]

FILES = ("config.json", "weights.safetensors", "prior.safetensors")
DETAIL = "detail.safetensors"  # beside them, if the model synthesises detail


@dataclass(frozen=True)
class Coding:
    """The indices that an encoder chose for an image, and what they leave.

    Attributes:
        indices: int32 grids of all stages, coarse to fine.
        quality: 0..100, that of the file's header.
        energy: per level the means of ‖e − Σ c‖² and ‖e‖² over its cells.
    """

    indices: Indices
    quality: int
    energy: list[tuple[float, float]]


@dataclass(frozen=True)
class Analysis:
    """What the encoder network made of an image: its latents, coarse to fine, and its size."""

    latents: tuple[Tensor, ...]  # (1, D, H32/cell, W32/cell) float32 each, H32 = H rounded up to 32
    height: int
    width: int
    tile: int = TILE  # pixels a side of what the networks see at once


class CodecModel:
    """Weights and tables of a codec, ready to encode and decode; safe to share between threads.

    Args:
        networks: the trained networks.
        prior: the integer tables that price and code the indices.
        fingerprint: 4 bytes that name exactly these weights and tables in a file's header.
        device: where the networks run.
        detail: the network r, None for a model that decodes to the conditional mean only. It is no
            part of the fingerprint: a file's indices do not depend on it.
        calibration: what the codes of photographs look like; None for a model that does not know.
    """

    def __init__(
        self,
        networks: Networks,
        prior: Prior,
        fingerprint: bytes,
        device: torch.device,
        detail: Detail | None = None,
        *,
        calibration: Calibration | None = None,
    ) -> None:
        self.config = networks.config
        self.calibration = calibration
        self.prior = prior
        self.fingerprint = fingerprint
        self.device = device
        self.cells, self.codes = prior.cells, prior.codes
        self.networks = channels_last(networks.to(device)).eval()
        self.detail = channels_last(detail.to(device)).eval() if detail else None
        self._reaches: dict[str, int] = {}  # how far the steps of a pass reach, see `Tiles`
        self._bf16 = device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._bf16)

    def _tiles(self, height: int, width: int, side: int) -> Tiles:
        cell = max(self.cells)
        return Tiles(-(-height // cell) * cell, -(-width // cell) * cell, cell, side, self._reaches)

    def _descent(
        self, tiles: Tiles, quality: int, stages: int, indices: Sequence[NDArray[np.int32]]
    ) -> Descent:
        condition = torch.tensor([self.config.condition(quality, stages)], device=self.device)
        networks = self.networks
        return Descent(networks.decoder, networks.quantizer, tiles, condition, indices)

    @torch.inference_mode()
    def analyse(self, image: Tensor | Bands, tile: int = TILE) -> Analysis:
        """Run the encoder network, once an image.

        Args:
            image: (1, 3, H, W), any H, W >= 1: uint8, or float32 in 0..1; or 8-bit samples that are
                let go as they are read.
            tile: pixels a side of what the networks see at once, here and in `quantize`.
        """
        if isinstance(image, Tensor):
            height, width = image.shape[2:]
        else:
            height, width = image.height, image.width
        tiles, encoder = self._tiles(height, width, tile), self.networks.encoder
        transforms = list(encoder.transforms)
        levels = range(len(transforms))

        def pixels(window: Window) -> Tensor:
            """In [-1, 1], the last row and column repeated outside the image."""
            if isinstance(image, Tensor):
                x = image[:, :, window.top : window.bottom, window.left : window.right]
            else:
                rows = image.read(window.top, window.left, window.bottom, window.right)
                x = torch.from_numpy(rows).permute(2, 0, 1)[None]
            x = x.to(self.device, torch.float32) / (255 if x.dtype == torch.uint8 else 1)
            pad = (0, window.width - x.shape[3], 0, window.height - x.shape[2])
            x = nn.functional.pad(x * 2 - 1, pad, mode="replicate")
            return x.contiguous(memory_format=torch.channels_last)

        def next_pixels(window: Window) -> Tensor:
            if isinstance(image, Bands):
                image.forget(window.top)
            return pixels(window)

        def correct(level: int, _: Window, h: Tensor) -> Sequence[Tensor]:
            return encoder.correct(level, h)[: 2 if level else 1]

        def add(level: int, window: Window, correction: Tensor) -> None:
            if level == levels[-1]:  # the first time that the window is met
                x = pixels(window)
                for latent, transform in zip(latents, transforms, strict=True):
                    latent.write(window, transform.analysis(x))
            latents[level].add(window, correction.float())

        latents = [Map(tiles.whole) for _ in levels]
        source: Source = next_pixels
        with self._autocast():
            for level in reversed(levels):
                features = Flow(tiles.whole)
                own = partial(add, level)
                sinks: list[Sink] = [own, features.write] if level else [own]
                rows = tiles.rows(f"correct {level}", partial(correct, level), [source], sinks)
                features.made_by(rows)
                source = features.reader()
            for _ in rows:  # the coarsest level's, which asks for the others'
                pass
        return Analysis(tuple(latent.values for latent in latents), height, width, tile)

    @torch.inference_mode()
    def quantize(
        self, analysis: Analysis, quality: int, finer: float = 0.0, effort: int = EFFORT
    ) -> Coding:
        """Choose the indices of an image at a quality 0..100, of all stages.

        A level's codes are searched jointly for least ‖e − Σ c‖² + λ·bits, see
        `ResidualQuantizer.search`. `finer` shifts λ by a fraction of a quality step, to reach file
        sizes between two qualities. Effort 1..9 widens the search.
        """
        quantizer = self.networks.quantizer
        lam = self.config.lagrange(quality + finer)
        height, width = analysis.height, analysis.width
        indices = [np.zeros(grid_shape(height, width, cell), np.int32) for cell in self.cells]
        tiles = self._tiles(height, width, analysis.tile)
        energy = [[0.0, 0.0] for _ in analysis.latents]

        def search(level: int, window: Window, prediction: Tensor) -> None:
            stages = quantizer.of_level(level)
            cell = self.cells[stages[0]]
            rows = slice(window.top // cell, window.bottom // cell)
            columns = slice(window.left // cell, window.right // cell)
            inside = indices[stages[0]][rows, columns].shape
            e = part(analysis.latents[level], tiles.whole, window) - prediction
            e = e[0, :, : inside[0], : inside[1]].flatten(1).T
            biases = [lam * quantizer.prices(stage, quality) for stage in stages]
            codes = quantizer.search(stages, e.contiguous(), biases, beam(effort, level))
            for stage, grid in zip(stages, codes.T.cpu().numpy(), strict=True):
                indices[stage][rows, columns] = grid.reshape(inside)
            rest = e - quantizer.centroids(stages, codes)
            for k, vectors in enumerate((rest, e)):
                energy[level][k] += vectors.square().sum().item() / indices[stages[0]].size

        with self._autocast():
            descent = self._descent(tiles, quality, len(indices), indices)
            for level in range(len(analysis.latents)):
                descent.expect(level, partial(search, level))
        return Coding(indices, quality, [(rest, whole) for rest, whole in energy])

    @torch.inference_mode()
    def code_lengths(self, quality: int) -> list[NDArray[np.float32]]:
        """Bits of each code at a quality 0..100: per stage (K,) float32."""
        lengths = self.networks.quantizer.prices
        return [lengths(stage, quality).cpu().numpy() for stage in range(len(self.cells))]

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
            stages than the model, or if the model has no calibration.
        """
        if self.calibration is None or min(header.height, header.width) < LEAST_SIDE:
            return None
        if len(indices) != len(self.cells):
            return None
        code = code_statistics(self.code_lengths(header.quality), indices, payload)
        error = None if energy is None else error_statistics(energy)
        return self.calibration.percentile(code, error, header.quality)

    @torch.inference_mode()
    def render(
        self,
        indices: Sequence[NDArray[np.int32]],
        quality: int,
        height: int,
        width: int,
        sink: Callable[[int, int, Tensor], None],
        *,
        realism: float = 0.0,
        seed: int = 0,
        tile: int = TILE,
    ) -> None:
        """Make an image tile by tile: the same pixels as `synthesise`'s.

        Args:
            indices: int32 grids, coarse to fine.
            quality: 0..100, as they were coded.
            height: of the image.
            width: of the image.
            realism: α, 0..1, see `synthesise`.
            seed: of U, 0..2**64 - 1.
            sink: takes top, left and pixels (1, 3, h, w) float32 in 0..1 of every tile.
            tile: pixels a side of what the networks see at once.
        """
        tiles = self._tiles(height, width, tile)
        detail = self.detail if realism else None

        def finish(window: Window, mean: Mean) -> Tensor:
            x = mean.pixels
            if detail:
                place = (window.top, window.left, window.height, window.width)
                x = x + realism * detail(mean, detail.draw(seed, *place))
            return x.add(1).mul(0.5).clamp_(0, 1)

        def inside(window: Window, x: Tensor) -> None:
            sink(window.top, window.left, x[:, :, : height - window.top, : width - window.left])

        with self._autocast():
            descent = self._descent(tiles, quality, len(indices), indices)
            descent.render("detail" if detail else "mean", finish, inside)

    def synthesise(
        self,
        indices: Sequence[NDArray[np.int32]],
        quality: int,
        height: int,
        width: int,
        *,
        realism: float = 0.0,
        seed: int = 0,
    ) -> Tensor:
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

        Returns:
            (1, 3, height, width) float32 in 0..1.
        """
        image = torch.empty((1, 3, height, width), device=self.device)

        def collect(top: int, left: int, x: Tensor) -> None:
            image[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x

        self.render(indices, quality, height, width, collect, realism=realism, seed=seed)
        return image

    def save(self, folder: Path) -> None:
        """Write config.json, the prior and the weights (float16, as safetensors), each file whole.

        Raises:
            CodecError, OSError: a file cannot be written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with writing(str(folder / "config.json"), force=True) as file:
            file.write(self.config.to_json().encode())
        state = {
            name: (tensor if name == "quantizer.shares" else tensor.half()).contiguous().cpu()
            for name, tensor in self.networks.state_dict().items()
        }
        written = ["weights.safetensors", "prior.safetensors"]
        try:
            save_file(state, folder / "weights.safetensors")
            self.prior.save(folder / "prior.safetensors")
            if self.detail:
                save_detail(self.detail, folder / DETAIL)
                written.append(DETAIL)
        except SafetensorError as error:
            raise CodecError(f"the model cannot be written to {folder}: {error}") from error
        for name in written:
            (folder / name).chmod(0o644)  # safetensors writes files that only their owner reads


def save_detail(detail: Detail, path: Path) -> None:
    """Write a detail network: weights in float16, its shape as metadata."""
    state = {n: tensor.half().contiguous().cpu() for n, tensor in detail.state_dict().items()}
    save_file(state, path, {"config": json.dumps(asdict(detail.config))})
