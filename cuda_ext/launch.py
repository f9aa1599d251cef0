"""The four launches of one search, and the memory that they share. Nothing comes back to the host.

``prepare`` and ``filter`` leave a certificate per row, ``finish`` settles the rows it proves and
lists the others, ``rescan`` settles those; its grid is fixed and it reads their number on the
device, so a search can be captured in a CUDA graph.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass

import torch
from torch import Tensor

from cuda_ext import compiler
from cuda_ext.compiler import Variant
from cuda_ext.driver import Argument, Device, driver

SLICE = 1 << 22  # rows per launch: the certificates of a slice take 50 MB
FILTER_ROWS = 128  # rows of a filter block: ROWS of nearest.cu
RESCAN_ROWS = 4
_NAMES = ("prepare", "filter", "finish", "rescan")


@dataclass(frozen=True)
class Kernels:
    """One variant, loaded on one device."""

    device: Device
    variant: Variant
    functions: dict[str, ctypes.c_void_p]

    @classmethod
    def load(cls, device: Device, variant: Variant, module: bytes) -> Kernels:
        """Load a compiled module of ``variant``."""
        loaded = device.load(module, [f"bibcodec_{name}" for name in _NAMES])
        return cls(device, variant, {name: loaded[f"bibcodec_{name}"] for name in _NAMES})


@dataclass(frozen=True)
class Certificates:
    """What the filter found, for tests and benchmarks: [splits, rows] of the last slice.

    ``least`` and ``second`` are float32 minima of the best group and the runner-up, ``group`` is
    int32, ``pending`` int32 [slices] counts the rows that had to be rescanned.
    """

    least: Tensor
    second: Tensor
    group: Tensor
    pending: Tensor


_kernels: dict[tuple[int, Variant], Kernels] = {}
_lock = threading.Lock()


def kernels_for(ordinal: int, variant: Variant) -> Kernels:
    """The loaded kernels for a CUDA device; compiled and loaded at the first call.

    Raises:
        CompileError, DriverError: why that device cannot run them.
    """
    with _lock:
        key = (ordinal, variant)
        if key not in _kernels:
            device = Device(driver(), ordinal)
            module = compiler.binary(variant, device.capability)
            _kernels[key] = Kernels.load(device, variant, module)
        return _kernels[key]


def run(
    x: Tensor, codebook: Tensor, bias: Tensor | None, kernels: Kernels, stream: int
) -> tuple[Tensor, Tensor, Certificates]:
    """Queue a whole search on ``stream``: index int64 [N], value float32 [N], certificates.

    Args:
        x: contiguous [N, D] of the variant's dtype, D fitting the variant, N >= 1.
        codebook: contiguous float32 [K, D].
        bias: contiguous float32 [K], or None.
        kernels: loaded on the device of the tensors.
        stream: the CUDA stream's handle.
    """
    tile, group = (64, 16) if kernels.variant.tensor else (128, 8)
    rows, depth = x.shape
    codes = codebook.shape[0]
    columns = -(-codes // tile) * tile
    padded = kernels.variant.depth or -(-depth // 8) * 8
    slices = -(-rows // SLICE)
    table = codebook.new_empty(columns * padded)
    offset = codebook.new_empty(columns)
    # One zeroed array for the codebook's maxima (4 words) and the number of pending rows per slice.
    words = torch.zeros(4 + slices, dtype=torch.int32, device=x.device)
    index = torch.empty(rows, dtype=torch.int64, device=x.device)
    value = torch.empty(rows, dtype=torch.float32, device=x.device)

    def launch(
        name: str, grid: tuple[int, int], block: int, *arguments: Tensor | int | None
    ) -> None:
        kernels.device.launch(
            kernels.functions[name], grid, block, stream, [_argument(a) for a in arguments]
        )

    launch(
        "prepare",
        (columns // 32, 1),
        256,
        *(codebook, bias, codes, depth, padded, columns, table, offset, words),
    )
    size = min(rows, SLICE)
    splits, tiles = _splits(size, columns // tile, kernels.device.multiprocessors)
    least = codebook.new_empty((splits, size))
    second = torch.empty_like(least)
    where = torch.empty((splits, size), dtype=torch.int32, device=x.device)
    pending = torch.empty(size, dtype=torch.int32, device=x.device)
    limits = codebook.new_empty(size)
    for number in range(slices):
        part = x[number * SLICE : (number + 1) * SLICE]
        count = part.shape[0]
        here, best = index[number * SLICE :], value[number * SLICE :]
        todo = words[4 + number :]
        launch(
            "filter",
            (-(-count // FILTER_ROWS), splits),
            128 if kernels.variant.tensor else 256,
            *(part, count, depth, padded, table, offset, columns, tiles, least, second, where),
        )
        launch(
            "finish",
            (-(-count // (256 // group)), 1),
            256,
            *(part, count, depth, codebook, bias, codes, offset, words, splits),
            *(least, second, where, here, best, pending, limits, todo),
        )
        launch(
            "rescan",
            (min(-(-count // RESCAN_ROWS), 4 * kernels.device.multiprocessors), 1),
            256,
            *(part, depth, codebook, bias, codes, offset, pending, limits, todo, here, best),
        )
    return index, value, Certificates(least, second, where, words[4:])


def _splits(rows: int, tiles: int, multiprocessors: int) -> tuple[int, int]:
    """Parts of the codebook that go to separate blocks, and tiles per part, to fill the GPU.

    >>> _splits(rows=1 << 20, tiles=8, multiprocessors=132)
    (1, 8)
    >>> _splits(rows=256, tiles=8, multiprocessors=132)
    (8, 1)
    """
    blocks = -(-rows // FILTER_ROWS)
    wanted = min(tiles, max(1, 2 * multiprocessors // blocks))
    each = -(-tiles // wanted)
    return -(-tiles // each), each


def _argument(value: Tensor | int | None) -> Argument:
    if isinstance(value, Tensor):
        return ctypes.c_void_p(value.data_ptr())
    return ctypes.c_void_p() if value is None else ctypes.c_int(value)
