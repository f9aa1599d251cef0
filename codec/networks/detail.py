"""The synthesis of detail r(ẑ + U): what the conditional mean lacks to look like a photograph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from codec.networks.config import DetailConfig
from codec.networks.decoder import CONDITION, Mean
from codec.networks.layers import Block, Up, zeroed


class Detail(nn.Module):
    """r(ẑ + U): a residual to add to g(ẑ), another one for every U.

    It sees ẑ through the decoder's features at 1/8 and 1/4 and through g's pixels, and at each of
    three scales a field of noise, which learned amplitudes scale per channel.

    Args:
        config: shape of the network.
        decoder: channels of the decoder at 1/8 and 1/4.
    """

    def __init__(self, config: DetailConfig, decoder: tuple[int, int]) -> None:
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

    def forward(self, mean: Mean, u: tuple[Tensor, ...]) -> Tensor:
        """The residual (N, 3, H, W) float32.

        Args:
            mean: the decoder's pass over ẑ.
            u: standard normal noise per scale, (N, channels, H/cell, W/cell), see `CELLS`.
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
            scaled = (self.amplitudes[scale] * u[scale]).to(known.dtype)
            h = h + self.enter[scale](torch.cat([known, scaled], dim=1))
            blocks: Any = self.blocks[scale]
            for block in blocks:
                h = block(h, mean.condition)
        return nn.functional.pixel_shuffle(self.out(h).float(), 2)
