"""One training loop for every objective of `codec.lagrangian`, on small data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from bitstream.errors import CodecError
from codec.lagrangian import (
    AdditiveNoise,
    ClassLikelihood,
    ConcatenatedNoise,
    ConditionalDivergence,
    DataDivergence,
    Divergence,
    Draw,
    GaussianLikelihood,
    InputNoise,
    JensenShannon,
    KullbackLeibler,
    LaplaceLikelihood,
    LatentDivergence,
    MaximumMeanDiscrepancy,
    Objective,
    PriorNoise,
    Quantized,
    Rate,
    Term,
    Wasserstein,
)
from codec.train.config import check_numbers
from codec.untrusted import in_range

LIKELIHOODS = ["gaussian", "laplace"]


@dataclass(frozen=True)
class FamilyConfig:
    """Settings that all objectives share; the defaults suit 8x8 images in 0..1."""

    side: int = 16  # pixels a side of the crops, where the data are photographs
    crops: int = 4096  # so many of them
    latent: int = 8  # L, length of a code
    width: int = 128  # of the two hidden layers of every network
    groups: int = 4  # G of a quantized code, a divisor of L
    codes: int = 16  # K, centroids a group
    sigma: float = 0.2  # spread of p(x|z), in units of x
    likelihood: str = "gaussian"  # or laplace, with b = σ/√2: the same variance
    beta: float | None = None  # β; None is the objective's own
    input_noise: float = 0.1  # σ of the encoder f(x + ε), in units of x
    steps: int = 2000
    batch: int = 128
    rate: float = 1e-3  # of Adam, for model and critics
    critic_steps: int = 2  # steps of the critics per step of the model
    seed: int = 0

    def __post_init__(self) -> None:
        check_numbers(self)
        in_range("batch", self.batch, 2, 2**16)  # a quantized code is normalized over the batch
        given = 1.0 if self.beta is None else self.beta
        if type(given) not in (int, float) or not 0 <= given <= 10**6:
            raise ValueError(f"beta is {self.beta!r:.40}, expected a number in 0..1000000")
        if self.likelihood not in LIKELIHOODS:
            raise ValueError(
                f"likelihood is {self.likelihood!r:.40}, expected one of {LIKELIHOODS}"
            )


def perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """A network on flattened inputs with two hidden layers.

    >>> perceptron(64, 8, 3)(torch.zeros(5, 8, 8)).shape
    torch.Size([5, 3])
    """
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(inputs, width),
        nn.SiLU(),
        nn.Linear(width, width),
        nn.SiLU(),
        nn.Linear(width, outputs),
    )


class Family(nn.Module):
    """The networks and terms of one objective.

    Args:
        objective: the declaration.
        shape: of one input, such as (8, 8).
        classes: number of classes, 0 without labels.
        config: sizes and spreads.
    """

    def __init__(
        self, objective: Objective, shape: torch.Size, classes: int, config: FamilyConfig
    ) -> None:
        super().__init__()
        self.objective, self.shape, self.config = objective, shape, config
        values, latent = math.prod(shape), config.latent
        self.encoder = make_encoder(objective, values, config)
        self.decoder = perceptron(latent, config.width, values)
        self.amplitude = nn.Parameter(torch.full((latent,), 0.3), requires_grad=objective.noise)
        supervised = classes > 0 and "S" in objective.coefficients()
        self.classifier = perceptron(latent, config.width, classes) if supervised else None
        self.terms = nn.ModuleDict(
            {letter: self._term(letter, values) for letter in objective.coefficients()}
        )

    def _term(self, letter: str, values: int) -> Term:
        config, objective = self.config, self.objective
        if letter == "B":
            return LatentDivergence(divergence(objective.latent, config.latent, config))
        if letter == "D":
            return DataDivergence(divergence(objective.data, values, config))
        if letter == "C" and config.likelihood == "laplace":
            return LaplaceLikelihood(config.sigma / math.sqrt(2))
        if letter == "C":
            return GaussianLikelihood(config.sigma)
        return {"A": ConditionalDivergence, "R": Rate, "S": ClassLikelihood}[letter]()

    def decode(self, z: Tensor) -> Tensor:
        """Inputs (N, *shape) of codes (N, L); with U added if the objective says so."""
        if self.objective.noise:
            z = z + self.amplitude * torch.randn_like(z)
        x: Tensor = self.decoder(z)
        return x.view(len(z), *self.shape)

    def draw(self, x: Tensor, label: Tensor | None = None) -> Draw:
        """Encode, decode and sample the prior for a batch (N, *shape)."""
        code = self.encoder(x)
        prior = torch.randn_like(code.z)
        output = self.decode(code.z)
        made = self.objective.generated == "output"
        logits = None if self.classifier is None else self.classifier(code.z)
        return Draw(x, code, prior, output, output if made else self.decode(prior), logits, label)

    def parts(self) -> Iterator[tuple[str, Term]]:
        """Letter and term of every part of the objective."""
        for letter, term in self.terms.items():
            yield letter, cast(Term, term)


def make_encoder(objective: Objective, values: int, config: FamilyConfig) -> nn.Module:
    """The declared encoder for inputs of so many values."""
    latent, width, kind = config.latent, config.width, objective.encoder
    if kind == "additive":
        outputs = 2 * latent if objective.spread is None else latent
        return AdditiveNoise(perceptron(values, width, outputs), objective.spread)
    if kind == "input":
        return InputNoise(perceptron(values, width, latent), config.input_noise)
    if kind == "concatenated":
        return ConcatenatedNoise(perceptron(values + latent, width, latent), latent)
    if kind == "prior":
        return PriorNoise(latent)
    if latent % config.groups:
        raise CodecError(f"groups is {config.groups}, expected a divisor of latent = {latent}")
    return Quantized(perceptron(values, width, latent), latent, config.groups, config.codes)


def divergence(kind: str, values: int, config: FamilyConfig) -> Divergence:
    """The divergence of a declared kind between samples of so many values."""
    if kind == "mmd":
        return MaximumMeanDiscrepancy(2.0 * values)
    critic = perceptron(values, config.width, 1)
    kinds = {"kl": KullbackLeibler, "js": JensenShannon, "wasserstein": Wasserstein}
    return kinds[kind](critic)


@dataclass(frozen=True)
class Trained:
    """A trained model and the values of its terms, every 50 steps and at the last one."""

    family: Family
    history: list[dict[str, float]]  # by letter; "step" and "loss" besides


def train_family(
    objective: Objective,
    x: Tensor,
    label: Tensor | None = None,
    config: FamilyConfig | None = None,
) -> Trained:
    """Train any objective: critics descend their losses, then the model the declared sum.

    Args:
        objective: the declaration.
        x: (N, ...) float32, the data.
        label: (N,) int64 from 0, for a supervised objective.
        config: settings, the defaults if None.

    Raises:
        CodecError: the objective needs labels and there are none, or a loss stops being finite.

    Example:
        >>> from codec.lagrangian import find
        >>> tiny = FamilyConfig(latent=2, width=8, steps=2)
        >>> sorted(train_family(find("vae"), torch.zeros(16, 4), config=tiny).history[-1])
        ['A', 'C', 'loss', 'step']
    """
    config = config or FamilyConfig()
    if label is None and "S" in objective.coefficients():
        raise CodecError(f"the objective {objective} needs labels: this data set has none")
    generator = torch.Generator().manual_seed(config.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        classes = 0 if label is None else int(label.max()) + 1
        family = Family(objective, x.shape[1:], classes, config)
        critics = list(family.terms.parameters())
        own = {id(parameter) for parameter in critics}
        model = [p for p in family.parameters() if p.requires_grad and id(p) not in own]
        betas = (0.5, 0.9)  # as is usual with critics that move
        adam = torch.optim.Adam(model, config.rate, betas)
        critic_adam = torch.optim.Adam(critics or [torch.zeros(0)], config.rate, betas)
        coefficients = {str(k): v for k, v in objective.coefficients(config.beta).items()}

        def draw() -> Draw:
            pick = torch.randint(len(x), (config.batch,), generator=generator)
            return family.draw(x[pick], None if label is None else label[pick])

        history = []
        for step in range(1, config.steps + 1):
            for _ in range(config.critic_steps if critics else 0):
                with torch.no_grad():
                    shown = draw()
                found = [term.critic_loss(shown) for _, term in family.parts()]
                descend(critic_adam, [loss for loss in found if loss is not None])
            shown = draw()
            loss = descend(adam, [coefficients[k] * t.loss(shown) for k, t in family.parts()])
            if not math.isfinite(loss):
                raise CodecError(f"training of {objective} stopped at step {step}: loss {loss}")
            if step % 50 == 0 or step == config.steps:
                with torch.no_grad():
                    values = {name: term.value(shown).item() for name, term in family.parts()}
                history.append({"step": step, "loss": loss, **values})
    return Trained(family.eval(), history)


def descend(optimizer: torch.optim.Optimizer, losses: Sequence[Tensor]) -> float:
    """One step down the sum of the losses, of the optimizer's parameters only; returns the sum."""
    total = torch.stack(list(losses)).sum()
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()
    return total.item()
