"""The fit of the context prior finds structure, and its integers are the coder's."""

import numpy as np
import torch

from bitstream.context import ContextPrior
from bitstream.header import Header
from bitstream.stream import ideal_bits
from bitstream.tables import IntArray, Tables
from codec.networks.config import Stage
from codec.train.codec.context import Fit
from codec.train.codec.sample import Sample

STAGES = [Stage(0, 32, 8, 16), Stage(1, 16, 8, 16), Stage(1, 16, 8, 16), Stage(2, 8, 4, 16)]


def sample(count: int, seed: int) -> Sample:
    """Codes that follow the coarser level's code, or the code before at the place, or neither."""
    generator = torch.Generator().manual_seed(seed)

    def noise(side: int) -> torch.Tensor:
        return torch.randint(0, 16, (count, side, side), generator=generator)

    def follow(guide: torch.Tensor) -> torch.Tensor:
        keep = torch.rand(guide.shape, generator=generator) < 0.7
        return torch.where(keep, guide, noise(guide.shape[1]))

    def up(grid: torch.Tensor) -> torch.Tensor:
        return grid.repeat_interleave(2, 1).repeat_interleave(2, 2)

    first = noise(3)
    second = follow(up(first))
    third = follow((second + 1) % 16)
    fourth = follow(up(third))
    indices = [grid.short() for grid in (first, second, third, fourth)]
    return Sample(indices, torch.randint(0, 101, (count,), generator=generator))


def recorded(prior: ContextPrior, part: Sample, crop: int) -> list[IntArray]:
    """The table ids that the coder uses for a crop, per stage, in raster order."""
    found: list[IntArray] = []

    def record(ids: IntArray, tables: Tables, symbols: IntArray | None) -> IntArray:
        assert symbols is not None
        found.append(ids)
        return symbols

    state = prior.begin(96, 96, int(part.quality[crop]))
    ids = []
    for stage, grid in enumerate(part.indices):
        found.clear()
        known = grid[crop].numpy().astype(np.int32)
        state.code_stage(stage, record, known)
        odd = np.add.outer(np.arange(known.shape[0]), np.arange(known.shape[1])) % 2
        table = np.zeros(known.shape, np.int32)
        table[odd == 0], table[odd == 1] = found
        ids.append(table)
    return ids


def test_fit_finds_the_structure_and_counts_what_the_coder_sees() -> None:
    train, held_out = sample(400, 1), sample(40, 2)
    books = [torch.randn(16, s.dim, generator=torch.Generator().manual_seed(3)) for s in STAGES]
    fit = Fit(STAGES, books, tables=16, length=12, dim=10)
    fit.linear(train, epochs=20, batch=16)
    fit.cluster(train)
    fit.mix(train, epochs=6, batch=16)
    prior = fit.prior(train)

    bits = 0.0
    for crop in range(len(held_out)):
        head = Header(96, 96, quality=int(held_out.quality[crop]), stages=4, fingerprint=b"test")
        grids = [g[crop].numpy().astype(np.int32) for g in held_out.indices]
        bits += ideal_bits(grids, prior, head)
    uniform = 4.0 * sum(grid.numel() for grid in held_out.indices)
    print(f"held out: {bits / uniform:.3f} of the bits without context")
    assert bits < 0.75 * uniform

    part = train.part(slice(0, 3))
    expected = [ids.numpy() for ids in fit.table_ids(part)]
    for crop in range(3):
        for stage, ids in enumerate(recorded(prior, part, crop)):
            assert np.array_equal(ids, expected[stage][crop])
