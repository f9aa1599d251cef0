"""3×3 convolutions of bfloat16 maps by Winograd's minimal filtering, with their gradients."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from codec.train.kernels.build import call, library

CHANNELS = 16  # that inputs and outputs are multiples of


def accelerate(networks: nn.Module) -> int:
    """Let the 3×3 convolutions of networks in training run in C, where that is faster.

    F(2×2, 3×3) of Lavin and Gray (2016) has 16 products where the sums of a direct convolution
    have 36. That pays on processors whose bfloat16 products are AVX-512's; those with AMX and
    GPUs are left alone. Parameters, their names and their gradients stay as they are, but for
    rounding: factors are bfloat16 as under `torch.autocast`, sums are float32.

    Returns:
        How many convolutions run in C now.
    """
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    if not known.get("avx512_bf16") or known.get("amx_tile"):
        return 0
    convolutions = [m for m in networks.modules() if isinstance(m, nn.Conv2d) and _fits(m)]
    if not convolutions or library("convolution") is None:
        return 0
    for convolution in convolutions:
        convolution.forward = partial(_convolve, convolution)  # type: ignore[method-assign]
    return len(convolutions)


def _fits(module: nn.Conv2d) -> bool:
    return (
        (module.kernel_size, module.padding, module.stride) == ((3, 3), (1, 1), (1, 1))
        and module.in_channels % CHANNELS == module.out_channels % CHANNELS == 0
        and module.groups == 1
        and module.bias is not None
        and module.weight.device.type == "cpu"
    )


def _convolve(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """What the convolution's own `forward` computes, of x (N, C, H, W)."""
    if not torch.is_autocast_enabled("cpu"):
        return nn.Conv2d.forward(convolution, x)
    found: Tensor = _Winograd.apply(x, convolution.weight, convolution.bias)
    return found


class _Winograd(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        x = _map(x)
        outputs, inputs = weight.shape[:2]
        weight = weight.contiguous(memory_format=torch.channels_last)
        here, back = torch.empty((2, 16 * outputs * inputs), dtype=torch.bfloat16)
        found = _like(x, outputs)
        compiled: Any = library("convolution")
        call(compiled.bibc_weights, (outputs, inputs), weight, here, back)
        call(compiled.bibc_convolve, _sizes(x, outputs), x, here, bias.contiguous(), found)
        ctx.save_for_backward(x, back)
        ctx.shape = weight.shape
        return found

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, back = ctx.saved_tensors
        slope = _map(slope)
        compiled: Any = library("convolution")
        outputs, inputs = ctx.shape[:2]
        at_x = None
        if ctx.needs_input_grad[0]:
            at_x = _like(slope, inputs)
            call(compiled.bibc_convolve, _sizes(slope, inputs), slope, back, None, at_x)
        if not ctx.needs_input_grad[1]:
            return at_x, None, None
        weight = torch.empty(ctx.shape, memory_format=torch.channels_last)
        bias = torch.empty(outputs)
        call(compiled.bibc_gradient, _sizes(x, outputs), x, slope, weight, bias)
        return at_x, weight, bias


def _map(x: Tensor) -> Tensor:
    return x.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)


def _like(x: Tensor, channels: int) -> Tensor:
    shape = (x.shape[0], channels, *x.shape[2:])
    return torch.empty(shape, dtype=torch.bfloat16, memory_format=torch.channels_last)


def _sizes(x: Tensor, outputs: int) -> tuple[int, ...]:
    """Images, rows, columns, channels in and out, as C takes them."""
    count, inputs, rows, columns = x.shape
    return count, rows, columns, inputs, outputs
