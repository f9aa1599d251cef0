"""The family of models as declarations: which terms, with which signs, and where β stands.

The bottleneck's Lagrangian is I(X;Z) − β·I(Z;X), so β multiplies what the decoder gets: C and D.
Every objective is minimised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Letter = Literal["A", "B", "C", "D", "R", "S"]  # R = H(Ẑ), S = −H(C|Z)


@dataclass(frozen=True)
class Part:
    """One term of a sum: sign · weight · (β if `beta`) · term."""

    sign: Literal[1, -1]
    term: Letter
    beta: bool = False
    weight: float = 1.0


@dataclass(frozen=True)
class Objective:
    """A named model: a sum of terms to minimise, and the choices that go with it."""

    parts: tuple[Part, ...]
    encoder: Literal["additive", "input", "concatenated", "prior", "quantised"] = "additive"
    spread: float | None = None  # σ of the additive encoder's ε; None: learned
    latent: Literal["kl", "mmd"] = "kl"  # divergence of term B
    data: Literal["kl", "js", "wasserstein", "mmd"] = "js"  # divergence of term D
    generated: Literal["prior", "output"] = "prior"  # p_θ(x): decoded from p(z) or from codes
    noise: bool = False  # the decoder gets ẑ + U
    beta: float = 1.0

    def coefficients(self, beta: float | None = None) -> dict[Letter, float]:
        """What multiplies each term, at the declared β or another one.

        >>> OBJECTIVES["bib-ae"].coefficients(2.0)
        {'A': 1.0, 'B': -1.0, 'C': -2.0, 'D': 2.0}
        """
        factor = self.beta if beta is None else beta
        return {
            part.term: part.sign * part.weight * (factor if part.beta else 1.0)
            for part in self.parts
        }

    def __str__(self) -> str:
        text = ""
        for part in self.parts:
            text += (" + " if part.sign > 0 else " - ") if text or part.sign < 0 else ""
            text += f"{part.weight:g}·" if part.weight != 1 else ""
            text += ("β·" if part.beta else "") + part.term
        return text.strip()


A, B, C = Part(1, "A"), Part(1, "B"), Part(-1, "C", beta=True)
D, RATE, CLASS = Part(1, "D", beta=True), Part(1, "R"), Part(-1, "S", beta=True)
MINUS_B = Part(-1, "B")

INFOVAE_ALPHA, INFOVAE_LAMBDA = 0.5, 10.5  # (1 − α)·A + (α + λ − 1)·B (Zhao 2017)

OBJECTIVES: dict[str, Objective] = {
    # I(X;Z) − β·I(Z;C)
    "supervised-ib": Objective((A, MINUS_B, CLASS), beta=10.0),
    # I(X;Z) − β·I(Z;X), all four terms
    "bib-ae": Objective((A, MINUS_B, C, D)),
    # the bound A of I(X;Z) in its place
    "vae": Objective((A, Part(-1, "C"))),
    "beta-vae": Objective((A, C), beta=4.0),
    # B to be small instead of A − B; σ is given, as nothing else would keep it from 0
    "aae": Objective((B, C), spread=0.5),
    "infovae": Objective(
        (
            Part(1, "A", weight=1 - INFOVAE_ALPHA),
            Part(1, "B", weight=INFOVAE_ALPHA + INFOVAE_LAMBDA - 1),
            C,
        ),
        latent="mmd",
    ),
    "gan": Objective((Part(1, "D"),), encoder="prior"),
    "vae-gan": Objective((A, C, D)),
    # a quantised code: I(X;Ẑ) = H(Ẑ)
    "shannon-ae": Objective((RATE, C), encoder="quantised"),
    "gc-ae": Objective((RATE, C, D), encoder="quantised", generated="output", noise=True),
    # a noisy input is to come back as data; what does not is novel
    "novelty-ae": Objective((B, C, D), encoder="input", generated="output"),
}


def find(name: str) -> Objective:
    """The declaration of a name.

    Raises:
        ValueError: there is none of this name.

    >>> str(find("bib-ae"))
    'A - B - β·C + β·D'
    """
    if name not in OBJECTIVES:
        known = ", ".join(OBJECTIVES)
        raise ValueError(f"unknown objective {name!r}: expected one of {known}")
    return OBJECTIVES[name]
