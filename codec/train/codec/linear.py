"""The linear optimum that training starts from: block KLTs and rate-aware k-means."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bitstream.errors import CodecError
from codec.networks.config import RANGES, ModelConfig
from codec.networks.pyramid import Networks
from codec.networks.quantizer import self_information
from codec.train.data import Crops
from cuda_ext import nearest

GRID = (1.5, 0.5, 0.18, 0.06, 0.03)  # λ that the first codebooks are trained for, together
FINE = (0.012, 0.005)  # and these, where a model goes so far

MOST = 2**24  # vectors that a codebook starts from: `torch.multinomial` takes no more


def klt(residual: Tensor, cell: int, dim: int) -> Tensor:
    """The `dim` first principal axes of cell×cell blocks of (N, 3, H, W) pixels: (dim, 3·cell²)."""
    blocks = (
        torch.nn.functional.pixel_unshuffle(residual, cell)
        .permute(0, 2, 3, 1)
        .reshape(-1, 3 * cell * cell)
    )
    _, vectors = torch.linalg.eigh(blocks.T @ blocks / len(blocks))
    return vectors.flip(1)[:, :dim].T.contiguous()


def entropy_kmeans(
    groups: list[Tensor],
    *,
    lambdas: Sequence[float],
    codes: int,
    zero: bool,
    rounds: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Entropy-constrained k-means over several λ at once.

    Args:
        groups: residuals (n, D) as they stand under each λ.
        lambdas: these λ.
        codes: number of centroids K.
        zero: keep code 0 at the zero vector.
        rounds: Lloyd iterations.
        generator: draws the first centroids and the successors of unused ones.

    Returns:
        Codebook (K, D) and bits (groups, K): −log2 of each code's share in each group.

    Raises:
        CodecError: there are too few residuals, more than 2^24, or none that is not zero.
    """
    pool = torch.cat(groups)
    energy = pool.square().sum(1)
    if not codes <= len(pool) <= MOST:
        raise CodecError(
            f"a codebook of {codes} codes starts from {len(pool)} vectors: expected "
            f"{codes}..{MOST}, change start_batches, batch or crop"
        )
    if not energy.any():
        raise CodecError("the photographs have no detail to start a codebook from: use others")
    picks = torch.multinomial(energy / energy.sum(), codes, replacement=False, generator=generator)
    book = pool[picks].clone() * 0.9
    bits = torch.full((len(groups), codes), 8.0)
    if zero:
        book[0] = 0
        bits[:, 0] = 1.0
    for _ in range(rounds):
        sums, counts = torch.zeros_like(book), torch.zeros(codes)
        for g, (group, lam) in enumerate(zip(groups, lambdas, strict=True)):
            index = nearest(group, book, lam * bits[g])[0]
            share = torch.bincount(index, minlength=codes).float()
            bits[g] = self_information((share + 0.1) / (len(group) + 0.1 * codes))
            sums.index_add_(0, index, group)
            counts += share
        used = counts > 3
        book[used] = sums[used] / counts[used, None]
        fresh = (~used).nonzero().flatten()
        if len(fresh):
            book[fresh] = pool[
                torch.multinomial(energy / energy.sum(), len(fresh), generator=generator)
            ]
            bits[:, fresh] = bits[:, fresh].clamp(max=10)
        if zero:
            book[0] = 0
    return book, bits


def shares_by_range(bits: Tensor, lambdas: Sequence[float], config: ModelConfig) -> Tensor:
    """Shares of codes for each range of qualities: those under the nearest λ.

    Args:
        bits: (groups, ...), −log2 of the shares under each λ.
        lambdas: these λ.
        config: gives the λ in the middle of each range.

    Returns:
        (RANGES, ...).
    """
    middles = [config.lambda_at(100 * (number + 0.5) / RANGES) for number in range(RANGES)]
    given, wanted = (torch.tensor(row, dtype=torch.float64).log() for row in (lambdas, middles))
    near = (given - wanted[:, None]).abs().argmin(1)
    return 2.0 ** -bits[near]


@torch.no_grad()
def initialize(
    networks: Networks, crops: Crops, batches: int, rounds: int = 12, seed: int = 0
) -> Tensor:
    """Set block transforms and codebooks of a new model to the linear optimum.

    Args:
        networks: the new model.
        crops: what to fit on.
        batches: how many batches of it.
        rounds: Lloyd iterations of each codebook.
        seed: of the draws.

    Returns:
        Bits (groups, S, K) of the codes under each λ of `GRID`.
    """
    generator = torch.Generator().manual_seed(seed)
    x = torch.cat([crops(10**6 + k) for k in range(batches)])
    residuals = [x.clone() for _ in GRID]
    quantizer = networks.quantizer
    every = []
    for number, (analysis, synthesis) in enumerate(
        zip(networks.encoder.transforms, networks.decoder.transforms, strict=True)
    ):
        basis = klt(residuals[len(GRID) // 2], analysis.cell, analysis.dim)
        analysis.set_basis(basis)
        synthesis.set_basis(basis)
        latents = [analysis.analysis(r) for r in residuals]
        flat = [z.permute(0, 2, 3, 1).reshape(-1, z.shape[1]) for z in latents]
        total = [torch.zeros_like(f) for f in flat]
        for stage in quantizer.stages_of_level(number):
            book, bits = entropy_kmeans(
                [f - t for f, t in zip(flat, total, strict=True)],
                lambdas=GRID,
                codes=quantizer.stages[stage].codes,
                zero=stage > 0,
                rounds=rounds,
                generator=generator,
            )
            quantizer.codebook(stage).copy_(book)
            every.append(bits)
            for g, lam in enumerate(GRID):
                total[g] += book[nearest(flat[g] - total[g], book, lam * bits[g])[0]]
        for g, (z, t) in enumerate(zip(latents, total, strict=True)):
            n, d, h, w = z.shape
            residuals[g] -= synthesis.synthesis(t.view(n, h, w, d).permute(0, 3, 1, 2))
    return torch.stack(every, dim=1)
