"""The family of models as declarations: which terms, with which signs, and where β stands.

Numbers in brackets are equations of Voloshynovskiy et al. 2019 (arXiv:1912.00830). The Lagrangian
is I(X;Z) − β·I(Z;X) (15), so β multiplies what the decoder gets: C and D. Every objective is
minimized.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Letter = Literal["A", "B", "C", "D", "R", "S"]  # R = H(Ẑ), S = −H(C|Z)


@dataclass(frozen=True)
class Part:
    """One term of a sum: sign · (β if `beta`) · term."""

    sign: Literal[1, -1]
    term: Letter
    beta: bool = False


@dataclass(frozen=True)
class Objective:
    """A named model: a sum of terms to minimize, and the choices that go with it."""

    parts: tuple[Part, ...]
    equation: str  # its number in the paper, or the section of a model without an equation
    encoder: Literal["additive", "input", "concatenated", "prior", "quantized"] = "additive"
    spread: float | None = None  # σ of the additive encoder's ε; None: learned, 0: no noise
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
        return {part.term: part.sign * (factor if part.beta else 1.0) for part in self.parts}

    def __str__(self) -> str:
        text = ""
        for part in self.parts:
            text += (" + " if part.sign > 0 else " - ") if text or part.sign < 0 else ""
            text += ("β·" if part.beta else "") + part.term
        return text.strip()


A, B, C = Part(1, "A"), Part(1, "B"), Part(-1, "C", beta=True)
D, RATE, CLASS = Part(1, "D", beta=True), Part(1, "R"), Part(-1, "S", beta=True)
MINUS_B = Part(-1, "B")

OBJECTIVES: dict[str, Objective] = {
    # I(X;Z) − β·I(Z;C), where I(Z;C) >= H(C) − H(C|Z) (6) and H(C) is constant
    "supervised-ib": Objective((A, MINUS_B, CLASS), "7", beta=10.0),
    # I(X;Z) (27) − β·I(Z;X) (28), all four terms
    "bib-ae": Objective((A, MINUS_B, C, D), "26"),
    # the bound A of I(X;Z) in its place, without β
    "vae": Objective((A, Part(-1, "C")), "30"),
    "beta-vae": Objective((A, C), "31", beta=4.0),
    # B to be small instead of A − B; σ is given, as nothing else would keep it from 0
    "aae": Objective((B, C), "32", spread=0.5),
    # I(X;Z) whole, without D
    "infovae": Objective((A, MINUS_B, C), "33"),
    # no encoder, so I(X;Z) = 0; β stands for λ of (25), and β = 0 is the original GAN
    "gan": Objective((Part(1, "D"), C), "25", encoder="prior", beta=0.001),
    "vae-gan": Objective((A, C, D), "34"),
    # a quantized code: I(X;Ẑ) = H(Ẑ)
    "shannon-ae": Objective((RATE, C), "35", encoder="quantized"),
    # and the decoder gets ẑ + U
    "gc-ae": Objective((RATE, C, D), "36", encoder="quantized", generated="output", noise=True),
    # a noisy input is to come back as data; what does not is novel
    "novelty-ae": Objective((B, C, D), "4.3", encoder="input", generated="output"),
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
