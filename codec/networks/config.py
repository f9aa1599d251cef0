"""The shape of a model, as its config.json says it; no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from codec.untrusted import in_range

STEM = 4  # pixels a side of the cells where the convolutional trunks begin and end
RANGES = 8  # ranges of qualities that have code shares of their own
CELLS = (8, 4, 2)  # pixels a side of a noise cell, coarse to fine; also the number of its plane
MAX_LAMBDA = 10**6
MAX_STAGES = 64
MAX_CELL = 256
TEXTURE_CELL = 32  # pixels a side of the cells of texture codes
TEXTURE_DIM = 16  # of their centroids: 14 statistics, "unknown", "none": `codec.runtime.texture`


@dataclass(frozen=True)
class Stage:
    """One stage of the quantizer: its level (0 = coarsest), cell in pixels, dim and codes.

    An `optional` stage is of a level that low qualities leave out, see `Level.begin`. The `texture`
    stage is no part of the latents: its codes tell the detail network what the mean lacks.
    """

    level: int
    cell: int
    dim: int
    codes: int
    optional: bool = False
    texture: bool = False


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
    texture: int = 0  # texture codes, of a stage after those of the level of 32 pixels; 0: none
    lambda_coarse: float = 6.0  # λ at quality 0, squared error (pixels in [-1, 1]) per bit
    lambda_fine: float = 0.015  # λ at quality 100

    def __post_init__(self) -> None:
        cells = [level.cell for level in self.levels]
        halved = [cells[0] >> k for k in range(len(cells))] if cells else [0]
        if cells != halved or cells[-1] not in (STEM, 2 * STEM):
            raise ValueError(
                f"the cells are {cells!s:.40}, expected each to be half of the one before, "
                "to 8 or 4"
            )
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
        if self.texture:
            in_range("the number of texture codes", self.texture, 4, 256)
            if TEXTURE_CELL not in cells:
                raise ValueError(f"texture codes need a level of cells of {TEXTURE_CELL} pixels")
        if not 0 < self.lambda_fine <= self.lambda_coarse <= MAX_LAMBDA:
            raise ValueError(f"expected 0 < lambda_fine <= lambda_coarse <= {MAX_LAMBDA}")

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Stages in coding order, coarse to fine."""
        stages = []
        for number, level in enumerate(self.levels):
            stage = Stage(number, level.cell, level.dim, level.codes, level.begin > 0)
            stages += [stage] * level.stages
            if self._has_texture(level):
                stages.append(Stage(number, level.cell, TEXTURE_DIM, self.texture, texture=True))
        return tuple(stages)

    def _has_texture(self, level: Level) -> bool:
        return self.texture > 0 and level.cell == TEXTURE_CELL

    def lambda_at(self, quality: float) -> float:
        """λ of a quality in 0..100: geometric between `lambda_coarse` and `lambda_fine`."""
        return self.lambda_coarse * (self.lambda_fine / self.lambda_coarse) ** (quality / 100)

    def quality_of(self, lam: float) -> float:
        """The quality that has a λ, at most 100: the inverse of `lambda_at`.

        >>> round(ModelConfig().quality_of(ModelConfig().lambda_at(30)), 6)
        30.0
        """
        whole = math.log(self.lambda_coarse / self.lambda_fine)
        return min(100 * math.log(self.lambda_coarse / lam) / whole, 100.0)

    def condition(self, quality: float, stages: int) -> list[float]:
        """What the decoder knows: quality in [-1, 1] and the share of each level's stages."""
        left = stages
        shares = []
        for level in self.levels:
            here = min(left, level.stages)
            shares.append(here / level.stages)
            left = max(left - here - self._has_texture(level), 0)
        return [quality / 50 - 1, *shares]

    def coded_levels(self, quality: float) -> int:
        """How many levels are coded at a quality: the others begin at a higher one."""
        return sum(level.begin <= quality for level in self.levels)

    def coded_stages(self, quality: float) -> int:
        """How many stages are coded at a quality: those of the coded levels.

        >>> ModelConfig().coded_stages(50)
        15
        """
        coded = self.levels[: self.coded_levels(quality)]
        return sum(level.stages + self._has_texture(level) for level in coded)

    def to_json(self) -> str:
        """The text of config.json; what is as in models of format 1 is not in it."""
        table = asdict(self)
        for name in ("blocks", "texture"):
            if not table[name]:
                del table[name]
        for level in table["levels"]:
            if not level["begin"]:
                del level["begin"]
        return json.dumps(table, indent=1)

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """The configuration of a config.json; KeyError, TypeError or ValueError if it is none."""
        raw = json.loads(text)
        raw["levels"] = tuple(Level(**level) for level in raw["levels"])
        raw["encoder"], raw["decoder"] = tuple(raw["encoder"]), tuple(raw["decoder"])
        raw["blocks"] = tuple(raw.get("blocks", ()))
        return cls(**raw)


@dataclass(frozen=True)
class DetailConfig:
    """Shape of a detail network."""

    widths: tuple[int, int, int] = (128, 96, 32)  # channels at 1/8, 1/4 and 1/2 of the resolution
    blocks: tuple[int, int, int] = (2, 2, 1)  # residual blocks there
    noise: tuple[int, int, int] = (16, 8, 2)  # channels of U there

    def __post_init__(self) -> None:
        for name, least, most in (("widths", 1, 512), ("blocks", 0, 16), ("noise", 0, 64)):
            in_range(f"the number of {name}", len(getattr(self, name)), 3, 3)
            for value in getattr(self, name):
                in_range(name, value, least, most)


def stages_of(stages: Sequence[Stage], level: int) -> list[int]:
    """Numbers of the stages of a level's latent, in coding order.

    >>> stages_of(ModelConfig(texture=64).stages, 1)
    [5, 6, 7, 8, 9, 10, 11]
    """
    return [n for n, stage in enumerate(stages) if stage.level == level and not stage.texture]


def texture_stage(stages: Sequence[Stage]) -> int | None:
    """Number of the stage of texture codes, if there is one.

    >>> texture_stage(ModelConfig(texture=64).stages)
    4
    """
    return next((n for n, stage in enumerate(stages) if stage.texture), None)


def beam_width(effort: int, level: int, last: Stage) -> int:
    """Width of the search for the codes of a level.

    It is wide at coarse levels, where there are few vectors. Where an optional level is coded, too,
    most bits are spent at fine levels, and the search is as wide there as at level 1.

    Args:
        effort: 1..9.
        level: 0 is the coarsest.
        last: the last stage that is coded.

    >>> coarse, fine = Stage(2, 8, 32, 256), Stage(3, 4, 32, 256, optional=True)
    >>> [[beam_width(effort, level, coarse) for level in range(3)] for effort in (1, 5, 9)]
    [[2, 1, 1], [8, 4, 2], [32, 16, 8]]
    >>> [beam_width(5, level, fine) for level in range(4)]
    [8, 4, 4, 4]
    """
    halved = min(level, 1) if last.optional else level
    return max(1, round(2.0 ** ((effort + 1) / 2 - halved)))


def quality_range(quality: float) -> int:
    """Range of a quality 0..100 among `RANGES` equal ones.

    >>> quality_range(0), quality_range(50), quality_range(100)
    (0, 4, 7)
    """
    return min(int(quality * RANGES / 100), RANGES - 1)
