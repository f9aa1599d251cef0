"""From trained networks to a model folder: weights, tables, configuration."""

from __future__ import annotations

import numpy as np
import torch

from bitstream.prior import QUALITIES, StaticPrior
from bitstream.tables import frequencies_from_counts
from codec.model import CodecModel, Networks
from codec.quantizer import quality_range

COUNT = 1 << 20  # shares become counts of so many symbols


def static_prior(networks: Networks) -> StaticPrior:
    """The prior that prices codes as the training run last saw them, per range of qualities."""
    quantizer = networks.quantizer
    counts = (quantizer.shares.cpu().double().numpy() * COUNT).round().astype(np.int64) + 1
    tables = [
        frequencies_from_counts(counts[:, number, : stage.codes])
        for number, stage in enumerate(quantizer.stages)
    ]
    ranges = [quality_range(quality) for quality in range(QUALITIES)]
    return StaticPrior(tuple(stage.cell for stage in quantizer.stages), list(tables), ranges)


def as_model(networks: Networks) -> CodecModel:
    """A codec of these networks with static tables; `CodecModel.save` writes it."""
    return CodecModel(networks, static_prior(networks), bytes(4), torch.device("cpu"))
