"""The exact search in plain torch: a float32 filter, then canonical scores of what it left.

The filter computes ``|c|^2 + b - 2 x.c`` with a matrix product, one cache-sized block at a time, so
no N x K array is ever in memory. Each row has a bound e on the filter's error (``_error_bound``):
only codes within 2e of the row's smallest filter value can have the smallest canonical score. They
are found by way of the minima of groups of codes, since a grouped minimum is several times cheaper
than an argmin, and the canonical scores of the few that remain decide.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor

from cuda_ext.canonical import best_of_pairs, score_pairs

ROWS = 1 << 13  # rows that share one set of per-row work arrays
BLOCK = 1 << 19  # filter values in memory at once: 2 MB in float32
WAITING = 1 << 15  # pairs that are scored together


@dataclass(frozen=True)
class _Codes:
    """A codebook made ready for the filter. Masked codes have an offset of +inf."""

    matrix: Tensor  # filter dtype [K, D], zeros in place of what is not finite
    offset: Tensor  # filter dtype [K], |c|^2 + b
    length: float  # largest |c| of the codes that are not masked
    spread: float  # largest ||c|^2 + b| of the codes that are not masked
    winner: int | None  # lowest code with a bias of -inf, which beats every other one


def search(x: Tensor, codebook: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Index int64 [N] and value float32 [N] of the nearest code, as ``cuda_ext.canonical`` defines.

    Args:
        x: float16, bfloat16 or float32 [N, D], contiguous.
        codebook: float16, bfloat16 or float32 [K, D], K >= 1, on the device of x.
        bias: float32 [K], or None.

    >>> index, value = search(torch.tensor([[0.2], [0.9]]), torch.tensor([[0.0], [1.0]]), None)
    >>> index.tolist(), [round(v, 3) for v in value.tolist()]
    ([0, 1], [0.04, 0.01])
    """
    count = x.shape[0]
    index = x.new_empty(count, dtype=torch.int64)
    value = x.new_empty(count, dtype=torch.float32)
    codes = _prepare(codebook, bias, _filter_dtype(x.device))
    for start in range(0, count, ROWS):
        part = x[start : start + ROWS]
        norm = torch.linalg.vector_norm(part, dim=1, dtype=torch.float64)
        broken = ~torch.isfinite(norm)
        any_broken = bool(broken.any())
        if any_broken:
            part, norm = part.masked_fill(broken[:, None], 0), norm.masked_fill(broken, 0)
        here, least = index[start : start + ROWS], value[start : start + ROWS]
        if codes.winner is not None:
            here.fill_(codes.winner)
            least.fill_(float("-inf"))
        else:
            slack = 2 * _error_bound(norm, codes, x.shape[1])
            slack = slack.to(codes.matrix.dtype)
            _search_rows(part, codebook, bias, codes, slack=slack, index=here, value=least)
        if any_broken:
            here.masked_fill_(broken, 0)
            least.masked_fill_(broken, float("inf"))
    return index, value


def _search_rows(
    x: Tensor,
    codebook: Tensor,
    bias: Tensor | None,
    codes: _Codes,
    *,
    slack: Tensor,
    index: Tensor,
    value: Tensor,
) -> None:
    """Fill ``index`` and ``value`` [n] for finite rows x [n, D] whose 2e is ``slack`` [n]."""
    count, kept = x.shape[0], codebook.shape[0]
    share = 1 << min(4, (kept // 32 or 1).bit_length() - 1)
    padded = -(-kept // share) * share
    step = max(1, min(count, BLOCK // padded))
    buffer = codes.matrix.new_full((step, padded), float("inf"))
    done, waiting, found = 0, 0, []
    for start in range(0, count, step):
        stop = min(count, start + step)
        block = buffer[: stop - start]
        left = x[start:stop].to(buffer.dtype)
        torch.addmm(codes.offset, left, codes.matrix.t(), alpha=-2, out=block[:, :kept])
        row, code = _survivors(block, share, slack[start:stop])
        if kept < padded:
            real = code < kept
            row, code = row[real], code[real]
        found.append((row + (start - done), code))
        waiting += row.numel()
        if waiting > WAITING or stop == count:
            row, code = (torch.cat(parts) for parts in zip(*found, strict=True))
            score = score_pairs(x[done:stop], codebook, bias, row, code)
            index[done:stop], value[done:stop] = best_of_pairs(stop - done, row, code, score)
            done, waiting, found = stop, 0, []


def _survivors(block: Tensor, share: int, slack: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and codes, int64 [P] each, whose filter value is within ``slack`` [n] of the least.

    ``block`` [n, K] holds filter values, K a multiple of ``share``; the codes j, j + K / share,
    j + 2 K / share ... make group j.
    """
    groups = block.view(block.shape[0], share, -1)
    minima = groups.amin(1)
    limit = minima.amin(1) + slack
    # Not "<=": what overflowed to NaN, on either side, must stay in the race.
    row, group = (minima > limit[:, None]).logical_not_().nonzero(as_tuple=True)
    if share == 1:
        return row, group
    members = groups[row, :, group]
    member, place = (members > limit[row, None]).logical_not_().nonzero(as_tuple=True)
    return row[member], group[member] + place * minima.shape[1]


def _prepare(codebook: Tensor, bias: Tensor | None, dtype: torch.dtype) -> _Codes:
    norm = torch.linalg.vector_norm(codebook, dim=1, dtype=torch.float64)
    finite = torch.isfinite(norm)
    offset = norm.square()
    usable = finite
    winner = None
    if bias is not None:
        offset = offset + bias
        usable = finite & (bias < float("inf"))
        lowest = usable & (bias == float("-inf"))
        if bool(lowest.any()):
            winner = int(lowest.to(torch.int8).argmax())
    matrix = codebook.to(dtype)
    length, spread = 0.0, 0.0
    if bool(usable.all()):
        length, spread = float(norm.max()), float(offset.abs().max())
    else:
        matrix = matrix.masked_fill(~finite[:, None], 0)
        offset = offset.masked_fill(~usable, float("inf"))
        if bool(usable.any()):
            length, spread = float(norm[usable].max()), float(offset[usable].abs().max())
    return _Codes(matrix, offset.to(dtype), length, spread, winner)


def _error_bound(norm: Tensor, codes: _Codes, depth: int) -> Tensor:
    """Bound float64 [n] on |filter value - (canonical score - |x|^2)|, for float32 filters.

    With D additions in any order, fused or not, the matrix product is off by at most
    (D + 2) 2^-24 (S + 2 |x| C), C being ``length`` and S ``spread``; the offset was rounded once.
    2^-23 in place of 2^-24 pays for second-order terms and the rounding of the limit itself. The
    third term is the canonical score's own rounding, which counts when |x| dwarfs C. The last one
    is underflow, flushed or not.
    """
    long, spread = codes.length, codes.spread
    unit, canonical, tiny = (depth + 3) * 2.0**-23, (depth + 3) * 2.0**-52, (depth + 4) * 2.0**-120
    # In powers of |x|: unit (2.02 |x| C + S) + canonical ((|x| + C)^2 + C^2 + S) + tiny (|x| + ..).
    constant = unit * spread + canonical * (2 * long**2 + spread) + tiny * (1 + long)
    linear = 2.02 * unit * long + 2 * canonical * long + tiny
    return ((norm * canonical).add_(linear)).mul_(norm).add_(constant)


def _filter_dtype(device: torch.device) -> torch.dtype:
    """float32 where torch's matrix product is IEEE float32, else float64."""
    if device.type != "cpu" or os.environ.get("DNNL_DEFAULT_FPMATH_MODE", "STRICT") != "STRICT":
        return torch.float64
    mkldnn = torch.backends.mkldnn
    if not hasattr(mkldnn, "matmul"):  # torch before 2.9 has one setting for all
        exact = torch.get_float32_matmul_precision() == "highest"
    else:
        places = (torch.backends, mkldnn, mkldnn.matmul)
        exact = all(getattr(p, "fp32_precision", "none") in ("none", "ieee") for p in places)
    return torch.float32 if exact else torch.float64
