"""Building blocks shared by the analysis and the synthesis transform."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


def channels_last(module: Module) -> Module:
    """The module with its convolutions in the memory format that is fastest for them."""
    untyped: Any = module  # torch's annotations do not know `memory_format` in every version
    untyped.to(memory_format=torch.channels_last)
    return module


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with weights and bias zero: what it feeds starts without it."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class Block(nn.Module):
    """Residual block x + W2 · relu(s ⊙ W1 x + b), 3×3 kernels, both channels-preserving.

    `condition`, if the block was built with one, gives s and b per channel (feature-wise
    modulation by the quality). The second convolution starts at zero, so a new block is the
    identity.
    """

    def __init__(self, channels: int, condition: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = zeroed(nn.Conv2d(channels, channels, 3, padding=1))
        self.modulation = nn.Linear(condition, 2 * channels) if condition else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Features (N, C, H, W) to features, under a condition (N, `condition`) if there is one."""
        h = self.first(x)  # (N, C, H, W)
        if self.modulation is not None and condition is not None:
            scale, shift = self.modulation(condition)[..., None, None].chunk(2, dim=1)
            h = torch.addcmul(shift, h, 1 + scale)
        return x + self.second(torch.relu_(h))


class Down(nn.Sequential):
    """Halve the resolution: 2×2 cells to channels, then a 1×1 convolution."""

    def __init__(self, source: int, target: int) -> None:
        super().__init__(nn.PixelUnshuffle(2), nn.Conv2d(4 * source, target, 1))


class Up(nn.Sequential):
    """Double the resolution: a 1×1 convolution, then channels to 2×2 cells."""

    def __init__(self, source: int, target: int) -> None:
        super().__init__(nn.Conv2d(source, 4 * target, 1), nn.PixelShuffle(2))


class BlockAnalysis(nn.Module):
    """A linear transform of non-overlapping cell×cell blocks, for pixels in [-1, 1].

    Training starts it at the Karhunen-Loève transform of the blocks, where the rows are orthonormal
    and squared errors of latents are squared errors of pixels.
    """

    def __init__(self, cell: int, dim: int) -> None:
        super().__init__()
        self.cell, self.dim = cell, dim
        self.forward_basis = nn.Parameter(torch.empty(dim, 3 * cell * cell))
        nn.init.orthogonal_(self.forward_basis)

    def set_basis(self, basis: Tensor) -> None:
        """Start from orthonormal rows: basis (dim, 3·cell²)."""
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(basis)

    def analysis(self, x: Tensor) -> Tensor:
        """Pixels (N, 3, H, W) to latents (N, dim, H/cell, W/cell), in float32."""
        n, _, height, width = x.shape
        k = self.cell
        with torch.autocast(x.device.type, enabled=False):
            blocks = x.reshape(n, 3, height // k, k, width // k, k).permute(0, 2, 4, 1, 3, 5)
            latents = blocks.reshape(n, height // k, width // k, -1) @ self.forward_basis.T
        return latents.permute(0, 3, 1, 2)


class BlockTransform(BlockAnalysis):
    """A block transform with its way back, which starts as the transpose."""

    def __init__(self, cell: int, dim: int) -> None:
        super().__init__(cell, dim)
        self.inverse_basis = nn.Parameter(self.forward_basis.detach().clone())

    def synthesis(self, z: Tensor) -> Tensor:
        """Latents (N, dim, h, w) to pixels (N, 3, h·cell, w·cell), in float32."""
        n, _, rows, columns = z.shape
        k = self.cell
        with torch.autocast(z.device.type, enabled=False):
            blocks = z.float().permute(0, 2, 3, 1) @ self.inverse_basis
            pixels = blocks.view(n, rows, columns, 3, k, k).permute(0, 3, 1, 4, 2, 5)
        return pixels.reshape(n, 3, rows * k, columns * k)


Transform = TypeVar("Transform", bound=BlockAnalysis)


class Transforms(nn.ModuleList, Generic[Transform]):
    """The block transforms of a pyramid, coarse to fine."""

    def __init__(self, transforms: Iterable[Transform]) -> None:
        super().__init__(transforms)

    def __iter__(self) -> Iterator[Transform]:
        return cast(Iterator[Transform], super().__iter__())
