"""The critics of term D: do these pixels come from the world, or from r(ẑ + U)?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from codec.train.detail.features import CHANNELS


def _conv(source: int, target: int, kernel: int, stride: int = 1) -> nn.Module:
    padding = (kernel - stride + 1) // 2
    layer: nn.Module = spectral_norm(nn.Conv2d(source, target, kernel, stride, padding))
    return layer


class PixelCritic(nn.Module):
    """A patch discriminator on a residual x − g, conditioned on ẑ through g(ẑ) (Isola 2017).

    Args:
        widths: channels at 1/2, 1/4 and 1/8 of the resolution.
    """

    def __init__(self, widths: tuple[int, int, int] = (32, 96, 160)) -> None:
        super().__init__()
        w2, w4, w8 = widths
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            _conv(2 * 3 * 4, w2, 3),
            nn.LeakyReLU(0.2),
            _conv(w2, w4, 4, 2),
            nn.LeakyReLU(0.2),
            _conv(w4, w4, 3),
            nn.LeakyReLU(0.2),
            _conv(w4, w8, 4, 2),
            nn.LeakyReLU(0.2),
            _conv(w8, w8, 3),
            nn.LeakyReLU(0.2),
            _conv(w8, 1, 1),
        )

    def forward(self, residual: Tensor, mean: Tensor) -> Tensor:
        """Logits (N, 1, H/8, W/8) float32 of a residual on a mean, (N, 3, H, W) each."""
        logits: Tensor = self.layers(torch.cat([residual, mean], dim=1))
        return logits.float()


class FeatureCritic(nn.Module):
    """Patch discriminators on frozen deep features of an image (Sauer 2021), conditioned on g's.

    Few weights decide on features that are there from the start: it learns fast from few images.

    Args:
        width: channels of each discriminator.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                _conv(2 * channels, width, 1),
                nn.LeakyReLU(0.2),
                _conv(width, width, 3),
                nn.LeakyReLU(0.2),
                _conv(width, 1, 1),
            )
            for channels in CHANNELS
        )

    def forward(self, image: list[Tensor], mean: list[Tensor]) -> list[Tensor]:
        """Logits (N, 1, h, w) float32 per tap, of the features of an image and of its mean."""
        return [
            head(torch.cat([a, b], dim=1) * a.shape[1] ** 0.5).float()
            for head, a, b in zip(self.heads, image, mean, strict=True)
        ]


class LeCam(nn.Module):
    """Keeps logits near the other side's running mean, so that few data do not let D run away.

    R = E max(0, D(x) − m_fake)² + E max(0, m_real − D(y))² (Tseng 2021).
    """

    def __init__(self, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("real", torch.zeros(()))
        self.register_buffer("fake", torch.zeros(()))
        self.real: Any
        self.fake: Any

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """The penalty of a batch's logits: a scalar; the means move on."""
        self.real.lerp_(real.detach().mean(), 1 - self.decay)
        self.fake.lerp_(fake.detach().mean(), 1 - self.decay)
        excess = (real - self.fake).clamp_min(0), (self.real - fake).clamp_min(0)
        return excess[0].square().mean() + excess[1].square().mean()
