"""The prior: which table codes which symbol. The seam at which context models plug in.

Encoder and decoder run the same `PriorState.code_stage`; only the coder they hand to it differs.
So what one side computes from symbols already coded, the other computes from the same symbols.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from bitstream.errors import CodecError
from bitstream.header import MAX_STAGES
from bitstream.tables import IntArray, Tables

if TYPE_CHECKING:
    from bitstream.entropy import Coder

Arrays = Mapping[str, NDArray[Any]]

QUALITIES = 101  # 0..100
MAX_PRIOR_BYTES = 2**28
INTEGERS = ("I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64")  # as safetensors names them


def grid_shape(height: int, width: int, cell: int) -> tuple[int, int]:
    """Return the rows and columns of a grid whose cells of `cell` pixels cover the image.

    >>> grid_shape(512, 769, 32)
    (16, 25)
    """
    return -(-height // cell), -(-width // cell)


def typed(arrays: Arrays, name: str, dtype: DTypeLike, ndim: int) -> NDArray[Any]:
    """One of a prior's arrays; ValueError if it is of another type, as conversion could wrap."""
    array = arrays[name]
    if array.dtype != dtype or array.ndim != ndim:
        raise ValueError(
            f"{name} is {array.dtype} {array.shape}, expected {np.dtype(dtype)} "
            f"in {ndim} dimensions"
        )
    return array


def integers(arrays: Arrays, name: str) -> tuple[int, ...]:
    """A short int32 array as Python integers."""
    array = typed(arrays, name, np.int32, 1)
    if not 1 <= len(array) <= MAX_STAGES:
        raise ValueError(f"{name} has shape {array.shape}, expected 1..{MAX_STAGES} numbers")
    return tuple(array.tolist())


class PriorState(ABC):
    """The coding of one image: knows the stages coded so far.

    Attributes:
        shapes: rows and columns of each stage's grid.
        stages: the stages coded so far, int32 grids.
    """

    def __init__(self, prior: Prior, height: int, width: int, quality: int) -> None:
        self.shapes = [grid_shape(height, width, cell) for cell in prior.cells]
        self.quality = quality
        self.stages: list[IntArray] = []

    @abstractmethod
    def code_stage(self, stage: int, code: Coder, known: IntArray | None) -> IntArray:
        """Code the next stage in one or more passes, and append it to `stages`.

        Every symbol of the stage is coded exactly once. Tables of a pass may depend on the earlier
        stages and passes only, through integer arithmetic only.

        Args:
            stage: the stage's number, len(self.stages).
            code: called once a pass, see `bitstream.entropy.Coder`.
            known: the stage's symbols (int32, the stage's shape) on the encoder's side, else None.

        Returns:
            int32 of the stage's shape, values in [0, codes[stage]).
        """


class Prior(ABC):
    """A model's tables and how to choose among them.

    A subclass names its `kind` (stored in the file), turns itself into integer arrays and back,
    and begins the coding of an image.

    Args:
        cells: pixels per side of each stage's cells, coarse to fine; 1..64 stages.
        codes: K of each stage, 2..2**16: its symbols are 0..K-1.
    """

    kind: ClassVar[str]
    _kinds: ClassVar[dict[str, type[Prior]]] = {}

    def __init_subclass__(cls) -> None:
        Prior._kinds[cls.kind] = cls

    def __init__(self, cells: tuple[int, ...], codes: tuple[int, ...]) -> None:
        if not 1 <= len(cells) <= MAX_STAGES or len(cells) != len(codes):
            raise ValueError(
                f"expected 1..{MAX_STAGES} stages, got {len(cells)} cells and {len(codes)} codes"
            )
        if min(cells) < 1:
            raise ValueError(f"expected cells of 1 pixel or more, got {cells}")
        self.cells = cells
        self.codes = codes

    @abstractmethod
    def begin(self, height: int, width: int, quality: int) -> PriorState:
        """Begin the coding of an image of this size, at quality 0..100."""

    @abstractmethod
    def to_arrays(self) -> Arrays:
        """Return the integer arrays from which `from_arrays` makes this prior again."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Make the prior from its arrays; raises KeyError or ValueError if they do not fit."""

    def save(self, path: str | PathLike[str]) -> None:
        """Write the prior as safetensors: its arrays, and its kind as metadata."""
        arrays = {name: np.ascontiguousarray(array) for name, array in self.to_arrays().items()}
        save_file(arrays, path, metadata={"kind": self.kind})

    @staticmethod
    def load(path: str | PathLike[str]) -> Prior:
        """Read a prior of any kind.

        Raises:
            CodecError: if the file is not a prior this version knows, or its tables are not valid.
            OSError: if the file cannot be read.
        """
        import_module("bitstream.context")  # the kind that this module does not define

        size = os.path.getsize(path)
        if size > MAX_PRIOR_BYTES:
            raise CodecError(f"{path} has {size} bytes, a prior has at most {MAX_PRIOR_BYTES}")
        try:
            with safe_open(path, framework="numpy") as file:
                kind = (file.metadata() or {}).get("kind")
                for name in file.keys():
                    if (dtype := file.get_slice(name).get_dtype()) not in INTEGERS:
                        raise CodecError(
                            f"{path}: {name!r:.80} is {dtype}, a prior holds integers only"
                        )
                arrays = {name: file.get_tensor(name) for name in file.keys()}
        except SafetensorError as error:
            raise CodecError(f"{path} is not a safetensors file: {error}") from error
        if kind not in Prior._kinds:
            raise CodecError(
                f"{path} holds a prior of kind {kind!r}; known are {sorted(Prior._kinds)}"
            )
        try:
            return Prior._kinds[kind].from_arrays(arrays)
        except (KeyError, ValueError) as error:
            raise CodecError(f"{path} is not a valid {kind} prior: {error}") from error


class StaticPrior(Prior):
    """One table for each stage and bucket of qualities, whatever the neighbours are.

    Args:
        cells: see `Prior`.
        tables: for each stage, integers of shape (B, K): a frequency table for each bucket.
        bucket: integers of shape (101,), values in [0, B): the bucket of each quality; None puts
            all qualities into the one bucket there is.

    >>> prior = StaticPrior((8,), [[[2**23, 2**23]]])
    >>> prior.codes, prior.begin(16, 20, quality=50).shapes
    ((2,), [(2, 3)])
    """

    kind = "static"

    def __init__(
        self, cells: tuple[int, ...], tables: list[ArrayLike], bucket: ArrayLike | None = None
    ) -> None:
        self.tables = [Tables(frequencies) for frequencies in tables]
        super().__init__(cells, tuple(table.symbols for table in self.tables))
        self.bucket = np.zeros(QUALITIES, np.int32)
        if bucket is not None:
            self.bucket = np.array(bucket, np.int32)
        buckets = {len(table) for table in self.tables}
        if len(buckets) != 1:
            raise ValueError(f"the stages have {sorted(buckets)} buckets, expected equally many")
        if self.bucket.shape != (QUALITIES,) or self.bucket.min() < 0:
            raise ValueError(f"expected a bucket >= 0 for each of {QUALITIES} qualities")
        if self.bucket.max() >= buckets.pop():
            raise ValueError(f"a quality has bucket {self.bucket.max()}, which has no tables")

    def begin(self, height: int, width: int, quality: int) -> StaticState:
        """See `Prior.begin`."""
        return StaticState(self, height, width, quality)

    def to_arrays(self) -> Arrays:
        """Return "cells" int32 [S], "bucket" int32 [101], "tables.0".. uint32 [B, K_s]."""
        tables = {f"tables.{s}": table.frequencies for s, table in enumerate(self.tables)}
        return {"cells": np.array(self.cells, np.int32), "bucket": self.bucket, **tables}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """See `Prior.from_arrays`."""
        cells = integers(arrays, "cells")
        tables = [typed(arrays, f"tables.{s}", np.uint32, 2) for s in range(len(cells))]
        return cls(cells, list(tables), typed(arrays, "bucket", np.int32, 1))


class StaticState(PriorState):
    """Codes each stage in one pass, in raster order."""

    def __init__(self, prior: StaticPrior, height: int, width: int, quality: int) -> None:
        super().__init__(prior, height, width, quality)
        self._tables = prior.tables
        self._bucket = prior.bucket[quality]

    def code_stage(self, stage: int, code: Coder, known: IntArray | None) -> IntArray:
        """See `PriorState.code_stage`."""
        rows, columns = self.shapes[stage]
        table_ids = np.full(rows * columns, self._bucket)
        symbols = code(table_ids, self._tables[stage], None if known is None else known.ravel())
        self.stages.append(symbols.reshape(rows, columns))
        return self.stages[-1]
