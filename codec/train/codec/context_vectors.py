"""The context vectors of `bitstream.context` as a module of torch, to be fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from bitstream.context import COARSE_PARTS, OWN_PARTS
from codec.networks.config import Stage
from codec.train.codec.sample import Sample


def shifted(x: Tensor, down: int, right: int) -> Tensor:
    """x[:, y + down, x + right], zero outside; (N, H, W, R)."""
    padded = nn.functional.pad(x, (0, 0, 1, 1, 1, 1))
    rows, columns = x.shape[1:3]
    return padded[:, 1 + down : 1 + down + rows, 1 + right : 1 + right + columns]


def beside(x: Tensor) -> Tensor:
    """Left plus right neighbour."""
    return shifted(x, 0, -1) + shifted(x, 0, 1)


def above(x: Tensor) -> Tensor:
    """Upper plus lower neighbour."""
    return shifted(x, -1, 0) + shifted(x, 1, 0)


class Contexts(nn.Module):
    """The context vectors of `bitstream.context`, as floats to train or as integers to count.

    Args:
        stages: the quantizer's stages.
        length: R, features of a code.
        dim: D, length of a context vector.
        books: the codebooks; the features start from their principal components.
    """

    def __init__(self, stages: Sequence[Stage], length: int, dim: int, books: list[Tensor]) -> None:
        super().__init__()
        self.stages, self.dim = tuple(stages), dim
        levels = max(stage.level for stage in stages) + 1
        self.cells = [next(s.cell for s in stages if s.level == level) for level in range(levels)]
        self.curves: list[Tensor] = []  # rounded by quality (101, D), in place of the polynomials
        self.features = nn.ParameterList(nn.Parameter(start(book, length)) for book in books)
        self.own = nn.ParameterList()
        self.coarse = nn.ParameterList()
        self.place = nn.ParameterList()
        self.quality = nn.ParameterList()
        for stage in stages:
            side = self.cells[0] // stage.cell
            self.own.append(0.15 * torch.randn(OWN_PARTS, length, dim))
            self.coarse.append(0.15 * torch.randn(stage.level, COARSE_PARTS, length, dim))
            self.place.append(torch.zeros(side, side, dim))
            self.quality.append(0.3 * torch.randn(4, dim))  # coefficients of 1, q, q², q³

    def curve(self, stage: int, quality: Tensor) -> Tensor:
        """The part of the vector that the quality decides: (N, D)."""
        if self.curves:
            return self.curves[stage][quality.long()]
        q = quality.to(self.quality[stage].dtype)[:, None] / 50 - 1
        return torch.cat([torch.ones_like(q), q, q**2, q**3], dim=1) @ self.quality[stage]

    def forward(
        self, sample: Sample, units: Callable[[Tensor], Tensor] | None = None
    ) -> list[Tensor]:
        """Context vectors of every symbol: per stage (N, h, w, D).

        Args:
            sample: the indices.
            units: rounds and clips vectors, where the parameters are integers; None for floats.
        """
        sums: dict[int, Tensor] = {}
        vectors = []
        for number, stage in enumerate(self.stages):
            found = self.features[number][sample.indices[number].long()]  # (N, h, w, R)
            rows, columns = found.shape[1:3]
            own = sums.get(stage.level, torch.zeros_like(found))
            odd = (torch.arange(rows)[:, None] + torch.arange(columns)) % 2
            current = (beside(found) + above(found)) * odd[None, :, :, None]
            parts = [own, beside(own), above(own), above(beside(own)), current]
            vector = sum(part @ self.own[number][k] for k, part in enumerate(parts))
            side = self.place[number].shape[0]
            y, x = torch.arange(rows), torch.arange(columns)
            vector = vector + self.place[number][y[:, None] % side, x % side]
            vector = vector + self.curve(number, sample.quality)[:, None, None]
            for coarser in range(stage.level):
                ratio = self.cells[coarser] // stage.cell
                up = sums[coarser][:, y // ratio][:, :, x // ratio]
                nearer_x = torch.where(
                    (x % ratio * 2 >= ratio)[:, None],
                    shifted(sums[coarser], 0, 1)[:, y // ratio][:, :, x // ratio],
                    shifted(sums[coarser], 0, -1)[:, y // ratio][:, :, x // ratio],
                )
                nearer_y = torch.where(
                    (y % ratio * 2 >= ratio)[:, None, None],
                    shifted(sums[coarser], 1, 0)[:, y // ratio][:, :, x // ratio],
                    shifted(sums[coarser], -1, 0)[:, y // ratio][:, :, x // ratio],
                )
                for k, part in enumerate((up, nearer_x, nearer_y)):
                    vector = vector + part @ self.coarse[number][coarser, k]
            vectors.append(units(vector) if units else vector)
            sums[stage.level] = own + found
        return vectors


def start(book: Tensor, length: int) -> Tensor:
    """First features of a stage's codes: principal components, size, whether it is not code 0."""
    centred = book - book.mean(0)
    axes = torch.linalg.svd(centred, full_matrices=False)[2][: length - 2]
    spread = centred @ axes.T
    features = torch.zeros(len(book), length)
    features[:, : spread.shape[1]] = 0.5 * spread / spread.std()
    features[:, -2] = book.norm(dim=1) / book.norm(dim=1).mean()
    features[1:, -1] = 1
    return features + 0.02 * torch.randn_like(features)
