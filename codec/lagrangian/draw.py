"""What one batch shows to every term: data, code, prior sample, decoder outputs."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Code:
    """A sample of q(z|x) for each of N inputs, with what is known about the distribution.

    `mean` and `log_variance` (N, L) exist if q(z|x) is a diagonal Gaussian; `index` (N, G) int64
    and `shares` (N, G, K), which sum to 1 over K, exist if the code is quantized.
    """

    z: Tensor  # (N, L) float32
    mean: Tensor | None = None
    log_variance: Tensor | None = None
    index: Tensor | None = None
    shares: Tensor | None = None


@dataclass(frozen=True)
class Draw:
    """A batch and everything sampled from it; what an objective does not use may repeat `x`."""

    x: Tensor  # (N, ...) float32, from the data
    code: Code  # from q(z|x)
    prior: Tensor  # (N, L) from p(z)
    output: Tensor  # (N, ...) decoded from the code
    generated: Tensor  # (N, ...) from p_θ(x), the other side of term D
    logits: Tensor | None = None  # (N, number of classes) of p(c|z)
    label: Tensor | None = None  # (N,) int64
