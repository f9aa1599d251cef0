"""Do the known relations of the paper's family hold on tiny models, and how far do they vary?

tests/lagrangian/test_family_relations.py holds the same figures of seed 0 to margins; this study
has their spread over seeds, so that a margin is neither empty nor a coin to toss.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from benchmarks.harness import Benchmark, Nothing, Run
from codec.lagrangian import (
    Code,
    ConditionalDivergence,
    DataDivergence,
    Draw,
    KullbackLeibler,
    LatentDivergence,
    Rate,
    find,
    mixture_information,
)
from codec.lagrangian.divergences import DensityRatio
from codec.train.family.loop import Family, FamilyConfig, perceptron, train_family

Figures = dict[str, float]
TINY = FamilyConfig(latent=2, width=32, steps=300, batch=128, groups=1, codes=8)


def pictures(seed: int, count: int = 2048) -> Tensor:
    """Pictures (count, 8, 8) in 0..1: one of ten patterns, each shaded and noisy."""
    generator = torch.Generator().manual_seed(seed)
    patterns = torch.rand(10, 8, 8, generator=generator).round()
    shade = 0.3 + 0.7 * torch.rand(count, 1, 1, generator=generator)
    noise = 0.1 * torch.randn(count, 8, 8, generator=generator)
    which = torch.randint(10, (count,), generator=generator)
    return (patterns[which] * shade + noise).clamp(0, 1)


def fit(term: Callable[[], tuple[Tensor, Tensor]], critic: KullbackLeibler, steps: int) -> None:
    """Fit a critic to fresh samples of both sides, with a rate that falls to nothing."""
    adam = torch.optim.Adam(critic.parameters(), 3e-3, (0.5, 0.9))
    falling = torch.optim.lr_scheduler.LinearLR(adam, 1.0, 0.02, steps)
    for _ in range(steps):
        adam.zero_grad()
        critic.critic_loss(*term()).backward()
        adam.step()
        falling.step()


def information(family: Family, x: Tensor) -> Figures:
    """A in closed form, B by a new critic, and I(X;Z) from the posteriors of all of x."""
    encoder = family.encoder

    @torch.no_grad()
    def both() -> tuple[Tensor, Tensor]:
        z = encoder(x[torch.randint(len(x), (512,))]).z
        return z, torch.randn_like(z)

    critic = KullbackLeibler(perceptron(family.config.latent, 32, 1))
    fit(both, critic, 500)
    with torch.no_grad():
        shown = family.draw(x)
        a = ConditionalDivergence().value(shown).item()
        b = LatentDivergence(critic).value(shown).item()
        return {"A": a, "B": b, "A - B": a - b, "I(X;Z)": mixture_information(shown.code).item()}


def vae(seed: int) -> Figures:
    """A VAE: I(X;Z) <= A, and A − B = I(X;Z)."""
    x = pictures(seed)
    torch.manual_seed(seed)
    return information(train_family(find("vae"), x, config=replace(TINY, seed=seed)).family, x)


def aae(seed: int) -> Figures:
    """An AAE: B goes to 0 from what it was untrained, and A, which is not in the loss, becomes I.

    β = 0.03 lets B win over term C.
    """
    x = pictures(seed)
    torch.manual_seed(seed)
    config = replace(TINY, seed=seed)
    plain = train_family(find("aae"), x, config=replace(config, critic_steps=0, beta=1e3))
    trained = train_family(find("aae"), x, config=replace(config, steps=600, beta=0.03))
    found = information(trained.family, x)
    return found | {"B without B in the loss": information(plain.family, x)["B"]}


def beta(seed: int) -> Figures:
    """β-VAEs: a larger β keeps more and reconstructs better."""
    x = pictures(seed)
    found = {}
    for value in (0.03, 0.3, 3.0):
        config = replace(TINY, latent=4, beta=value, seed=seed)
        family = train_family(find("beta-vae"), x, config=config).family
        torch.manual_seed(seed)
        with torch.no_grad():
            shown = family.draw(x)
        found[f"A at {value:g}"] = ConditionalDivergence().value(shown).item()
        found[f"mse at {value:g}"] = (shown.output - x).square().mean().item()
    return found


def perception(seed: int) -> Figures:
    """Shannon-AE and GC-AE of a Gaussian in four dimensions: rate, error, and Fréchet distance.

    Both code the sign of four numbers, as β = 1000 makes the rate nothing beside the rest; σ = 8
    lets term D count. D is by MMD, which a tiny model follows surely; a critic it does not.
    """
    x = torch.randn(4096, 4, generator=torch.Generator().manual_seed(seed))
    config = replace(TINY, sigma=8.0, latent=4, groups=4, codes=2, steps=400, batch=256, rate=3e-3)
    found = {}
    for name in ("shannon-ae", "gc-ae"):
        objective = replace(find(name), data="mmd")
        family = train_family(objective, x, config=replace(config, beta=1e3, seed=seed)).family
        torch.manual_seed(seed)
        with torch.no_grad():
            shown = family.draw(x)
        found[f"R {name}"] = Rate().value(shown).item()
        found[f"mse {name}"] = (shown.output - x).square().mean().item()
        found[f"frechet {name}"] = frechet(x, shown.output)
    return found


def gaussians(seed: int) -> Figures:
    """Term D between N(m, s²) and N(0, 1) in four dimensions, over its closed form."""
    torch.manual_seed(seed)
    mean, scale = torch.tensor([1.0, -0.5, 0.0, 0.3]), torch.tensor([0.7, 1.3, 1.0, 0.8])
    exact = (0.5 * (scale**2 + mean**2 - 1) - scale.log()).sum().item()
    critic = KullbackLeibler(perceptron(4, 32, 1))
    fit(lambda: (mean + scale * torch.randn(512, 4), torch.randn(512, 4)), critic, 900)
    p, q = mean + scale * torch.randn(100_000, 4), torch.randn(100_000, 4)
    with torch.no_grad():
        d = DataDivergence(critic).value(Draw(p, Code(p), q, p, q)).item()
    return {"D": d, "closed form": exact}


def gan(seed: int) -> Figures:
    """GANs (25): term C of independent pairs makes every picture the mean, and D holds against it.

    Spread is the variance of generated pictures over that of the data, both summed over pixels.
    """
    x = pictures(seed)
    found = {}
    for value in (0.0, 0.001, 0.1):
        config = replace(TINY, latent=4, steps=600, beta=value, seed=seed)
        family = train_family(find("gan"), x, config=config).family
        torch.manual_seed(seed)
        with torch.no_grad():
            made = family.draw(x).generated
        found[f"spread at {value:g}"] = (made.var(0).sum() / x.var(0).sum()).item()
    return found


def novelty(seed: int) -> Figures:
    """A novelty-detection AE (4.3): pictures of other patterns by minus D's log ratio, and by C."""
    x, other = pictures(seed, 2560), pictures(seed + 100, 512)
    config = replace(TINY, latent=4, steps=600, seed=seed)
    family = train_family(find("novelty-ae"), x[:2048], config=config).family
    ratio = cast(DensityRatio, cast(DataDivergence, family.terms["D"]).divergence).log_ratio
    torch.manual_seed(seed)
    scores: dict[str, list[Tensor]] = {"D": [], "C": []}
    with torch.no_grad():
        for shown in (family.draw(x[2048:]), family.draw(other)):
            scores["D"].append(-ratio(shown.x).flatten())
            scores["C"].append((shown.output - shown.x).square().mean((1, 2)))
    return {
        f"AUROC by {term}": (new[:, None] > known).float().mean().item()
        for term, (known, new) in scores.items()
    }


def frechet(a: Tensor, b: Tensor) -> float:
    """Fréchet distance of Gaussians fitted to features (N, F) and (M, F)."""
    a, b = a.double(), b.double()
    cov_a, cov_b = a.T.cov(), b.T.cov()
    cross = torch.linalg.eigvals(cov_a @ cov_b).real.clamp_min(0).sqrt().sum()
    return ((a.mean(0) - b.mean(0)).square().sum() + (cov_a + cov_b).trace() - 2 * cross).item()


RELATIONS = {
    "vae": vae,
    "aae": aae,
    "beta": beta,
    "perception": perception,
    "gaussians": gaussians,
    "gan": gan,
    "novelty": novelty,
}


@dataclass(frozen=True)
class Settings:
    """How it is measured.

    Attributes:
        seeds: of everything.
    """

    seeds: int = 5


def measure(run: Run, inputs: Nothing, settings: Settings) -> dict[str, Any]:
    """Every relation on several seeds: the figures, their mean and their standard deviation."""
    relations = {}
    for name, relation in RELATIONS.items():
        runs = [
            run.part(f"{name} {seed}", lambda: relation(seed))  # noqa: B023
            for seed in range(settings.seeds)
        ]
        relations[name] = {key: over_seeds([one[key] for one in runs]) for key in runs[0]}
        run.say(f"{name} {relations[name]}")
    return {"relations": relations}


def over_seeds(values: list[float]) -> dict[str, Any]:
    """A figure over the seeds."""
    return {
        "mean": round(statistics.mean(values), 4),
        "sd": round(statistics.stdev(values), 4),
        "values": [round(value, 4) for value in values],
    }


BENCHMARK = Benchmark(Nothing, Settings, measure, result="family_relations.json")
