"""The torch operator ``bibcodec::nearest`` and the functions that call it.

The operator has implementations for CPU and CUDA and a fake one, so torch.compile traces through
it. Neither index nor value carries a gradient: compute losses from ``codebook[index]``.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from cuda_ext.compiler import CompileError, Variant
from cuda_ext.driver import DriverError
from cuda_ext.launch import kernels_for, run
from cuda_ext.search import search

MAX_DEPTH = 512
MAX_CODES = 65536
MAX_ROWS = 2**31
DTYPES = (torch.float32, torch.float16, torch.bfloat16)

_library = torch.library.Library("bibcodec", "DEF")
_library.define("nearest(Tensor x, Tensor codebook, Tensor? bias=None) -> (Tensor, Tensor)")


def nearest(x: Tensor, codebook: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Find, for each row of x, the code with the least ``|x - c|^2 + b``.

    The answer is the same to the bit on every device, for every batch split; ties go to the lowest
    index. ``cuda_ext.canonical`` states the exact rule, NaN and infinities included. No N x K array
    is made. Tensors need not be contiguous.

    Args:
        x: float32, float16 or bfloat16 [N, D], N in 0..2^31, D in 1..512.
        codebook: float32, float16 or bfloat16 [K, D], K in 1..65536, on the same device.
        bias: float32, float16 or bfloat16 [K], on the same device, or None for zeros.
            +inf masks a code.

    Returns:
        index int64 [N], values in [0, K), and value float32 [N], the least score. No gradients.

    Raises:
        TypeError: something is no tensor, or has an unsupported dtype.
        ValueError: a shape or a device does not fit.

    >>> x = torch.tensor([[0.0, 0.1], [1.0, 0.8]])
    >>> codebook = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    >>> nearest(x, codebook)[0].tolist()
    [0, 1]
    >>> nearest(x, codebook, torch.tensor([5.0, 0.0]))[0].tolist()
    [1, 1]
    """
    _check(x, codebook, bias)
    return _call(x, codebook, bias)


def nearest_stages(
    x: Tensor,
    codebooks: Sequence[Tensor] | Tensor,
    biases: Sequence[Tensor | None] | Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Run all stages of a residual quantizer: code what the stages before have left over.

    Stage s finds ``nearest(r, codebooks[s], biases[s])`` and then takes ``r = r - codebooks[s][i]``
    in float32, elementwise, starting from r = x. Nothing goes through the host between stages.

    Args:
        x: float32, float16 or bfloat16 [N, D].
        codebooks: S >= 1 codebooks [K_s, D], as a sequence or stacked [S, K, D].
        biases: S biases [K_s] or None each, stacked [S, K], or None for no bias at all.

    Returns:
        index int64 [S, N] and value float32 [S, N], the least score of each stage. No gradients.

    Raises:
        TypeError, ValueError: as ``nearest``; also when the numbers of stages differ.

    >>> x = torch.tensor([[1.2], [9.1]])
    >>> codebooks = [torch.tensor([[0.0], [8.0]]), torch.tensor([[0.0], [1.0]])]
    >>> index, value = nearest_stages(x, codebooks)
    >>> index.tolist()
    [[0, 1], [1, 1]]
    """
    books = _stages(codebooks, 3, "codebooks", "[K, D]")
    offsets: list[Any] = [None] * len(books)
    if biases is not None:
        offsets = _stages(biases, 2, "biases", "[K]")
    if not books:
        raise ValueError("nearest_stages: codebooks is empty, expected at least one codebook")
    if len(offsets) != len(books):
        raise ValueError(
            f"nearest_stages: got {len(offsets)} biases for {len(books)} codebooks, "
            "expected one per stage (None where a stage has no bias)"
        )
    for stage, (book, offset) in enumerate(zip(books, offsets, strict=True)):
        _check(x, book, offset, f"s[{stage}]")
    residual = x.detach().float()
    indices, values = [], []
    for stage, (book, offset) in enumerate(zip(books, offsets, strict=True)):
        index, value = _call(residual, book, offset)
        indices.append(index)
        values.append(value)
        if stage + 1 < len(books):
            residual = residual - book.detach().index_select(0, index).float()
    return torch.stack(indices), torch.stack(values)


def _call(x: Tensor, codebook: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    bias = None if bias is None else bias.detach()
    index, value = torch.ops.bibcodec.nearest.default(x.detach(), codebook.detach(), bias)
    return index, value


def _on_cpu(x: Tensor, codebook: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
    bias = None if bias is None else bias.float()
    return search(x.contiguous(), codebook.contiguous(), bias)


def _on_cuda(x: Tensor, codebook: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
    bias = None if bias is None else bias.float().contiguous()
    if x.shape[0] > 0:
        ordinal = x.get_device()
        try:
            kernels = kernels_for(ordinal, Variant.choose(x.dtype, x.shape[1]))
        except (CompileError, DriverError) as error:
            _warn_once(f"nearest: cuda:{ordinal} uses torch operations, which are slower: {error}")
        else:
            stream = torch.cuda.current_stream(x.device).cuda_stream
            table = codebook.float().contiguous()
            index, value, _ = run(x.contiguous(), table, bias, kernels, stream)
            return index, value
    return search(x.contiguous(), codebook.contiguous(), bias)


@cache
def _warn_once(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=2)


def _fake(x: Tensor, codebook: Tensor, bias: Tensor | None = None) -> tuple[Tensor, Tensor]:
    count = x.shape[0]
    return x.new_empty(count, dtype=torch.int64), x.new_empty(count, dtype=torch.float32)


def _stages(tensors: object, dimensions: int, name: str, each: str) -> list[Any]:
    if isinstance(tensors, Tensor) and tensors.dim() != dimensions:
        raise ValueError(
            f"nearest_stages: {name} has shape {tuple(tensors.shape)}, expected a stack of {each} "
            f"with {dimensions} dimensions or a list with one tensor per stage"
        )
    if not isinstance(tensors, Sequence | Tensor):
        raise TypeError(
            f"nearest_stages: {name} is a {type(tensors).__name__}, expected a list of tensors "
            "or one stacked tensor"
        )
    return list(tensors)


def _check(x: Tensor, codebook: Tensor, bias: Tensor | None, stage: str = "") -> None:
    """Raise TypeError or ValueError unless the three fit; ``stage`` is "" or "s[3]"."""
    book_name, bias_name = "codebook" + stage, ("biase" + stage if stage else "bias")
    tensors = {"x": x, book_name: codebook}
    if bias is not None:
        tensors[bias_name] = bias
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"nearest: {name} is a {type(tensor).__name__}, expected a torch.Tensor"
            )
        if tensor.dtype not in DTYPES:
            raise TypeError(
                f"nearest: {name} has dtype {tensor.dtype}, expected float32, float16 or bfloat16; "
                f"convert it with {name}.float()"
            )
    if x.dim() != 2 or not 1 <= x.shape[1] <= MAX_DEPTH or x.shape[0] > MAX_ROWS:
        raise ValueError(
            f"nearest: x has shape {tuple(x.shape)}, expected [N, D] with N up to 2^31 "
            f"and D in 1..{MAX_DEPTH}"
        )
    if codebook.dim() != 2 or codebook.shape[1] != x.shape[1]:
        raise ValueError(
            f"nearest: {book_name} has shape {tuple(codebook.shape)}, expected [K, {x.shape[1]}] "
            f"to fit x of shape {tuple(x.shape)}"
        )
    if not 1 <= codebook.shape[0] <= MAX_CODES:
        raise ValueError(
            f"nearest: {book_name} has {codebook.shape[0]} codes, expected 1..{MAX_CODES}"
        )
    if bias is not None and tuple(bias.shape) != (codebook.shape[0],):
        raise ValueError(
            f"nearest: {bias_name} has shape {tuple(bias.shape)}, expected "
            f"[{codebook.shape[0]}], one number per code of {book_name}"
        )
    if x.device.type not in {"cpu", "cuda"}:
        raise ValueError(f"nearest: x is on {x.device}, expected a CPU or CUDA device")
    for name, tensor in tensors.items():
        if tensor.device != x.device:
            raise ValueError(
                f"nearest: {name} is on {tensor.device} but x is on {x.device}; "
                f"move it with {name}.to(x.device)"
            )


_library.impl("nearest", _on_cpu, "CPU")  # type: ignore[no-untyped-call]
_library.impl("nearest", _on_cuda, "CUDA")  # type: ignore[no-untyped-call]
torch.library.register_fake("bibcodec::nearest", _fake, lib=_library)
