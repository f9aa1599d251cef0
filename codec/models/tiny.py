"""A small model with random weights, for tests and examples."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from bitstream.prior import StaticPrior
from codec.models.torch_model import torch_model
from codec.networks.config import DetailConfig, Level, ModelConfig
from codec.networks.detail import detail_of
from codec.networks.pyramid import Networks
from codec.runtime.model import CodecModel
from codec.runtime.texture import NONE, STATISTICS, UNKNOWN, nothing

TINY = ModelConfig(
    levels=(Level(32, 16, 1, 16), Level(16, 16, 2, 16), Level(8, 8, 1, 16)),
    encoder=(8, 8, 8, 8),
    decoder=(8, 8, 8, 8),
)


def tiny_model(seed: int = 0, config: ModelConfig = TINY) -> CodecModel:
    """A small model with random weights and uniform tables: codes any image, badly; for tests."""
    torch.manual_seed(seed)
    networks = Networks(config)
    for number, stage in enumerate(config.stages):
        book = torch.randn(stage.codes, stage.dim) * stage.cell / (4 * (1 + number))
        book[0] *= number == 0
        if stage.texture:
            book[NONE, :STATISTICS] = torch.from_numpy(nothing())
            book[:, STATISTICS:] = 0
            book[UNKNOWN, STATISTICS] = book[NONE, -1] = 1
        networks.quantizer.codebook(number).copy_(book)
    tables: list[ArrayLike] = [
        np.full((1, s.codes), 2**24 // s.codes, np.uint32) for s in config.stages
    ]
    prior = StaticPrior(tuple(s.cell for s in config.stages), tables)
    detail = detail_of(config, DetailConfig((8, 8, 8), (1, 1, 1), (4, 2, 2)))
    nn.init.normal_(detail.out.weight, std=0.05)
    return torch_model(networks, prior, b"tiny", detail=detail)
