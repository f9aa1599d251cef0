"""The indices of training crops, which the context prior is fitted to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from codec.networks.config import texture_stage
from codec.networks.pyramid import Networks
from codec.train.codec.coding import coded_mean
from codec.train.codec.texture import texture_codes
from codec.train.data import Crops
from codec.train.precision import mixed

GOLDEN = (math.sqrt(5) - 1) / 2
SILENT = 32  # of so many batches, one has no texture codes


@dataclass(frozen=True)
class Sample:
    """Indices of N crops: per stage (N, h, w) uint8 or wider, and their qualities (N,)."""

    indices: list[Tensor]
    quality: Tensor

    def __len__(self) -> int:
        return len(self.quality)

    def part(self, which: Tensor | slice) -> Sample:
        """Some of the crops."""
        return Sample([grid[which] for grid in self.indices], self.quality[which])


@torch.inference_mode()
def collect(networks: Networks, crops: Crops, batches: int, first: int) -> Sample:
    """Code random crops at all qualities in turn, as the encoder would.

    Args:
        networks: trained networks, on any device.
        crops: the source; its batches first, first + 1, ... are taken.
        batches: how many.
        first: number of the first batch.
    """
    quantizer, textured = networks.quantizer, texture_stage(networks.config.stages)
    device = next(networks.parameters()).device
    grids: list[list[Tensor]] = [[] for _ in quantizer.stages]
    qualities = []
    for number in range(batches):
        quality = round(100 * (number * GOLDEN % 1))
        x = crops(first + number).to(device, memory_format=torch.channels_last)
        with mixed(device):
            mean, found = coded_mean(networks, x, quality)
        if textured is not None:
            codes = texture_codes(networks, textured, x, mean.pixels, quality)
            found.insert(textured, codes * bool(number % SILENT))
        for stage, codes in enumerate(found):
            grids[stage].append(codes.to("cpu", torch.int16))
        qualities += [quality] * len(x)
    return Sample([torch.cat(grid) for grid in grids], torch.tensor(qualities))
