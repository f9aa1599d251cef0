"""The synthesis transform g: quantised latents of all levels to pixels, coarse to fine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from codec.networks.layers import Block, BlockTransform, Transforms, Up, zeroed

CONDITION = 32  # width of the quality embedding

# Called once a level with its number and the predicted latent (N, dim, h, w); returns the quantised
# remainder r of the level, of the same shape.
Code = Callable[[int, Tensor], Tensor]


@dataclass(frozen=True)
class Mean:
    """The conditional mean, and what the decoder knew when it made it."""

    pixels: Tensor  # (N, 3, H, W) float32, nominally in [-1, 1], not clamped
    h8: Tensor  # features (N, w8, H/8, W/8)
    h4: Tensor  # features (N, w4, H/4, W/4)
    condition: Tensor  # quality embedding (N, CONDITION)


class Decoder(nn.Module):
    """g(ẑ), the conditional mean of the image given the indices (realism 0).

    One top-down pass. At each level it first *predicts* the level's latent from the coarser levels
    (linear closed loop plus a correction); what is coded is the remainder against that prediction,
    so the same pass runs in the encoder. Pixels are the linear synthesis of all levels plus a
    correction.

    Args:
        transforms: the block transforms, coarse to fine.
        widths: channels at 1/4, 1/8, 1/16 and 1/32 of the resolution.
    """

    def __init__(
        self, transforms: Transforms[BlockTransform], widths: tuple[int, int, int, int]
    ) -> None:
        super().__init__()
        self.transforms = transforms
        w4, w8, w16, w32 = widths
        dims = [transform.dim for transform in transforms]
        c = CONDITION
        self.condition = nn.Sequential(
            nn.Linear(1 + len(dims), c), nn.SiLU(), nn.Linear(c, c), nn.SiLU()
        )
        self.embed = nn.ModuleList(
            nn.Conv2d(2 * d, w, 1) for d, w in zip(dims, (w32, w16, w8), strict=True)
        )
        self.ups = nn.ModuleList([Up(w32, w16), Up(w16, w8)])
        self.before = nn.ModuleList([Block(w16, c), Block(w8, c)])
        self.predict = nn.ModuleList(
            [zeroed(nn.Conv2d(w16, dims[1], 1)), zeroed(nn.Conv2d(w8, dims[2], 1))]
        )
        self.after = nn.ModuleList([Block(w32, c), Block(w16, c), Block(w8, c)])
        self.up4 = Up(w8, w4)
        self.last = Block(w4, c)
        self.out = zeroed(nn.Conv2d(w4, 48, 3, padding=1))

    def forward(self, condition: Tensor, code: Code, shape: torch.Size) -> Mean:
        """The image of a coding.

        Args:
            condition: (N, 1 + levels), see `ModelConfig.condition`.
            code: see `Code`.
            shape: shape of the image (N, 3, H, W), H and W multiples of 32.
        """
        return self.render(*self.top_down(condition, code, shape))

    def top_down(
        self, condition: Tensor, code: Code, shape: torch.Size
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All levels, coarse to fine: what the encoder runs too (arguments as in `forward`).

        Returns:
            The linear part of the image (N, 3, H, W), the features (N, w8, H/8, W/8) and the
            quality embedding (N, CONDITION).
        """
        c = self.condition(condition)
        pixels = torch.zeros(shape, device=c.device)
        hidden = pixels.new_zeros(())
        for level, transform in enumerate(self.transforms):
            hidden, coded, prediction = self.expect(level, hidden, pixels, c)
            remainder = code(level, prediction)  # (N, dim, h, w)
            hidden = self.absorb(level, hidden, prediction, remainder, c)
            pixels = pixels + transform.synthesis(coded + remainder)
        return pixels, hidden, c

    def expect(
        self, level: int, hidden: Tensor, pixels: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the coarser levels say of a level.

        Args:
            level: 0 is the coarsest.
            hidden: features of the coarser levels; not looked at for the coarsest.
            pixels: the linear part of the image so far (N, 3, H, W).
            c: the quality embedding.

        Returns:
            The features at the level's resolution, the network's part of the prediction, which
            counts as coded, and the prediction, both (N, dim, h, w).
        """
        prediction = [*self.transforms][level].analysis(pixels)  # zero at the coarsest level
        if not level:
            return hidden, pixels.new_zeros(()), prediction
        hidden = self.before[level - 1](self.ups[level - 1](hidden), c)
        coded = self.predict[level - 1](hidden).float()
        return hidden, coded, prediction + coded

    def absorb(
        self, level: int, hidden: Tensor, prediction: Tensor, remainder: Tensor, c: Tensor
    ) -> Tensor:
        """The features of a level once its remainder is known, from what `expect` returned."""
        embedded = self.embed[level](torch.cat([prediction + remainder, remainder], dim=1))
        features: Tensor = self.after[level](hidden + embedded, c)
        return features

    def render(self, pixels: Tensor, h8: Tensor, c: Tensor) -> Mean:
        """The conditional mean, from what `top_down` returns."""
        h4 = self.last(self.up4(h8), c)
        return Mean(pixels + nn.functional.pixel_shuffle(self.out(h4).float(), 4), h8, h4, c)
