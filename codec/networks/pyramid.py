"""What a model is made of: its shape, and its encoder, quantizer and decoder."""

from __future__ import annotations

from torch import nn

from codec.networks.config import ModelConfig
from codec.networks.decoder import Decoder
from codec.networks.encoder import Encoder
from codec.networks.layers import BlockAnalysis, BlockTransform, Transforms
from codec.networks.quantizer import ResidualQuantizer


class Networks(nn.Module):
    """Encoder, quantizer and decoder: all that is trained by gradient or by statistics."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        levels = [(level.cell, level.dim) for level in config.levels]
        analyses = Transforms(BlockAnalysis(*level) for level in levels)
        self.encoder = Encoder(analyses, config.encoder)
        self.quantizer = ResidualQuantizer(config.stages)
        transforms = Transforms(BlockTransform(*level) for level in levels)
        optional = [level.begin > 0 for level in config.levels]
        self.decoder = Decoder(transforms, config.decoder, config.blocks, optional)
