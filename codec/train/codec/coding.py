"""Coding a training batch as the encoder would, without gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from codec.networks.config import beam_width
from codec.networks.decoder import Mean
from codec.networks.pyramid import Networks
from codec.options import EFFORT
from codec.train.kernels.search import search


class BatchCoder:
    """Quantizes the latents of a batch; a decoder's pass calls it at each level, see `Code`.

    Args:
        networks: trained networks.
        latents: per level (N, D, h, w), what the encoder made of the batch.
        quality: 0..100.

    Attributes:
        codes: of the stages of all levels so far, in coding order: (N, h, w) int64 each; zeros
            where the quality does not code the stage.
    """

    def __init__(self, networks: Networks, latents: Sequence[Tensor], quality: float) -> None:
        self._quantizer, self._latents = networks.quantizer, latents
        self._lambda, self._quality = networks.config.lambda_at(quality), quality
        self._coded = networks.config.coded_stages(quality)
        self.codes: list[Tensor] = []

    def __call__(self, level: int, prediction: Tensor) -> Tensor | None:
        """The quantized remainder of a level, from its prediction (N, D, h, w)."""
        quantizer = self._quantizer
        here = quantizer.stages_of_level(level)
        if here[-1] >= self._coded:
            cells = (*prediction.shape[:1], *prediction.shape[2:])
            self.codes.extend(prediction.new_zeros(cells, dtype=torch.int64) for _ in here)
            return None
        e = (self._latents[level] - prediction).permute(0, 2, 3, 1)  # (N, h, w, D)
        biases = [self._lambda * quantizer.code_lengths(s, self._quality) for s in here]
        width = beam_width(EFFORT, level, quantizer.stages[self._coded - 1])
        codes = search(quantizer, here, e.flatten(0, 2).float(), biases, width)
        self.codes.extend(codes[:, k].view(e.shape[:3]) for k in range(len(here)))
        return quantizer.centroids(here, codes).view(e.shape).permute(0, 3, 1, 2)


def coded_mean(networks: Networks, x: Tensor, quality: float) -> tuple[Mean, list[Tensor]]:
    """The mean of a batch (N, 3, H, W) coded at a quality, and its codes, see `BatchCoder`."""
    stages = networks.config.coded_stages(quality)
    condition = x.new_tensor([networks.config.condition(quality, stages)]).expand(len(x), -1)
    coder = BatchCoder(networks, networks.encoder(x), quality)
    mean: Mean = networks.decoder(condition, coder, x.shape)
    return mean, coder.codes
