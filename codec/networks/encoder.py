"""The analysis transform f: pixels to one latent per level of the pyramid."""

from __future__ import annotations

from torch import Tensor, nn

from codec.networks.layers import Block, BlockAnalysis, Down, Transforms, zeroed


class Encoder(nn.Module):
    """Deterministic encoder f(x) (the paper's f_φ; the rate is then H(Ẑ)).

    Each latent is the linear block transform of the image plus a correction by one convolutional
    trunk; the correction's last layers start at zero, so training starts at the linear optimum.

    Args:
        transforms: one `BlockAnalysis` per level, coarse to fine (cells 32, 16, 8).
        widths: channels at 1/4, 1/8, 1/16 and 1/32 of the resolution.
    """

    def __init__(
        self, transforms: Transforms[BlockAnalysis], widths: tuple[int, int, int, int]
    ) -> None:
        super().__init__()
        self.transforms = transforms
        w4, w8, w16, w32 = widths
        self.stem = nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(48, w4, 3, padding=1), Block(w4))
        self.to8 = nn.Sequential(Down(w4, w8), Block(w8), Block(w8))
        self.to16 = nn.Sequential(Down(w8, w16), Block(w16), Block(w16))
        self.to32 = nn.Sequential(Down(w16, w32), Block(w32))
        self.heads = nn.ModuleList(
            zeroed(nn.Conv2d(width, transform.dim, 1))
            for width, transform in zip((w32, w16, w8), transforms, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Pixels (N, 3, H, W) in [-1, 1], H and W multiples of 32, to latents, coarse to fine."""
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
            from (nothing at the coarsest).
        """
        trunk = (self.to32[1:], self.to16[1:], nn.Sequential(self.stem, self.to8))
        h = trunk[level](h)
        correction = self.heads[level](h)
        down = (nn.Identity(), self.to32[0], self.to16[0])
        return correction, down[level](h)
