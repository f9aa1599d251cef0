"""The analysis transform f: pixels to one latent per level of the pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from codec.networks.config import STEM
from codec.networks.layers import Block, BlockAnalysis, Down, Transforms, zeroed


class Encoder(nn.Module):
    """Deterministic encoder f(x) (the paper's f_φ; the rate is then H(Ẑ)).

    Each latent is the linear block transform of the image plus a correction by one convolutional
    trunk; the correction's last layers start at zero, so training starts at the linear optimum.

    Args:
        transforms: one `BlockAnalysis` per level, coarse to fine; cells halve from level to level.
        widths: channels at 1/4, 1/8, ... of the resolution, down to the coarsest level's cells. At
            the first and the last of these scales there is one residual block, between them two.
    """

    def __init__(
        self,
        transforms: Transforms[BlockAnalysis],
        widths: Sequence[int],
    ) -> None:
        super().__init__()
        self.transforms = transforms
        cells = [transform.cell for transform in transforms]
        width = dict(zip((STEM << k for k in range(len(widths))), widths, strict=True))
        first = nn.Conv2d(3 * STEM**2, widths[0], 3, padding=1)
        self.stem = nn.Sequential(nn.PixelUnshuffle(STEM), first, Block(widths[0]))
        for k in range(1, len(widths)):
            trunk = (Block(widths[k]) for _ in range(2 if k < len(widths) - 1 else 1))
            self.add_module(f"to{STEM << k}", nn.Sequential(Down(widths[k - 1], widths[k]), *trunk))
        self.heads = nn.ModuleList(
            zeroed(nn.Conv2d(width[cell], transform.dim, 1))
            for cell, transform in zip(cells, transforms, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pixels (N, 3, H, W) in [-1, 1] to latents, coarse to fine.

        H and W are multiples of the coarsest cell.
        """
        latents: list[Tensor] = []
        h = x
        for level, transform in reversed(list(enumerate(self.transforms))):
            correction, h = self.correct(level, h)
            latents.insert(0, transform.analysis(x) + correction.float())
        return latents

    def correct(self, level: int, h: Tensor) -> tuple[Tensor, Tensor]:
        """The part of the trunk that one level adds; levels come fine to coarse.

        Args:
            level: 0 is the coarsest.
            h: pixels at the finest level, else the second result of the level before.

        Returns:
            The correction of the level's latent, and what the next coarser level starts
            from (the features themselves at the coarsest).
        """
        cells = [transform.cell for transform in self.transforms]
        if level == len(cells) - 1:
            h = self.stem(h)
            for scale in (STEM << k for k in range(1, (cells[level] // STEM).bit_length())):
                h = self._to(scale)(h)
        else:
            h = self._to(cells[level])[1:](h)
        down = self._to(cells[level - 1])[0] if level else nn.Identity()
        return self.heads[level](h), down(h)

    def _to(self, scale: int) -> nn.Sequential:
        return cast(nn.Sequential, self.get_submodule(f"to{scale}"))
