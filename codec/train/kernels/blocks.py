"""The linear block transforms and their gradients, without copies of images block by block."""

from __future__ import annotations

import ctypes
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from codec.networks.layers import BlockAnalysis, BlockTransform
from codec.train.kernels.build import call, library

LANES = 16  # that a transform's dim is a multiple of


def accelerate(networks: nn.Module) -> int:
    """Let the block transforms of networks in training run in C, on a CPU.

    They stay in float32, and their results are the same but for rounding.

    Returns:
        How many transforms run in C now.
    """
    transforms = [
        module
        for module in networks.modules()
        if isinstance(module, BlockAnalysis) and module.forward_basis.device.type == "cpu"
        if module.dim % LANES == 0 and module.cell % 4 == 0
    ]
    if not transforms or library("blocks") is None:
        return 0
    for transform in transforms:
        own: Any = transform
        own.analysis = partial(_analysis, transform)
        if isinstance(transform, BlockTransform):
            own.synthesis = partial(_synthesis, transform)
    return len(transforms)


def _analysis(transform: BlockAnalysis, x: Tensor) -> Tensor:
    found: Tensor = _Analysis.apply(x.float(), transform.forward_basis, transform.cell)
    return found.permute(0, 3, 1, 2)


def _synthesis(transform: BlockTransform, z: Tensor) -> Tensor:
    latents = z.float().permute(0, 2, 3, 1)
    found: Tensor = _Synthesis.apply(latents, transform.inverse_basis, transform.cell)
    return found


class _Shape(ctypes.Structure):
    """`shape` of blocks.c."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("count", "height", "width", "side", "dim")),
        *((name, ctypes.c_int64) for name in ("image", "channel", "row", "column")),
    )


class _Analysis(torch.autograd.Function):
    """Pixels (N, 3, H, W) to latents (N, h, w, D)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, basis: Tensor, cell: int) -> Tensor:
        ctx.save_for_backward(x, basis)
        ctx.cell = cell
        return _analyzed(x, basis, cell)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor, None]:
        x, basis = ctx.saved_tensors
        slope = slope.contiguous()
        at_x = _synthesized(slope, basis, ctx.cell) if ctx.needs_input_grad[0] else None
        return at_x, _outer(slope, x, ctx.cell), None


class _Synthesis(torch.autograd.Function):
    """Latents (N, h, w, D) to pixels (N, 3, H, W)."""

    @staticmethod
    def forward(ctx: Any, latents: Tensor, basis: Tensor, cell: int) -> Tensor:
        latents = latents.contiguous()
        ctx.save_for_backward(latents, basis)
        ctx.cell = cell
        return _synthesized(latents, basis, cell)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, None]:
        latents, basis = ctx.saved_tensors
        return _analyzed(slope, basis, ctx.cell), _outer(latents, slope, ctx.cell), None


def _analyzed(x: Tensor, basis: Tensor, cell: int) -> Tensor:
    latents = torch.empty((len(x), x.shape[2] // cell, x.shape[3] // cell, len(basis)))
    _run("bibc_analysis", x, latents, x, basis.t().contiguous(), latents)
    return latents


def _synthesized(latents: Tensor, basis: Tensor, cell: int) -> Tensor:
    count, rows, columns, _ = latents.shape
    x = torch.empty((count, 3, rows * cell, columns * cell))
    _run("bibc_synthesis", x, latents, latents, basis.contiguous(), x)
    return x


def _outer(latents: Tensor, x: Tensor, cell: int) -> Tensor:
    basis = torch.empty((latents.shape[3], 3 * cell * cell))
    _run("bibc_outer", x, latents, latents, x, basis)
    return basis


def _run(name: str, x: Tensor, latents: Tensor, *tensors: Tensor) -> None:
    count, rows, _, dim = latents.shape
    shape = _Shape(count, *x.shape[2:], x.shape[2] // rows, dim, *x.stride())
    call(getattr(library("blocks"), name), [], ctypes.addressof(shape), *tensors)
