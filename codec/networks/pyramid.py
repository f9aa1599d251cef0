"""What a model is made of: its shape, and its encoder, quantizer and decoder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from torch import nn

from codec.networks.decoder import Decoder
from codec.networks.encoder import Encoder
from codec.networks.layers import STEM, BlockAnalysis, BlockTransform, Transforms
from codec.networks.quantizer import ResidualQuantizer, Stage
from codec.untrusted import in_range

MAX_LAMBDA = 10**6
MAX_STAGES = 64
MAX_CELL = 256


@dataclass(frozen=True)
class Level:
    """One grid of the pyramid."""

    cell: int  # pixels a side of a cell: one latent vector each
    dim: int  # length of a latent vector: about what the bits of a cell can describe
    stages: int  # residual stages, log2(codes) bits each at the most
    codes: int = 256  # centroids a stage; 256 keeps tables small and symbols in a byte
    begin: int = 0  # the least quality that codes this level; below it the level is left out

    def __post_init__(self) -> None:
        in_range("dim", self.dim, 1, 256)
        in_range("stages", self.stages, 1, MAX_STAGES)
        in_range("codes", self.codes, 2, 4096)
        in_range("begin", self.begin, 0, 100)


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a model; saved as config.json beside the weights."""

    levels: tuple[Level, ...] = (Level(32, 64, 4), Level(16, 64, 7), Level(8, 32, 4))
    encoder: tuple[int, ...] = (64, 128, 192, 192)  # channels at 1/4, 1/8, ... to the coarsest cell
    decoder: tuple[int, ...] = (64, 128, 192, 192)
    blocks: tuple[int, ...] = ()  # of the decoder, after each level; (): one after each
    lambda_coarse: float = 6.0  # λ at quality 0, squared error (pixels in [-1, 1]) per bit
    lambda_fine: float = 0.015  # λ at quality 100

    def __post_init__(self) -> None:
        cells = [level.cell for level in self.levels]
        halved = [cells[0] >> k for k in range(len(cells))] if cells else [0]
        if cells != halved or cells[-1] not in (STEM, 2 * STEM):
            raise ValueError(f"the cells are {cells}, expected ever half the one before, to 8 or 4")
        in_range("the coarsest cell", cells[0], 2 * STEM, MAX_CELL)
        for level in self.levels:
            most = min(256, 3 * level.cell**2)
            in_range(f"dim of the cells of {level.cell} pixels", level.dim, 1, most)
        stages = sum(level.stages for level in self.levels)
        in_range("the number of stages", stages, len(cells), MAX_STAGES)
        if [level.begin for level in self.levels] != sorted(level.begin for level in self.levels):
            raise ValueError("a finer level begins at a lower quality than a coarser one")
        in_range("the quality from which the coarsest level is coded", self.levels[0].begin, 0, 0)
        for channels in (self.encoder, self.decoder):
            scales = (cells[0] // STEM).bit_length()
            in_range("the number of widths", len(channels), scales, scales)
            for width in channels:
                in_range("a width", width, 1, 512)
        if self.blocks:
            in_range("the number of entries of blocks", len(self.blocks), len(cells), len(cells))
        for count in self.blocks:
            in_range("a number of blocks", count, 1, 8)
        if not 0 < self.lambda_fine <= self.lambda_coarse <= MAX_LAMBDA:
            raise ValueError(f"expected 0 < lambda_fine <= lambda_coarse <= {MAX_LAMBDA}")

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Stages in coding order, coarse to fine."""
        return tuple(
            Stage(number, level.cell, level.dim, level.codes, level.begin > 0)
            for number, level in enumerate(self.levels)
            for _ in range(level.stages)
        )

    def lagrange(self, quality: float) -> float:
        """λ of a quality in 0..100: geometric between `lambda_coarse` and `lambda_fine`."""
        return self.lambda_coarse * (self.lambda_fine / self.lambda_coarse) ** (quality / 100)

    def condition(self, quality: float, stages: int) -> list[float]:
        """What the decoder knows: quality in [-1, 1] and the share of each level's stages."""
        left = stages
        shares = []
        for level in self.levels:
            here = min(left, level.stages)
            shares.append(here / level.stages)
            left -= here
        return [quality / 50 - 1, *shares]

    def coded_levels(self, quality: float) -> int:
        """How many levels are coded at a quality: the others begin at a higher one."""
        return sum(level.begin <= quality for level in self.levels)

    def coded_stages(self, quality: float) -> int:
        """How many stages are coded at a quality: those of the coded levels.

        >>> ModelConfig().coded_stages(50)
        15
        """
        return sum(level.stages for level in self.levels[: self.coded_levels(quality)])

    def to_json(self) -> str:
        """The text of config.json; what is as in models of format 1 is not in it."""
        table = asdict(self)
        if not self.blocks:
            del table["blocks"]
        for level in table["levels"]:
            if not level["begin"]:
                del level["begin"]
        return json.dumps(table, indent=1)

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """The configuration of a config.json; KeyError, TypeError or ValueError if it is none."""
        raw = json.loads(text)
        raw["levels"] = tuple(Level(**level) for level in raw["levels"])
        for name in {"encoder", "decoder", "blocks"} & raw.keys():
            raw[name] = tuple(raw[name])
        return cls(**raw)


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
