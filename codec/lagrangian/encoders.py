"""Encoders: q(z|x) of the three stochastic kinds, (i) to (iii) of section 3, and the quantized one.

The paper is Voloshynovskiy et al. 2019, arXiv:1912.00830.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from codec.lagrangian.draw import Code


class AdditiveNoise(nn.Module):
    """(i) z = f(x) + ε with ε ~ N(0, σ²): q(z|x) is a Gaussian whose density is known.

    Args:
        network: maps x to (N, 2L), mean and log variance; to (N, L), the mean, if σ is given.
        sigma: σ, if it is not to be learned. An objective without A has no use for ε: what it
            learns is σ = 0, and with it an infinite I(X;Z). 0 is the deterministic z = f(x), whose
            term A is not defined.
    """

    def __init__(self, network: nn.Module, sigma: float | None = None) -> None:
        super().__init__()
        self.network, self.sigma = network, sigma

    def forward(self, x: Tensor) -> Code:
        """Codes of a batch, with mean and log variance."""
        if self.sigma is None:
            mean, log_variance = self.network(x).chunk(2, dim=1)
            log_variance = log_variance.clamp(-12, 6)
        else:
            mean = self.network(x)
            if self.sigma == 0:
                return Code(mean)
            log_variance = torch.full_like(mean, 2 * math.log(self.sigma))
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        return Code(z, mean, log_variance)


class InputNoise(nn.Module):
    """(ii) z = f(x + ε) with ε ~ N(0, σ²): q(z|x) is known by samples only.

    Args:
        network: maps x to (N, L).
        sigma: σ, in units of x.
    """

    def __init__(self, network: nn.Module, sigma: float) -> None:
        super().__init__()
        self.network, self.sigma = network, sigma

    def forward(self, x: Tensor) -> Code:
        """Codes of a batch."""
        return Code(self.network(x + self.sigma * torch.randn_like(x)))


class ConcatenatedNoise(nn.Module):
    """(iii) z = f([x, ε]) with ε ~ N(0, I): q(z|x) of any shape, known by samples only.

    Args:
        network: maps (N, n + noise) to (N, L), n values an input.
        noise: length of ε.
    """

    def __init__(self, network: nn.Module, noise: int) -> None:
        super().__init__()
        self.network, self.noise = network, noise

    def forward(self, x: Tensor) -> Code:
        """Codes of a batch."""
        noise = torch.randn(len(x), self.noise, device=x.device)
        return Code(self.network(torch.cat([x.flatten(1), noise], dim=1)))


class PriorNoise(nn.Module):
    """z ~ p(z) whatever x (2.3): the code of an objective without an encoder.

    Args:
        length: L.
    """

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length

    def forward(self, x: Tensor) -> Code:
        """Codes for a batch, with the prior's mean and log variance."""
        z = torch.randn(len(x), self.length, device=x.device)
        return Code(z, torch.zeros_like(z), torch.zeros_like(z))


class Quantized(nn.Module):
    """ẑ = the nearest centroid to each of G groups of f(x), which is deterministic (4.2).

    Forward takes the nearest centroid, backward the softmax over −s·‖z − c‖² (Agustsson 2017): the
    gradient reaches both the encoder and the centroids. Batch statistics keep each component of
    f(x) at unit variance, so that the rate cannot be lowered by making everything small.

    Args:
        network: maps x to (N, L), which is then normalized.
        length: L.
        groups: G, a divisor of L.
        codes: K, centroids a group.
        sharpness: s.
    """

    def __init__(
        self, network: nn.Module, length: int, groups: int, codes: int, sharpness: float = 4.0
    ) -> None:
        super().__init__()
        self.network = nn.Sequential(network, nn.BatchNorm1d(length, affine=False))
        self.sharpness = sharpness
        self.centroids = nn.Parameter(torch.randn(groups, codes, length // groups))

    def forward(self, x: Tensor) -> Code:
        """Codes of a batch, with indices and soft shares."""
        groups, _, dim = self.centroids.shape
        z = self.network(x).view(len(x), groups, 1, dim)
        shares = (-self.sharpness * (z - self.centroids).square().sum(3)).softmax(2)  # (N, G, K)
        index = shares.argmax(2)
        hard = self.centroids[torch.arange(groups, device=x.device), index]  # (N, G, D)
        soft = torch.einsum("ngk,gkd->ngd", shares, self.centroids)
        passed = soft + (hard - soft).detach()
        return Code(passed.flatten(1), index=index, shares=shares)
