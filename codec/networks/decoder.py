"""The synthesis transform g: quantized latents of all levels to pixels, coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from codec.networks.config import STEM
from codec.networks.layers import Block, BlockTransform, Transforms, Up, zeroed

CONDITION = 32  # width of the quality embedding

# Called once a level with its number and the predicted latent (N, dim, h, w); returns the quantized
# remainder r of the level, of the same shape, or None for an optional level that is not coded.
Code = Callable[[int, Tensor], Tensor | None]


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
        transforms: the block transforms, coarse to fine; cells halve from level to level, and the
            finest are of 4 or 8 pixels.
        widths: channels at 1/4, 1/8, ... of the resolution, down to the coarsest level's cells.
        blocks: residual blocks after each level, coarse to fine, at least 1; (): one after each.
        optional: per level, whether it is left out where none of its stages is coded: its
            prediction then stands for it, and no features are made of it.
    """

    def __init__(
        self,
        transforms: Transforms[BlockTransform],
        widths: Sequence[int],
        blocks: Sequence[int],
        optional: Sequence[bool],
    ) -> None:
        super().__init__()
        self.transforms = transforms
        self.optional = tuple(optional)
        dims = [transform.dim for transform in transforms]
        cells = [transform.cell for transform in transforms]
        level_widths = [widths[(cell // STEM).bit_length() - 1] for cell in cells]
        w4, c, finer = widths[0], CONDITION, range(1, len(cells))
        self.condition = nn.Sequential(
            nn.Linear(1 + len(dims), c), nn.SiLU(), nn.Linear(c, c), nn.SiLU()
        )
        self.embed = nn.ModuleList(
            nn.Conv2d(2 * d, w, 1) for d, w in zip(dims, level_widths, strict=True)
        )
        self.ups = nn.ModuleList(Up(level_widths[k - 1], level_widths[k]) for k in finer)
        self.before = nn.ModuleList(Block(level_widths[k], c) for k in finer)
        self.predict = nn.ModuleList(
            zeroed(_predicting(cells[k], level_widths[k], dims[k])) for k in finer
        )
        self.after = nn.ModuleList(Block(w, c) for w in level_widths)
        self.more = nn.ModuleList(
            nn.ModuleList(Block(w, c) for _ in range(count - 1))
            for w, count in zip(level_widths, blocks or (1,) * len(cells), strict=True)
        )
        if cells[-1] > STEM:
            self.up4 = Up(level_widths[-1], w4)
            self.last = Block(w4, c)
        self.out = zeroed(nn.Conv2d(w4, 3 * STEM**2, 3, padding=1))

    def forward(self, condition: Tensor, code: Code, shape: torch.Size) -> Mean:
        """The image of a coding.

        Args:
            condition: (N, 1 + levels), see `ModelConfig.condition`.
            code: see `Code`.
            shape: shape of the image (N, 3, H, W), H and W multiples of the coarsest cell.
        """
        return self.render(*self.top_down(condition, code, shape))

    def top_down(
        self, condition: Tensor, code: Code, shape: torch.Size
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """All levels, coarse to fine: what the encoder runs too (arguments as in `forward`).

        Returns:
            The linear part of the image (N, 3, H, W), the features of the finest level, the quality
            embedding (N, CONDITION), and the features of the level before the finest.
        """
        c = self.condition(condition)
        pixels = torch.zeros(shape, device=c.device)
        hidden = coarser = pixels.new_zeros(())
        for level, transform in enumerate(self.transforms):
            coarser = hidden
            hidden, coded, prediction = self.predict_level(level, hidden, pixels, c)
            remainder = code(level, prediction)  # (N, dim, h, w)
            if remainder is None:  # the level is not coded
                pixels = pixels + transform.synthesis(coded)
            else:
                hidden = self.update_level(level, hidden, prediction, remainder, c)
                pixels = pixels + transform.synthesis(coded + remainder)
        return pixels, hidden, c, coarser

    def predict_level(
        self, level: int, hidden: Tensor, pixels: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predict a level from the coarser levels.

        Args:
            level: 0 is the coarsest.
            hidden: features of the coarser levels; ignored at the coarsest level.
            pixels: the linear part of the image so far (N, 3, H, W).
            c: the quality embedding.

        Returns:
            The features at the level's resolution, the network's part of the prediction, and the
            whole prediction, both (N, dim, h, w). The linear image gets the level's remainder plus
            the network's part: it has the rest of the prediction already.
        """
        prediction = [*self.transforms][level].analysis(pixels)  # zero at the coarsest level
        if not level:
            return hidden, pixels.new_zeros(()), prediction
        hidden, coded = self.extend(level, hidden, c)
        return hidden, coded.float(), prediction + coded.float()

    def extend(self, level: int, hidden: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """The network's part of `predict_level`; of a level that is not coded, it is all there is.

        Args:
            level: 1 or more.
            hidden: features of the coarser levels.
            c: the quality embedding.

        Returns:
            The features at the level's resolution, and the network's prediction (N, dim, h, w).
        """
        hidden = self.before[level - 1](self.ups[level - 1](hidden), c)
        return hidden, self.predict[level - 1](hidden)

    def update_level(
        self, level: int, hidden: Tensor, prediction: Tensor, remainder: Tensor, c: Tensor
    ) -> Tensor:
        """Take a level's remainder into the features that `predict_level` returned."""
        embedded = self.embed[level](torch.cat([prediction + remainder, remainder], dim=1))
        features: Tensor = self.after[level](hidden + embedded, c)
        for block in cast(nn.ModuleList, self.more[level]):
            features = block(features, c)
        return features

    def render(
        self, pixels: Tensor, hidden: Tensor, c: Tensor, coarser: Tensor | None = None
    ) -> Mean:
        """The conditional mean, from what `top_down` returns.

        Args:
            pixels: the linear part of the image (N, 3, H, W).
            hidden: the features of the finest level.
            c: the quality embedding.
            coarser: the features of the level before; of no use unless the finest cells are of
                4 pixels.
        """
        if [*self.transforms][-1].cell > STEM or coarser is None:
            h8, h4 = hidden, self.last(self.up4(hidden), c)
        else:
            h8, h4 = coarser, hidden
        return Mean(pixels + nn.functional.pixel_shuffle(self.out(h4).float(), STEM), h8, h4, c)


def _predicting(cell: int, width: int, dim: int) -> nn.Conv2d:
    """The layer that predicts a latent: of the finest cells it sees the neighbours, too."""
    return nn.Conv2d(width, dim, 3, padding=1) if cell == STEM else nn.Conv2d(width, dim, 1)
