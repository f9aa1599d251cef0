"""Adversarial data for the nearest-centroid search, and its float64 reference in plain NumPy."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Case(NamedTuple):
    """A search: x [N, D], codebook [K, D] and bias [K], float32."""

    x: Tensor
    codebook: Tensor
    bias: Tensor


def reference(
    x: Tensor, codebook: Tensor, bias: Tensor | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Index [N], float32 value [N] and all float64 scores [N, K] (NaN as +inf) by the contract."""
    rows = x.to(torch.float64).numpy()
    codes = codebook.to(torch.float64).numpy()
    start = np.zeros(len(codes)) if bias is None else bias.to(torch.float64).numpy()
    scores = np.empty((len(rows), len(codes)))
    step = max(1, (1 << 16) // len(codes))
    with np.errstate(invalid="ignore", over="ignore"):
        for first in range(0, len(rows), step):
            part = rows[first : first + step]
            total = np.repeat(start[None], len(part), axis=0)
            for d in range(rows.shape[1]):
                t = part[:, d, None] - codes[None, :, d]
                total = total + t * t
            scores[first : first + step] = np.where(np.isnan(total), np.inf, total)
        index = scores.argmin(axis=1)  # the first of equal scores
        return index, scores[np.arange(len(rows)), index].astype(np.float32), scores


def wrong(case_index: Tensor, case_value: Tensor, index: np.ndarray, value: np.ndarray) -> int:
    """Rows whose index, or any bit of whose value, differs from the reference."""
    bits = case_value.cpu().numpy().view(np.int32) != value.view(np.int32)
    return int(((case_index.cpu().numpy() != index) | bits).sum())


def _iid(g: torch.Generator, n: int, k: int, d: int) -> Case:
    return Case(
        torch.randn(n, d, generator=g), torch.randn(k, d, generator=g), torch.rand(k, generator=g)
    )


def _duplicates(g: torch.Generator, n: int, k: int, d: int) -> Case:
    case = _iid(g, n, k, d)
    pool = torch.randint(0, k, (max(1, k // 4),), generator=g)
    copies = pool[torch.randint(0, len(pool), (k,), generator=g)]
    return case._replace(codebook=case.codebook[copies], bias=case.bias[copies])


def _twins(g: torch.Generator, n: int, k: int, d: int) -> Case:
    """Equal neighbours, which fall into one group of the kernel: the certificate holds."""
    case = _iid(g, n, k, d)
    even = torch.arange(k) // 2 * 2
    return case._replace(codebook=case.codebook[even], bias=case.bias[even])


def _midpoints(g: torch.Generator, n: int, k: int, d: int) -> Case:
    case = _iid(g, n, k, d)
    pick = torch.randint(0, k, (2, n), generator=g)
    return case._replace(x=(case.codebook[pick[0]] + case.codebook[pick[1]]) / 2)


def _one_ulp(g: torch.Generator, n: int, k: int, d: int) -> Case:
    """Codes that differ from a common one in one unit in the last place of one component."""
    case = _iid(g, n, k, d)
    codes = case.codebook[:1].repeat(k, 1)
    which = torch.randint(0, d, (k,), generator=g)
    towards = torch.where(torch.rand(k, generator=g) < 0.5, -torch.inf, torch.inf)
    rows = torch.arange(k)
    codes[rows, which] = torch.nextafter(codes[rows, which], towards)
    near = codes[torch.randint(0, k, (n,), generator=g)]
    x = torch.where(torch.rand(n, 1, generator=g) < 0.5, near, near + case.x * 1e-3)
    return Case(x, codes, torch.full((k,), 0.5))


def _shuffled(g: torch.Generator, n: int, k: int, d: int) -> Case:
    """Codes at the same real distance: only the rounding of the canonical order decides."""
    side = torch.randn(d, generator=g)
    order = torch.rand(k, d, generator=g).argsort(1)
    x = torch.randn(n, 1, generator=g).repeat(1, d) * 1e-3
    return Case(x, side[order], torch.full((k,), 0.1))


def _itself(g: torch.Generator, n: int, k: int, d: int) -> Case:
    case = _iid(g, n, k, d)
    return case._replace(x=case.codebook[torch.randint(0, k, (n,), generator=g)])


def _zeros(g: torch.Generator, n: int, k: int, d: int) -> Case:
    return Case(torch.zeros(n, d), torch.zeros(k, d), torch.zeros(k))


def _scaled(scale: float) -> Callable[[torch.Generator, int, int, int], Case]:
    def make(g: torch.Generator, n: int, k: int, d: int) -> Case:
        case = _iid(g, n, k, d)
        return Case(case.x * scale, case.codebook * scale, case.bias * scale)

    return make


def _far(g: torch.Generator, n: int, k: int, d: int) -> Case:
    """Rows so long that float64 rounds the codes away: distinct codes tie by the contract."""
    case = _iid(g, n, k, d)
    scale = 10.0 ** torch.randint(3, 13, (n, 1), generator=g).to(torch.float32)
    return case._replace(x=case.x * scale)


def _not_finite(g: torch.Generator, n: int, k: int, d: int) -> Case:
    """NaN and infinities in a tenth of the rows, codes and biases."""
    x, codebook, bias = _iid(g, n, k, d)
    strange = torch.tensor([torch.nan, torch.inf, -torch.inf])
    for tensor in (x, codebook):
        rows = torch.arange(len(tensor))[torch.rand(len(tensor), generator=g) < 0.1]
        column = torch.randint(0, d, (len(rows),), generator=g)
        tensor[rows, column] = strange[torch.randint(0, 3, (len(rows),), generator=g)]
    masked = torch.rand(k, generator=g) < 0.1
    bias[masked] = strange[torch.randint(0, 2, (int(masked.sum()),), generator=g)]
    return Case(x, codebook, bias)


def _minus_infinity(g: torch.Generator, n: int, k: int, d: int) -> Case:
    """Two biases of -inf, the first of them on a code with a NaN: the second one wins."""
    x, codebook, bias = _not_finite(g, n, k, d)
    bias[k // 3] = bias[k // 2] = -torch.inf
    codebook[k // 3, 0] = torch.nan
    codebook[k // 2] = 1.0
    return Case(x, codebook, bias)


KINDS: dict[str, Callable[[torch.Generator, int, int, int], Case]] = {
    "iid": _iid,
    "duplicates": _duplicates,
    "twins": _twins,
    "midpoints": _midpoints,
    "one ulp": _one_ulp,
    "shuffled": _shuffled,
    "itself": _itself,
    "zeros": _zeros,
    "denormal": _scaled(1e-41),
    "1e-30": _scaled(1e-30),
    "1e+30": _scaled(1e30),
    "far": _far,
    "not finite": _not_finite,
    "-inf bias": _minus_infinity,
}


def make(kind: str, n: int, k: int, d: int, seed: int = 0) -> Case:
    """The case of that kind: n rows, k codes (3 or more), d dimensions."""
    return KINDS[kind](torch.Generator().manual_seed(seed), n, k, d)
