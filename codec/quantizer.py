"""The residual vector quantizer: latents to indices and centroids, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cuda_ext import nearest


@dataclass(frozen=True)
class Stage:
    """One stage of the residual quantizer: its level (0 = coarsest), cell in pixels, dim and size."""

    level: int
    cell: int
    dim: int
    codes: int


class ResidualQuantizer(nn.Module):
    """S codebooks, coarse to fine; every prefix of stages is a valid, coarser quantisation.

    Assignment is entropy-constrained: argmin_j ‖r − c_j‖² + λ·b_j with b_j = −log2 p_j in bits
    (Chou, Lookabaugh and Gray 1989). Code 0 of every stage but the first is the zero vector.

    Args:
        stages: the stages in coding order.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        super().__init__()
        self.stages = tuple(stages)
        for number, stage in enumerate(self.stages):
            self.register_buffer(f"codebook{number}", torch.zeros(stage.codes, stage.dim))

    def codebook(self, stage: int) -> Tensor:
        """Centroids of a stage, (K, D) float32."""
        return self.get_buffer(f"codebook{stage}")

    def of_level(self, level: int) -> list[int]:
        """Numbers of the stages of a level, in coding order."""
        return [n for n, stage in enumerate(self.stages) if stage.level == level]

    def assign(self, stage: int, residual: Tensor, bias: Tensor | None) -> Tensor:
        """Nearest centroid of a stage.

        Args:
            stage: number of the stage.
            residual: (n, D) float32.
            bias: (K,) float32, λ·bits of each code, or None.

        Returns:
            Indices (n,) int64.
        """
        return nearest(residual, self.codebook(stage), bias)[0]

    def lookup(self, stage: int, index: Tensor) -> Tensor:
        """Centroids (N, D, h, w) of indices (N, h, w)."""
        return self.codebook(stage)[index].permute(0, 3, 1, 2)
