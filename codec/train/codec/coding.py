"""Coding a training batch as the encoder would, without gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from codec.networks.config import beam_width
from codec.networks.decoder import Code, Mean
from codec.networks.pyramid import Networks
from codec.options import EFFORT


def quantizing(
    networks: Networks, latents: Sequence[Tensor], quality: float, found: list[Tensor]
) -> Code:
    """What a decoder's pass calls at each level to quantize the latents of a batch.

    Args:
        networks: trained networks.
        latents: per level (N, D, h, w), what the encoder made of the batch.
        quality: 0..100.
        found: gets the codes of every stage, in coding order: (N, h, w) int64; zeros where the
            quality does not code the stage.
    """
    quantizer = networks.quantizer
    lam = networks.config.lambda_at(quality)

    coded = networks.config.coded_stages(quality)

    def code(level: int, prediction: Tensor) -> Tensor | None:
        here = quantizer.stages_of_level(level)
        if here[-1] >= coded:
            cells = (*prediction.shape[:1], *prediction.shape[2:])
            found.extend(prediction.new_zeros(cells, dtype=torch.int64) for _ in here)
            return None
        e = (latents[level] - prediction).permute(0, 2, 3, 1)  # (N, h, w, D)
        biases = [lam * quantizer.code_lengths(stage, quality) for stage in here]
        codes = quantizer.search(here, e.flatten(0, 2).float(), biases, beam_width(EFFORT, level))
        found.extend(codes[:, k].view(e.shape[:3]) for k in range(len(here)))
        return quantizer.centroids(here, codes).view(e.shape).permute(0, 3, 1, 2)

    return code


def coded_mean(networks: Networks, x: Tensor, quality: float, found: list[Tensor]) -> Mean:
    """The mean of a batch (N, 3, H, W) coded at a quality; `found`: see `quantizing`."""
    stages = networks.config.coded_stages(quality)
    condition = x.new_tensor([networks.config.condition(quality, stages)]).expand(len(x), -1)
    code = quantizing(networks, networks.encoder(x), quality, found)
    mean: Mean = networks.decoder(condition, code, x.shape)
    return mean
