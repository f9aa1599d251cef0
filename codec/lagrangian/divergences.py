"""Divergences between two distributions that are known by samples only."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

BOUND = 12.0  # a log density ratio beyond this many nats is the noise of a finite sample
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Divergence(nn.Module):
    """D(P, Q) from samples p (N, ...) of P and q (M, ...) of Q.

    A divergence with a critic is an estimate only after the critic has descended `critic_loss` on
    samples of the same distributions.
    """

    def value(self, p: Tensor, q: Tensor) -> Tensor:
        """The estimate: a scalar."""
        raise NotImplementedError

    def loss(self, p: Tensor, q: Tensor) -> Tensor:
        """What a model descends, through p or q, to bring P and Q together: a scalar."""
        return self.value(p, q)

    def critic_loss(self, p: Tensor, q: Tensor) -> Tensor | None:
        """What the critic's parameters descend: a scalar, None if there is no critic."""
        return None


class DensityRatio(Divergence):
    """What the estimates by a classifier share: its logit T(x) tends to log P(x)/Q(x).

    Args:
        critic: maps (N, ...) to N logits, or to N maps of logits.
    """

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def log_ratio(self, x: Tensor) -> Tensor:
        """T(x), the estimate of log P(x)/Q(x): as the critic gives it, within ±`BOUND`."""
        ratio: Tensor = self.critic(x).clamp(-BOUND, BOUND)
        return ratio

    def critic_loss(self, p: Tensor, q: Tensor) -> Tensor:
        """Cross entropy of telling p from q: −E_P log σ(T) − E_Q log σ(−T)."""
        return -logsigmoid(self.critic(p)).mean() - logsigmoid(-self.critic(q)).mean()


class KullbackLeibler(DensityRatio):
    """KL(P ‖ Q) = E_P[T] − log E_Q[e^T] at T = log P/Q, and a lower bound of it at every other T.

    The second term (Donsker and Varadhan) is 0 at the optimum; it carries the gradient to a model
    that makes Q. With M samples of Q the value is at most E_P[T] − max_Q[T] + log M.
    """

    def value(self, p: Tensor, q: Tensor) -> Tensor:
        """The bound, in nats."""
        at_q = self.log_ratio(q).flatten()
        return self.log_ratio(p).mean() - at_q.logsumexp(0) + math.log(len(at_q))


class JensenShannon(DensityRatio):
    """JS(P, Q) = log 2 + ½ E_P[log σ(T)] + ½ E_Q[log σ(−T)], in nats: 0 to log 2.

    A model descends the non-saturating form (Goodfellow 2014) instead, whose gradient does not
    vanish where the critic is sure.
    """

    def value(self, p: Tensor, q: Tensor) -> Tensor:
        """The estimate, in nats."""
        at_p, at_q = logsigmoid(self.log_ratio(p)), logsigmoid(-self.log_ratio(q))
        return math.log(2) + 0.5 * at_p.mean() + 0.5 * at_q.mean()

    def loss(self, p: Tensor, q: Tensor) -> Tensor:
        """−E_Q log σ(T) − E_P log σ(−T): the model's samples are to pass for the others."""
        return -logsigmoid(self.critic(q)).mean() - logsigmoid(-self.critic(p)).mean()


class TotalVariation(Divergence):
    """TV(P, Q) = sup ½(E_P[T] − E_Q[T]) over |T| <= 1, by the hinge loss (Lim and Ye 2017): 0 to 1.

    The hinge's best critic is sign(P − Q), where the hinge is 2 − 2 TV.

    Args:
        critic: maps (N, ...) to N values, or to N maps of values.

    Example:
        >>> tv = TotalVariation(nn.Identity())
        >>> p, q = torch.tensor([3.0, -1.0]), torch.tensor([-2.0, -5.0])
        >>> float(tv.value(p, q)), float(tv.critic_loss(p, q))
        (0.5, 1.0)
    """

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def value(self, p: Tensor, q: Tensor) -> Tensor:
        """The estimate, a lower bound."""
        bound: Tensor = self.critic(p).clamp(-1, 1).mean() - self.critic(q).clamp(-1, 1).mean()
        return 0.5 * bound

    def loss(self, p: Tensor, q: Tensor) -> Tensor:
        """E_P[T] − E_Q[T], which does not stop where the critic is sure."""
        difference: Tensor = self.critic(p).mean() - self.critic(q).mean()
        return difference

    def critic_loss(self, p: Tensor, q: Tensor) -> Tensor:
        """E_P max(0, 1 − T) + E_Q max(0, 1 + T)."""
        return (1 - self.critic(p)).clamp_min(0).mean() + (1 + self.critic(q)).clamp_min(0).mean()


class Wasserstein(Divergence):
    """W₁(P, Q) = sup E_P[f] − E_Q[f] over 1-Lipschitz f, held near that by a gradient penalty.

    The penalty is one-sided, max(0, ‖∇f‖ − 1)² on points between p and q (Petzka 2018): the
    two-sided one holds a critic that starts with the wrong sign. It lets the slope settle at about
    1 + W₁/(2·penalty), so the estimate is divided by the slope measured between the samples where
    that is above 1. p and q need the same shape.

    Args:
        critic: maps (N, ...) to N values, or to N maps of values.
        penalty: its weight.
    """

    def __init__(self, critic: nn.Module, penalty: float = 10.0) -> None:
        super().__init__()
        self.critic, self.penalty = critic, penalty

    def _difference(self, p: Tensor, q: Tensor) -> Tensor:
        difference: Tensor = self.critic(p).mean() - self.critic(q).mean()
        return difference

    def _slopes(self, p: Tensor, q: Tensor, create_graph: bool) -> Tensor:
        """‖∇f‖ at random points between p and q: (N,)."""
        share = torch.rand(len(p), *[1] * (p.dim() - 1), device=p.device)
        with torch.enable_grad():
            between = torch.lerp(p.detach(), q.detach(), share).requires_grad_()
            height = self.critic(between).sum()
            (slope,) = torch.autograd.grad(height, between, create_graph=create_graph)
        return slope.flatten(1).norm(dim=1)

    def value(self, p: Tensor, q: Tensor) -> Tensor:
        """The estimate, in units of the samples."""
        return self._difference(p, q) / self._slopes(p, q, create_graph=False).clamp_min(1).mean()

    def loss(self, p: Tensor, q: Tensor) -> Tensor:
        """E_P[f] − E_Q[f], as the critic gives it."""
        return self._difference(p, q)

    def critic_loss(self, p: Tensor, q: Tensor) -> Tensor:
        """Minus the difference, plus the penalty."""
        excess = (self._slopes(p, q, create_graph=True) - 1).clamp_min(0).square().mean()
        return self.penalty * excess - self._difference(p, q)


class MaximumMeanDiscrepancy(Divergence):
    """MMD²(P, Q) = E k(p, p') + E k(q, q') − 2 E k(p, q), unbiased: it may be below 0.

    k(a, b) = mean over scales s of s·c / (s·c + ‖a − b‖²), which is 1 at a = b.

    Args:
        scale: c, about the mean squared distance of two samples; 2L for a standard normal of L
            dimensions.

    Example:
        >>> mmd = MaximumMeanDiscrepancy(2.0)
        >>> x = torch.linspace(-1, 1, 50)[:, None]
        >>> bool(mmd.value(x, x + 3) > 0.3)
        True
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def _kernel(self, a: Tensor, b: Tensor) -> Tensor:
        distance = torch.cdist(a.flatten(1), b.flatten(1)).square()  # (N, M)
        scales = [scale * self.scale for scale in SCALES]
        return sum((s / (s + distance) for s in scales), torch.zeros(())) / len(scales)

    def value(self, p: Tensor, q: Tensor) -> Tensor:
        """The unbiased estimate, without unit; at least 2 samples each."""
        n, m = len(p), len(q)
        inside_p = (self._kernel(p, p).sum() - n) / (n * (n - 1))
        inside_q = (self._kernel(q, q).sum() - m) / (m * (m - 1))
        return inside_p + inside_q - 2 * self._kernel(p, q).mean()
