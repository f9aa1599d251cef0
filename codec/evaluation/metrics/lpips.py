"""LPIPS 0.1 (Zhang et al. 2018, arXiv:1801.03924) on SqueezeNet 1.1, from weights of yours.

The weights are not in the package: `Lpips(path)` takes the state dict of the authors' network, a
file of `torch.save` with the keys `net.slice1.0.weight` ... `lins.6.model.1.weight`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from codec.evaluation.metrics import weights

# Fire modules of each slice: (number in SqueezeNet, channels squeezed to, channels of each half)
SLICES = (
    ((3, 16, 64), (4, 16, 64)),
    ((6, 32, 128), (7, 32, 128)),
    ((9, 48, 192),),
    ((10, 48, 192),),
    ((11, 64, 256),),
    ((12, 64, 256),),
)
CHANNELS = (64, 128, 256, 384, 384, 512, 512)  # after the first convolution and after each slice
POOLED = (True, True, True, False, False, False)  # is there a maximum pooling before the slice?
SHIFT, SPREAD = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class _Fire(nn.Module):
    def __init__(self, channels: int, squeezed: int, half: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, half, 1)
        self.expand3x3 = nn.Conv2d(squeezed, half, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1).relu()


class Lpips(nn.Module):
    """The distance as a function of two images.

    Args:
        path: file of the weights.

    Raises:
        CodecError: the file does not hold these weights.
        OSError: the file cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        self.net = nn.ModuleDict({"slice1": nn.ModuleDict({"0": nn.Conv2d(3, 64, 3, stride=2)})})
        for number, (fires, channels) in enumerate(zip(SLICES, CHANNELS, strict=False), start=2):
            part, width = nn.ModuleDict(), channels
            for name, squeezed, half in fires:
                part[str(name)], width = _Fire(width, squeezed, half), 2 * half
            self.net[f"slice{number}"] = part
        self.lins = nn.ModuleList(
            nn.ModuleDict({"model": nn.ModuleDict({"1": nn.Conv2d(c, 1, 1, bias=False)})})
            for c in CHANNELS
        )
        with weights.state(
            path, "LPIPS 0.1 on SqueezeNet 1.1", "the network's state dict"
        ) as state:
            self.load_state_dict(state)
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """The distance (N,) of two batches (N, 3, H, W) in [-1, 1], sides of 16 or more."""
        total = x.new_zeros(len(x))
        for a, b, lin in zip(self._features(x), self._features(y), self.lins, strict=True):
            weighted = lin["model"]["1"](torch.square(_unit(a) - _unit(b)))  # type: ignore[index]
            total = total + weighted.mean(dim=(1, 2, 3))
        return total

    def _features(self, x: Tensor) -> list[Tensor]:
        shift, spread = (x.new_tensor(v).view(1, 3, 1, 1) for v in (SHIFT, SPREAD))
        x = self.net["slice1"]["0"]((x - shift) / spread).relu()  # type: ignore[index]
        found = [x]
        for number, pooled in enumerate(POOLED, start=2):
            if pooled:
                x = nn.functional.max_pool2d(x, 3, 2, ceil_mode=True)
            for fire in self.net[f"slice{number}"].values():  # type: ignore[operator]
                x = fire(x)
            found.append(x)
        return found

    @torch.inference_mode()
    def measure(self, original: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> float:
        """The distance of two sRGB images, uint8 [H, W, 3]."""
        x, y = (
            torch.from_numpy(np.array(image, np.float32, order="C")).permute(2, 0, 1)[None]
            for image in (original, decoded)
        )
        return float(self(x / 127.5 - 1, y / 127.5 - 1))


def _unit(x: Tensor) -> Tensor:
    return x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + 1e-10)
