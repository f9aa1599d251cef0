"""Seeded priors and images for the tests of the bitstream."""

import zlib

import numpy as np

from bitstream.container import write
from bitstream.context import ContextPrior, StageContext
from bitstream.entropy import Coder
from bitstream.header import Header, crc8, write_varint
from bitstream.prior import Prior, PriorState, StaticPrior, grid_shape
from bitstream.tables import IntArray, Tables, frequencies_from_counts

FINGERPRINT = b"\x01\x02\xfe\xff"
HEADER = Header(768, 512, quality=40, stages=10, fingerprint=b"mmmm")
PAYLOAD = b"\0\0\x01payload!!"
FILE = write(HEADER, PAYLOAD)  # its header has 16 bytes
CELLS = (32, 32, 16, 16, 16, 16, 8, 8, 8, 8)


def with_header(covered: bytes, rest: bytes = b"payload") -> bytes:
    """A file with this header, its checksum right."""
    return covered + bytes([crc8(covered)]) + rest


def with_chunks(
    *kinds_and_data: tuple[bytes, bytes], count: int | None = None, payload: bytes = b"payload"
) -> bytes:
    """A file with these chunks, each CRC32 right."""
    out = bytes([len(kinds_and_data) if count is None else count])
    for kind, data in kinds_and_data:
        chunk = kind + write_varint(len(data)) + data
        out += chunk + zlib.crc32(chunk).to_bytes(4, "little")
    return HEADER.write(pad=0, has_chunks=True) + out + payload


def skewed_counts(rng: np.random.Generator, rows: int, symbols: int, zero: float) -> np.ndarray:
    """Zipf-like counts in random order; symbol 0 takes the share `zero`."""
    weights = 1 / np.arange(1, symbols) ** rng.uniform(0.3, 1.2, (rows, 1))
    weights = rng.permuted(weights, axis=1)
    weights *= (1 - zero) / weights.sum(axis=1, keepdims=True)
    return (np.column_stack([np.full(rows, zero), weights]) * 1e9).astype(np.int64)


def static_prior(
    seed: int = 0, cells: tuple[int, ...] = CELLS, symbols: int = 256, zero: float = 0.6
) -> StaticPrior:
    """Two buckets of tables; from the second stage on symbol 0 has about the share `zero`."""
    rng = np.random.default_rng(seed)
    tables = [
        frequencies_from_counts(skewed_counts(rng, 2, symbols, 1 / symbols if s == 0 else zero))
        for s in range(len(cells))
    ]
    return StaticPrior(cells, tables, [int(quality > 50) for quality in range(101)])


class NeighbourPrior(Prior):
    """A small context model: two checkerboard passes, each a pass of flags and one of values.

    The table is chosen by the stage before at the place, and in the second pass by the left
    neighbour. The flags have K = 2, the values K - 1 symbols.
    """

    kind = "test-neighbour"

    def __init__(self, cells: tuple[int, ...], flags: list[Tables], values: list[Tables]) -> None:
        super().__init__(cells, tuple(table.symbols + 1 for table in values))
        self.flags, self.values = flags, values

    def begin(self, height: int, width: int, quality: int) -> "NeighbourState":
        return NeighbourState(self, height, width, quality)

    def to_arrays(self) -> dict[str, np.ndarray]:
        arrays = {"cells": np.array(self.cells, np.int32)}
        for s, (flags, values) in enumerate(zip(self.flags, self.values, strict=True)):
            arrays |= {f"flags.{s}": flags.frequencies, f"values.{s}": values.frequencies}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "NeighbourPrior":
        cells = tuple(int(cell) for cell in arrays["cells"])
        flags = [Tables(arrays[f"flags.{s}"]) for s in range(len(cells))]
        return cls(cells, flags, [Tables(arrays[f"values.{s}"]) for s in range(len(cells))])


class NeighbourState(PriorState):
    def __init__(self, prior: NeighbourPrior, height: int, width: int, quality: int) -> None:
        super().__init__(prior, height, width, quality)
        self.prior = prior

    def code_stage(self, stage: int, code: Coder, known: IntArray | None) -> IntArray:
        rows, columns = self.shapes[stage]
        context = np.zeros((rows, columns), np.int32)
        if stage:
            before = self.stages[-1]
            y = np.arange(rows) * before.shape[0] // rows
            x = np.arange(columns) * before.shape[1] // columns
            context += (before[y[:, None], x] != 0).astype(np.int32)
        grid = np.zeros((rows, columns), np.int32)
        odd = (np.arange(rows)[:, None] + np.arange(columns)) % 2
        for colour in (0, 1):
            place = odd == colour
            if colour:
                context[:, 1:] += 2 * (grid[:, :-1] != 0)
            wanted = None if known is None else known[place]
            flags = code(
                context[place],
                self.prior.flags[stage],
                None if wanted is None else (wanted != 0).astype(np.int32),
            )
            some = flags != 0
            values = code(
                context[place][some],
                self.prior.values[stage],
                None if wanted is None else wanted[some] - 1,
            )
            found = np.zeros(len(flags), np.int32)
            found[some] = values + 1
            grid[place] = found
        self.stages.append(grid)
        return grid


def neighbour_prior(seed: int = 0, cells: tuple[int, ...] = CELLS) -> NeighbourPrior:
    rng = np.random.default_rng(seed)
    flags = [
        Tables(frequencies_from_counts([[90, 10], [60, 40], [50, 50], [20, 80]])) for _ in cells
    ]
    values = [Tables(frequencies_from_counts(skewed_counts(rng, 4, 63, 0.2))) for _ in cells]
    return NeighbourPrior(cells, flags, values)


def context_prior(
    seed: int = 0, cells: tuple[int, ...] = CELLS, symbols: int = 64, tables: int = 16
) -> ContextPrior:
    """A context prior of random integers whose contexts reach all tables."""
    rng = np.random.default_rng(seed)
    length, dim = 6, 5

    def draw(most: int, *shape: int) -> IntArray:
        return rng.integers(-most, most + 1, shape).astype(np.int32)

    levels = [sorted(set(cells), reverse=True).index(cell) for cell in cells]
    contexts = [
        StageContext(
            own=draw(40, 5, length, dim),
            coarse=draw(40, level, 3, length, dim),
            place=draw(2000, cells[0] // cell, cells[0] // cell, dim),
            quality=draw(4000, 101, dim),
            centres=draw(1500, tables, dim),
            tables=Tables(frequencies_from_counts(skewed_counts(rng, tables, symbols, 0.5))),
        )
        for level, cell in zip(levels, cells, strict=True)
    ]
    return ContextPrior(cells, [draw(100, symbols, length) for _ in cells], contexts, shift=3)


def sample_indices(prior: Prior, header: Header, seed: int = 0) -> list[IntArray]:
    """Draw the indices of an image from the prior itself."""
    rng = np.random.default_rng(seed)

    def draw(table_ids: IntArray, tables: Tables, symbols: IntArray | None) -> IntArray:
        ends = np.cumsum(tables.frequencies, axis=1)  # (T, K)
        found = np.empty(len(table_ids), np.int32)
        for table in np.unique(table_ids):
            here = table_ids == table
            points = rng.integers(0, 2**24, here.sum())
            found[here] = np.searchsorted(ends[table], points, side="right")
        return found

    state = prior.begin(header.height, header.width, header.quality)
    for stage in range(header.stages):
        state.code_stage(stage, draw, None)
    return state.stages


def any_indices(prior: Prior, header: Header, seed: int = 0) -> list[IntArray]:
    """Draw uniform indices, however unlikely the prior finds them."""
    rng = np.random.default_rng(seed)
    return [
        rng.integers(0, k, grid_shape(header.height, header.width, cell)).astype(np.int32)
        for cell, k in zip(prior.cells[: header.stages], prior.codes, strict=False)
    ]
