"""The synthesis of detail r(ẑ + U): what the conditional mean lacks to look like a photograph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from codec.networks.config import TEXTURE_DIM, DetailConfig, ModelConfig
from codec.networks.decoder import CONDITION, Mean
from codec.networks.layers import Block, Up, zeroed


class Detail(nn.Module):
    """r(ẑ + U): a residual to add to g(ẑ), another one for every U.

    It sees ẑ through the decoder's features at 1/8 and 1/4 and through g's pixels, and at each of
    three scales a field of noise, which learned amplitudes scale per channel. Where the model has
    texture codes, these scale the noise, too, and where they say "none" the residual is zero.

    Args:
        config: shape of the network.
        decoder: channels of the decoder at 1/8 and 1/4.
        texture: whether the model has texture codes.
    """

    def __init__(self, config: DetailConfig, decoder: tuple[int, int], texture: bool) -> None:
        super().__init__()
        self.config = config
        w8, w4, w2 = config.widths
        given = (decoder[0], decoder[1] + 3 * 4 * 4, 3 * 2 * 2)
        self.amplitudes = nn.ParameterList(torch.ones(n, 1, 1) for n in config.noise)
        self.enter = nn.ModuleList(
            nn.Conv2d(known + n, width, 1)
            for known, n, width in zip(given, config.noise, config.widths, strict=True)
        )
        self.ups = nn.ModuleList([Up(w8, w4), Up(w4, w2)])
        self.blocks = nn.ModuleList(
            nn.ModuleList(Block(width, CONDITION) for _ in range(count))
            for width, count in zip(config.widths, config.blocks, strict=True)
        )
        self.out = zeroed(nn.Conv2d(w2, 3 * 2 * 2, 3, padding=1))
        told = (w8, *config.noise) if texture else ()
        self.texture = nn.ModuleList(zeroed(nn.Conv2d(TEXTURE_DIM, n, 1)) for n in told)

    def forward(self, mean: Mean, u: tuple[Tensor, ...], texture: Tensor | None = None) -> Tensor:
        """The residual (N, 3, H, W) float32.

        Args:
            mean: the decoder's pass over ẑ.
            u: standard normal noise per scale, (N, channels, H/cell, W/cell), see `CELLS`.
            texture: centroids of the texture codes (N, TEXTURE_DIM, H/8, W/8); None if the model
                has none.
        """
        pixels = mean.pixels
        seen = (
            mean.h8,
            torch.cat([mean.h4, nn.functional.pixel_unshuffle(pixels, 4).to(mean.h4.dtype)], 1),
            nn.functional.pixel_unshuffle(pixels, 2),
        )
        h = pixels.new_zeros(())
        for scale, known in enumerate(seen):
            if scale:
                h = self.ups[scale - 1](h)
            scaled = self.amplitudes[scale] * u[scale]
            if texture is not None:
                strength = self.texture[1 + scale](texture).float().exp()
                scaled = scaled * enlarged(strength, 2**scale)
            h = h + self.enter[scale](torch.cat([known, scaled.to(known.dtype)], dim=1))
            if texture is not None and not scale:
                h = h + self.texture[0](texture)
            blocks: Any = self.blocks[scale]
            for block in blocks:
                h = block(h, mean.condition)
        residual = nn.functional.pixel_shuffle(self.out(h).float(), 2)
        if texture is not None:
            residual = residual * enlarged(1 - silence(texture[:, -1:]), 8)
        return residual


def detail_of(model: ModelConfig, config: DetailConfig) -> Detail:
    """A new detail network for a model."""
    return Detail(config, (model.decoder[1], model.decoder[0]), model.texture > 0)


def silence(none: Tensor) -> Tensor:
    """How far r is silenced: 1 in the cells that have no texture, falling to 0 in 16 pixels around.

    Args:
        none: (N, 1, H/8, W/8), 1 in those cells and 0 in the others.
    """
    wider = nn.functional.max_pool2d(none, 3, stride=1, padding=1)
    return nn.functional.avg_pool2d(wider, 3, stride=1, padding=1, count_include_pad=False)


def enlarged(x: Tensor, times: int) -> Tensor:
    """Each value of a map repeated `times` times in both directions."""
    return nn.functional.interpolate(x, scale_factor=times, mode="nearest") if times > 1 else x
