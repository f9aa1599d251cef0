"""The score that defines the answer, and its evaluation for chosen (row, code) pairs.

For a row x and a code c with bias b the score is, in float64 and in this order::

    a = b;  for d = 0 .. D-1:  t = x[d] - c[d];  a = a + t * t

Every operation is rounded to nearest and none is fused. float16, bfloat16 and float32 inputs
convert to float64 exactly, so the score has one value on every machine. A score that is NaN counts
as +inf. The index is the lowest one with the smallest score, the value is that score rounded to
float32. So a bias of +inf or NaN masks a code, a bias of -inf makes it win against every finite
score, a code with a component that is not finite never wins, and a row that has only scores of
+inf (any NaN or infinite component) gets index 0 and value +inf.

This holds as long as the process does not flush denormals (``torch.set_flush_denormal``).
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

PIECE = 1 << 16  # elements of the float64 work array: 512 KB


def score_pairs(
    x: Tensor, codebook: Tensor, bias: Tensor | None, row: Tensor, code: Tensor
) -> Tensor:
    """Canonical scores of the pairs (row[p], code[p]), NaN already turned into +inf.

    Args:
        x: float16, bfloat16 or float32 [N, D].
        codebook: float16, bfloat16 or float32 [K, D].
        bias: float32 [K], or None for zeros.
        row: int64 [P], values in [0, N).
        code: int64 [P], values in [0, K).

    Returns:
        float64 [P].

    >>> x, codebook = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    >>> score_pairs(x, codebook, None, torch.tensor([0, 0]), torch.tensor([0, 1])).tolist()
    [5.0, 4.0]
    """
    pairs, depth = row.numel(), x.shape[1]
    if bias is None:
        score = torch.zeros(pairs, dtype=torch.float64, device=x.device)
    else:
        score = bias.index_select(0, code).to(torch.float64)
    step = max(1, PIECE // depth)
    scan = x.device.type == "cpu" and _cumsum_goes_in_order(depth)
    for start in range(0, pairs, step):
        stop = min(pairs, start + step)
        term = x.index_select(0, row[start:stop]).to(torch.float64)
        term.sub_(codebook.index_select(0, code[start:stop]).to(torch.float64))
        term.mul_(term)
        _add_in_order(score[start:stop], term, scan)
    return score.nan_to_num_(nan=float("inf"), posinf=float("inf"), neginf=float("-inf"))


def _add_in_order(score: Tensor, term: Tensor, scan: bool) -> None:
    """Add the columns of ``term`` [P, D] to ``score`` [P], from the first to the last."""
    if scan:
        term[:, 0].add_(score)
        score.copy_(term.cumsum(1)[:, -1])
    else:
        for column in term.unbind(1):
            score.add_(column)


@cache
def _cumsum_goes_in_order(depth: int) -> bool:
    """Whether torch's cumsum over ``depth`` columns on the CPU adds one after the other.

    It does, but no documentation promises it. It is several times faster than adding columns.
    """
    generator = torch.Generator().manual_seed(depth)
    term = torch.rand(64, depth, dtype=torch.float64, generator=generator)
    score = torch.zeros(2, 64, dtype=torch.float64)
    _add_in_order(score[0], term, scan=False)
    _add_in_order(score[1], term, scan=True)
    return torch.equal(score[0], score[1])


def best_of_pairs(rows: int, row: Tensor, code: Tensor, score: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest code with the smallest score of every row: (int64 [rows], float32 [rows]).

    A row without a pair, like a row with scores of +inf only, gets index 0 and value +inf, so the
    pairs of a row with a finite score must include its best code.

    >>> row, code = torch.tensor([0, 0, 0, 2]), torch.tensor([7, 3, 5, 1])
    >>> score = torch.tensor([2.0, 2.0, 4.0, 9.0], dtype=torch.float64)
    >>> index, value = best_of_pairs(3, row, code, score)
    >>> index.tolist(), value.tolist()
    ([3, 0, 1], [2.0, inf, 9.0])
    """
    best = score.new_full((rows,), float("inf")).scatter_reduce_(0, row, score, "amin")
    wins = score == best.index_select(0, row)
    none = torch.iinfo(torch.int64).max
    index = row.new_full((rows,), none)
    index.scatter_reduce_(0, row[wins], code[wins], "amin")
    index.masked_fill_(best == float("inf"), 0)
    return index, best.to(torch.float32)
