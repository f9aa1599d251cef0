"""The terms of the Lagrangian, with one interface.

From the two mutual informations of the bottleneck, min I(X;Z) − β·I(Z;X) (Voloshynovskiy et al.
2019, arXiv:1912.00830, whose equations the numbers in brackets are):

    I(X;Z)  = A − B                  (12)  what the code keeps of the input
    I(Z;X) >= C − D + constant       (18)  what the decoder gets out of the code

`Rate` takes the place of A − B where the code is quantized, `ClassLikelihood` that of C − D where
a class is to be known instead of the input. Values are per sample, in nats unless the divergence
of B or D says otherwise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from codec.lagrangian.divergences import Divergence
from codec.lagrangian.draw import Code, Draw


class Term(nn.Module):
    """One term: its value, its gradient to the model, and the fit of its own critic if any."""

    def value(self, draw: Draw) -> Tensor:
        """The term's value on a batch: a scalar."""
        raise NotImplementedError

    def loss(self, draw: Draw) -> Tensor:
        """What a model descends to lower the term: a scalar."""
        return self.value(draw)

    def critic_loss(self, draw: Draw) -> Tensor | None:
        """What the term's own parameters descend: a scalar, None if it has none."""
        return None


def gaussian(code: Code) -> tuple[Tensor, Tensor]:
    """Mean and log variance of q(z|x).

    Raises:
        ValueError: q(z|x) is not a Gaussian.
    """
    if code.mean is None or code.log_variance is None:
        raise ValueError(
            "term A needs a Gaussian q(z|x), got one known by samples only: "
            "use the encoder f(x) + ε or an objective without A"
        )
    return code.mean, code.log_variance


class ConditionalDivergence(Term):
    """A of (12): E KL(q(z|x) ‖ p(z)), p = N(0, I), q = N(μ, σ²): ½ Σ (σ² + μ² − 1 − log σ²)."""

    def value(self, draw: Draw) -> Tensor:
        """In nats; an upper bound of I(X;Z).

        Raises:
            ValueError: q(z|x) is not a Gaussian.
        """
        mean, log_variance = gaussian(draw.code)
        return 0.5 * (log_variance.exp() + mean**2 - 1 - log_variance).sum(1).mean()


class LatentDivergence(Term):
    """B of (12): KL(q(z) ‖ p(z)), q(z) = E q(z|x) over the data; by density ratio or MMD.

    Args:
        divergence: of codes from codes of the prior, both (N, L).
    """

    def __init__(self, divergence: Divergence) -> None:
        super().__init__()
        self.divergence = divergence

    def value(self, draw: Draw) -> Tensor:
        """In the divergence's unit."""
        return self.divergence.value(draw.code.z, draw.prior)

    def loss(self, draw: Draw) -> Tensor:
        """The divergence's loss."""
        return self.divergence.loss(draw.code.z, draw.prior)

    def critic_loss(self, draw: Draw) -> Tensor | None:
        """Of the divergence's critic."""
        return self.divergence.critic_loss(draw.code.z, draw.prior)


class GaussianLikelihood(Term):
    """C of (18): E log p(x|z), p = N(x̂(z), σ²): −‖x − x̂‖²/2σ² − n/2·log 2πσ², n values an input.

    Args:
        sigma: σ.
    """

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def value(self, draw: Draw) -> Tensor:
        """In nats."""
        error = squared_error(draw.x, draw.output) / (2 * self.sigma**2)
        return -draw.x[0].numel() * (error + 0.5 * math.log(2 * math.pi * self.sigma**2))


class LaplaceLikelihood(Term):
    """C of (19): E log p(x|z), p Laplace about x̂(z): −‖x − x̂‖₁/b − n·log 2b, n values an input.

    Args:
        scale: b, which is 1/λ of (19) and (25).
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def value(self, draw: Draw) -> Tensor:
        """In nats."""
        error = (draw.x - draw.output).flatten(1)
        constant = error.shape[1] * math.log(2 * self.scale)
        return -error.abs().sum(1).mean() / self.scale - constant


class DataDivergence(Term):
    """D of (18): KL(p_D(x) ‖ p_θ(x)), of the data from what the decoder makes; by density ratio.

    Args:
        divergence: of data from generated data, both (N, ...).
    """

    def __init__(self, divergence: Divergence) -> None:
        super().__init__()
        self.divergence = divergence

    def value(self, draw: Draw) -> Tensor:
        """In the divergence's unit."""
        return self.divergence.value(draw.x, draw.generated)

    def loss(self, draw: Draw) -> Tensor:
        """The divergence's loss."""
        return self.divergence.loss(draw.x, draw.generated)

    def critic_loss(self, draw: Draw) -> Tensor | None:
        """Of the divergence's critic."""
        return self.divergence.critic_loss(draw.x, draw.generated)


class Rate(Term):
    """I(X;Ẑ) = H(Ẑ) of (35): −Σ p_j log p_j of a quantized code, made without any noise.

    The groups of a code are taken as independent, which bounds H(Ẑ) from above.
    """

    def value(self, draw: Draw) -> Tensor:
        """Entropy of the indices' frequencies in the batch, in nats.

        Raises:
            ValueError: the code is not quantized.
        """
        if draw.code.index is None or draw.code.shares is None:
            raise ValueError("the rate H(Ẑ) needs a quantized code: use the quantized encoder")
        codes = draw.code.shares.shape[2]
        return sum(
            (entropy(torch.bincount(column, minlength=codes)) for column in draw.code.index.T),
            torch.zeros((), device=draw.x.device),
        )

    def loss(self, draw: Draw) -> Tensor:
        """The same of the soft shares, which have a gradient.

        Raises:
            ValueError: the code is not quantized.
        """
        if draw.code.shares is None:
            raise ValueError("the rate H(Ẑ) needs a quantized code: use the quantized encoder")
        return entropy(draw.code.shares.mean(0).clamp_min(1e-9))  # the slope at 0 is infinite


class ClassLikelihood(Term):
    """S = −H(C|Z) of (6): E log p(c|z), minus the classifier's cross entropy; I(Z;C) up to H(C)."""

    def value(self, draw: Draw) -> Tensor:
        """In nats, at most 0.

        Raises:
            ValueError: the batch has no labels.
        """
        if draw.logits is None or draw.label is None:
            raise ValueError("the supervised term needs labels: this data set has none")
        return -cross_entropy(draw.logits, draw.label)


def squared_error(x: Tensor, output: Tensor) -> Tensor:
    """‖x − x̂‖² per value: all of a Gaussian term C that depends on the model; a scalar.

    >>> squared_error(torch.zeros(2, 3), torch.full((2, 3), 0.5)).item()
    0.25
    """
    return (output - x).square().mean()


def entropy(counts: Tensor) -> Tensor:
    """Entropy in nats of distributions given by counts or shares (..., K), summed over the rest.

    >>> entropy(torch.tensor([4, 2, 1, 1])).div(math.log(2)).item()
    1.75
    """
    counts = counts if counts.is_floating_point() else counts.double()
    return torch.special.entr(counts / counts.sum(-1, keepdim=True)).sum()


def mixture_information(code: Code) -> Tensor:
    """I(X;Z) in nats of N equally likely inputs, by one sample of each Gaussian q(z|x).

    E log q(z|x) − log q(z) with q(z) the mixture of all N; at most log N.

    Args:
        code: with mean and log_variance (N, L).

    Raises:
        ValueError: q(z|x) is not a Gaussian.

    Example:
        >>> far = torch.tensor([[0.0], [100.0]])
        >>> f"{mixture_information(Code(far, far, torch.zeros(2, 1))):.4f}"  # log 2
        '0.6931'
    """
    mean, log_variance = gaussian(code)
    offset = code.z[:, None] - mean  # (N, N, L): every sample under every input's distribution
    density = -0.5 * (offset.square() * (-log_variance).exp() + log_variance).sum(2)
    return (density.diagonal() - density.logsumexp(1)).mean() + math.log(len(mean))
