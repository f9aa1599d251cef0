"""The residual vector quantizer: latents to indices and centroids, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from codec.networks.config import RANGES, Stage, stages_of
from cuda_ext import nearest

ROWS = {"cpu": 1 << 12, "cuda": 1 << 18}  # partial sums searched at once: what a cache, a GPU holds
GROUP = 16


def self_information(shares: Tensor) -> Tensor:
    """−log₂ p_j in bits, whose mean over the codes in use is the rate I_Q(X;Ẑ) = H(Ẑ).

    >>> self_information(torch.tensor([0.5, 0.25, 0.25])).tolist()
    [1.0, 2.0, 2.0]
    """
    return -torch.log2(shares)


class ResidualQuantizer(nn.Module):
    """S codebooks, coarse to fine; every prefix of stages is a valid, coarser quantization.

    Assignment is entropy-constrained: argmin_j ‖r − c_j‖² + λ·b_j with b_j = −log2 p_j in bits
    (Chou, Lookabaugh and Gray 1989). Code 0 of every stage but the first is the zero vector.

    Args:
        stages: the stages in coding order.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__()
        self.stages = tuple(stages)
        codes = max(stage.codes for stage in stages)
        self.register_buffer("shares", torch.full((RANGES, len(stages), codes), 1 / codes))
        self.shares: Tensor  # (RANGES, S, K): shares of the codes, per range of qualities
        for number, stage in enumerate(self.stages):
            self.register_buffer(f"codebook{number}", torch.zeros(stage.codes, stage.dim))

    def codebook(self, stage: int) -> Tensor:
        """Centroids of a stage, (K, D) float32."""
        return self.get_buffer(f"codebook{stage}")

    def code_lengths(self, stage: int, quality: float) -> Tensor:
        """Bits of each code of a stage at a quality 0..100, for the search: (K,) float32.

        Linear between the middles of the quality ranges, so that file sizes grow evenly.
        """
        at = min(max(quality * RANGES / 100 - 0.5, 0.0), RANGES - 1.0)
        low = min(int(at), RANGES - 2)
        bits = self_information(self.shares[low : low + 2, stage, : self.stages[stage].codes])
        return torch.lerp(bits[0], bits[1], at - low)

    def stages_of_level(self, level: int) -> list[int]:
        """Numbers of the stages of a level's latent, in coding order."""
        return stages_of(self.stages, level)

    def search(
        self, stages: Sequence[int], latent: Tensor, biases: Sequence[Tensor], width: int
    ) -> Tensor:
        """Codes of consecutive stages that jointly quantize a latent, by beam search.

        Minimizes ‖e − Σ_s c_s‖² + Σ_s b_s over the codes of all stages, keeping the `width` best
        partial sums of every vector after each stage. Width 1 is the greedy search, one exact
        `nearest` a stage; 8 lowers the distortion of five stages by a tenth at equal rate.

        Args:
            stages: numbers of the stages, in coding order, at least one.
            latent: (n, D) float32, the vectors e.
            biases: per stage (K,) float32, λ·bits of each code.
            width: partial sums kept.

        Returns:
            Codes (n, len(stages)) int64.
        """
        with torch.autocast(latent.device.type, enabled=False):
            if width == 1:
                return self._greedy(stages, latent, biases)
            rows = ROWS[latent.device.type] // width
            parts = latent.tensor_split(-(-len(latent) // rows))  # few rows are summed otherwise
            return torch.cat([self._beam(stages, part, biases, width) for part in parts])

    def _greedy(self, stages: Sequence[int], latent: Tensor, biases: Sequence[Tensor]) -> Tensor:
        codes = []
        for stage, bias in zip(stages, biases, strict=True):
            codes.append(nearest(latent, self.codebook(stage), bias)[0])
            latent = latent - self.codebook(stage)[codes[-1]]
        return torch.stack(codes, dim=1)

    def _beam(
        self, stages: Sequence[int], latent: Tensor, biases: Sequence[Tensor], width: int
    ) -> Tensor:
        rest = latent[:, None]  # (n, B, D): what each partial sum leaves
        cost = latent.new_zeros((len(latent), 1))  # (n, B): its cost, less ‖e‖²
        codes = latent.new_zeros((len(latent), 1, 0), dtype=torch.int64)  # (n, B, stages so far)
        for stage, bias in zip(stages, biases, strict=True):
            book = self.codebook(stage)
            score = torch.addmm(book.square().sum(1) + bias, rest.flatten(0, 1), book.T, alpha=-2)
            score = score.view(*rest.shape[:2], -1) + cost[..., None]  # (n, B, K)
            cost, pick = smallest(score.flatten(1), width)
            parent, code = pick // len(book), pick % len(book)
            rest = rest.gather(1, parent[..., None].expand(-1, -1, rest.shape[2])) - book[code]
            codes = codes.gather(1, parent[..., None].expand(-1, -1, codes.shape[2]))
            codes = torch.cat([codes, code[..., None]], dim=2)
        return codes[:, 0]

    def centroids(self, stages: Sequence[int], codes: Tensor) -> Tensor:
        """Σ_s c_s of the codes (n, len(stages)) that `search` found: (n, D) float32."""
        first, *rest = (self.codebook(stage)[codes[:, k]] for k, stage in enumerate(stages))
        return sum(rest, start=first)


def smallest(score: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` least entries of each row, ascending, and their columns.

    The same as `torch.topk` on the rows, which is slow on long rows: the least entries lie in the
    `count` groups of columns with the least minima, so two short searches find them.

    Args:
        score: (n, m) float32, m a multiple of 16 and at least 16·count for the fast way.
        count: at most m.
    """
    groups = score.shape[1] // GROUP
    if score.shape[1] % GROUP or groups <= count:
        return torch.topk(score, min(count, score.shape[1]), largest=False)
    grouped = score.view(len(score), GROUP, groups)  # group g holds the columns g, g + groups, ...
    group = torch.topk(grouped.amin(1), count, largest=False, sorted=False).indices  # (n, count)
    inside = grouped.gather(2, group[:, None].expand(-1, GROUP, -1)).flatten(1)
    value, place = torch.topk(inside, count, largest=False)
    return value, (place // count) * groups + group.gather(1, place % count)
