"""The codebook of texture codes: centroids of what g(ẑ) lacks, fitted once g is trained."""

from __future__ import annotations

import torch
from torch import Tensor

from codec.networks.config import texture_stage
from codec.networks.pyramid import Networks
from codec.runtime import texture
from codec.train.codec.coding import coded_mean
from codec.train.codec.linear import entropy_kmeans, shares_by_range
from codec.train.data import Crops
from cuda_ext import nearest

LAMBDAS = (3.0, 1.0, 0.3, 0.1, 0.03, 0.01)  # of the codings whose remainders are looked at
FIRST = 1 << 28  # number of the first batch: none that training sees
SILENT = 0.01  # share of cells whose pictures have no texture codes, which code 0 says


@torch.no_grad()
def fit_texture(networks: Networks, crops: Crops, batches: int, seed: int) -> None:
    """Set the centroids of the texture codes, and how often each is used in each range.

    Args:
        networks: trained networks of a configuration with texture codes.
        crops: what to fit on.
        batches: how many batches of it under each λ.
        seed: of the draws.

    Raises:
        CodecError: these are too few cells for so many codes.
    """
    number = texture_stage(networks.config.stages)
    if number is None:
        return
    groups = [
        torch.cat(
            [_lacking(networks, crops(FIRST + k + len(LAMBDAS) * n), lam) for n in range(batches)]
        )
        for k, lam in enumerate(LAMBDAS)
    ]
    learned, bits = entropy_kmeans(
        groups,
        lambdas=[texture.RATE] * len(LAMBDAS),
        codes=networks.config.texture - 2,  # but "unknown" and "none"
        zero=False,
        rounds=15,
        generator=torch.Generator().manual_seed(seed),
    )
    known = torch.cat([torch.from_numpy(texture.nothing())[None], learned])
    shares = []
    for group, lengths in zip(groups, bits, strict=True):
        biases = texture.RATE * torch.cat([lengths.amax().view(1), lengths])
        counts = torch.bincount(nearest(group, known, biases)[0], minlength=len(known)) + 0.1
        shares.append(torch.cat([torch.tensor([SILENT]), (1 - SILENT) * counts / counts.sum()]))
    book = networks.quantizer.codebook(number).zero_()
    book[texture.NONE :, : texture.STATISTICS] = known
    book[texture.UNKNOWN, texture.STATISTICS] = 1
    book[texture.NONE, -1] = 1
    here = networks.quantizer.shares[:, number, : len(book)]
    here.copy_(shares_by_range(-torch.stack(shares).log2(), LAMBDAS, networks.config))


def _lacking(networks: Networks, x: Tensor, lam: float) -> Tensor:
    """Statistics of what the mean of a batch lacks, coded under λ: (cells, 14)."""
    mean, _ = coded_mean(networks, x, networks.config.quality_of(lam))
    found = texture.statistics((x - mean.pixels).cpu().numpy())
    return torch.from_numpy(found).flatten(0, 2)


def texture_codes(
    networks: Networks, stage: int, x: Tensor, mean: Tensor, quality: float
) -> Tensor:
    """The texture codes that the encoder gives a batch: (N, h, w) int64.

    Args:
        networks: networks of a configuration with texture codes.
        stage: number of their stage.
        x: the batch (N, 3, H, W) in [-1, 1], H and W multiples of 32.
        mean: g(ẑ), of the same shape.
        quality: 0..100.
    """
    quantizer = networks.quantizer
    book, lengths = quantizer.codebook(stage), quantizer.code_lengths(stage, quality)
    given = [tensor.float().cpu().numpy() for tensor in (book, lengths, x, mean)]
    return torch.from_numpy(texture.choose(*given)).long().to(x.device)
