"""What the synthesis of detail descends: term D, a feature score, and the mean over samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from codec.lagrangian import squared_error
from codec.lagrangian.divergences import (
    Divergence,
    JensenShannon,
    KullbackLeibler,
    TotalVariation,
    Wasserstein,
)
from codec.networks.config import TEXTURE_CELL
from codec.runtime.texture import BLOCK, FLOOR, energies
from codec.train.config import check_numbers
from codec.train.detail.discriminator import FeatureCritic, LeCam, PixelCritic
from codec.train.detail.features import Features

DIVERGENCES: dict[str, type[JensenShannon | KullbackLeibler | TotalVariation | Wasserstein]] = {
    "kl": KullbackLeibler,
    "js": JensenShannon,
    "hinge": TotalVariation,
    "wasserstein": Wasserstein,  # the critics' spectral normalization bounds their slope
}


@dataclass(frozen=True)
class Weights:
    """Weights of the losses.

    Those of pixels are in units of g's mean squared error and the score of features in units of
    g's distance, so that high rates, where all of these are small, count as much as low ones.
    """

    bias: float = 0.25  # of ⟨x − y, x − y'⟩, whose expectation is ‖x − E y‖²: detail is noise
    sample: float = 0.05  # of ‖x − y‖²
    feature: float = 10.0  # of the score in feature space
    diversity: float = 0.3  # of its second part; 1 makes it the energy score
    pixel_critic: float = 0.8  # of term D by the critic of pixels
    feature_critic: float = 1.0  # of term D by the critics of features
    coarse_critic: float = 0.4  # of term D by a critic of pixels at half of the resolution
    spectrum: float = 0.1  # of the difference between the energies of x − g and r, in octaves
    lecam: float = 0.01  # of the critics' regularization
    divergence: str = "js"  # that term D estimates: a name of `DIVERGENCES`

    def __post_init__(self) -> None:
        check_numbers(self)
        if self.divergence not in DIVERGENCES:
            raise ValueError(
                f"divergence is {self.divergence!r:.40}, expected one of {list(DIVERGENCES)}"
            )


@dataclass(frozen=True)
class View:
    """A step's photographs and samples, with their deep features."""

    e: Tensor  # x − g
    g: Tensor
    r: Tensor
    other: Tensor  # r of another U, no gradient
    f_x: list[Tensor]
    f_g: list[Tensor]
    f_y: list[Tensor]  # of g + r
    f_other: list[Tensor]


class Judge(nn.Module):
    """The losses of r(ẑ + U), and those of the critics that estimate term D.

    Term D, −KL(p_D(x) ‖ p_θ(x)) in the paper, by density-ratio estimation: critics are trained to
    tell x from y = g + r by a divergence's `critic_loss`, r descends its `loss`.
    """

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weights = weights
        self.features = Features()
        self.pixels = PixelCritic()
        self.coarse = PixelCritic((32, 64, 96))
        self.heads = FeatureCritic()
        self.lecam = LeCam()
        self.term_d: Divergence = DIVERGENCES[weights.divergence](nn.Identity())  # on logits

    def critics(self) -> list[nn.Parameter]:
        """The parameters that the critics' loss trains."""
        return [p for m in (self.pixels, self.coarse, self.heads) for p in m.parameters()]

    def _logits(
        self, residual: Tensor, g: Tensor, image: list[Tensor], f_g: list[Tensor]
    ) -> list[Tensor]:
        """What the critics say of a residual on a mean, and of the features of their sum."""
        half = [nn.functional.avg_pool2d(t, 2) for t in (residual, g)]
        return [self.pixels(residual, g), self.coarse(*half), *self.heads(image, f_g)]

    def look(self, x: Tensor, g: Tensor, r: Tensor, other: Tensor) -> View:
        """Everything the losses of a step compare, computed once.

        Args:
            x: photographs (N, 3, H, W) in [-1, 1].
            g: their conditional means.
            r: synthesized residuals.
            other: those of another U, no gradient.
        """
        with torch.no_grad():
            f_g = self.features(g)
        single = x.device.type == "cpu"  # depthwise gradients are slow in bfloat16 there
        with torch.autocast(x.device.type, enabled=not single, dtype=torch.bfloat16):
            f_y = self.features(g + r)
            with torch.no_grad():
                f_x, f_other = self.features(x), self.features(g + other)
        return View(x - g, g, r, other, f_x, f_g, f_y, f_other)

    def critic_loss(self, view: View) -> tuple[Tensor, list[Tensor], dict[str, float]]:
        """What the critics descend: a scalar, the logits of the photographs, figures to log."""
        at_x = self._logits(view.e, view.g, view.f_x, view.f_g)
        f_y = [tap.detach() for tap in view.f_y]
        at_y = self._logits(view.r.detach(), view.g, f_y, view.f_g)
        loss = self.weights.lecam * self.lecam(at_x[0], at_y[0])
        for real, fake in zip(at_x, at_y, strict=True):
            part = self.term_d.critic_loss(real, fake)
            loss = loss if part is None else loss + part
        right = [_right(*pair) for pair in zip(at_x, at_y, strict=True)]
        figures = {
            "right": right[0],
            "right_coarse": right[1],
            "right_features": sum(right[2:]) / len(right[2:]),
        }
        return loss, [logits.detach() for logits in at_x], figures

    def loss(self, view: View, at_x: list[Tensor]) -> tuple[Tensor, dict[str, float]]:
        """What r descends: a scalar, and its parts to log.

        Terms in two samples are symmetric in them, so one sample carries all of the gradient.

        Args:
            view: the step's samples.
            at_x: the photographs' logits that `critic_loss` returned.
        """
        w, e, r = self.weights, view.e, view.r
        unit = e.square().mean().clamp_min(1e-5)
        with torch.no_grad():
            far = _distance(view.f_g, view.f_x).clamp_min(0.1)
        near, apart = (_distance(view.f_y, to) / far for to in (view.f_x, view.f_other))
        at_y = self._logits(r, view.g, view.f_y, view.f_g)
        term_d = [self.term_d.loss(real, fake) for real, fake in zip(at_x, at_y, strict=True)]
        parts = {
            "bias": ((e - r) * (e - view.other)).mean() / unit,
            "sample": squared_error(e, r) / unit,
            "near": near,
            "apart": apart,
            "pixel": term_d[0],
            "coarse": term_d[1],
            "feature": torch.stack(term_d[2:]).mean(),
            "spectrum": octaves_apart(r, e),
        }
        loss = (
            2 * w.bias * parts["bias"]
            + w.sample * parts["sample"]
            + w.feature * (near - w.diversity * apart)
            + w.pixel_critic * parts["pixel"]
            + w.coarse_critic * parts["coarse"]
            + w.feature_critic * parts["feature"]
            + w.spectrum * parts["spectrum"]
        )
        return loss, {name: value.item() for name, value in parts.items()}


def _right(at_x: Tensor, at_y: Tensor) -> float:
    """Share of right answers of a critic."""
    return float(((at_x > 0).float().mean() + (at_y < 0).float().mean()) / 2)


def _distance(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """E‖φ(a) − φ(b)‖ over places, summed over taps; without a square, as a proper score needs."""
    per_tap = [(p - q).square().sum(1).add(1e-6).sqrt().mean() for p, q in zip(a, b, strict=True)]
    return torch.stack(per_tap).sum()


def octaves_apart(r: Tensor, e: Tensor) -> Tensor:
    """How many octaves the energies of r and of x − g are apart.

    Args:
        r: a synthesized residual (N, 3, H, W), H and W multiples of 32.
        e: x − g, of the same shape.

    Returns:
        The mean over cells of 32 pixels and the bands of `codec.runtime.texture.energies`.
    """
    with torch.autocast(r.device.type, enabled=False):
        levels = []
        for part in (r, e):
            luma, chroma = energies(part.float())
            maps = torch.cat([luma, chroma[..., None]], 3).permute(0, 3, 1, 2)
            pooled = nn.functional.avg_pool2d(maps, TEXTURE_CELL // BLOCK)
            levels.append((pooled + 4 * FLOOR).log2())
        return (levels[0] - levels[1]).abs().mean()
