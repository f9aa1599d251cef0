"""The paper's Lagrangian: terms A, B, C and D, and the named objectives that they make.

Example:
    >>> for name, objective in OBJECTIVES.items():
    ...     print(f"{name}: {objective}")
    supervised-ib: A - B - β·S
    bib-ae: A - B - β·C + β·D
    vae: A - C
    beta-vae: A - β·C
    aae: B - β·C
    infovae: 0.5·A + 10·B - β·C
    gan: D
    vae-gan: A - β·C + β·D
    shannon-ae: R - β·C
    gc-ae: R - β·C + β·D
    novelty-ae: B - β·C + β·D
"""

from codec.lagrangian.divergences import (
    Divergence,
    JensenShannon,
    KullbackLeibler,
    MaximumMeanDiscrepancy,
    TotalVariation,
    Wasserstein,
)
from codec.lagrangian.draw import Code, Draw
from codec.lagrangian.encoders import (
    AdditiveNoise,
    ConcatenatedNoise,
    InputNoise,
    PriorNoise,
    Quantised,
)
from codec.lagrangian.objectives import OBJECTIVES, Objective, Part, find
from codec.lagrangian.terms import (
    ClassLikelihood,
    ConditionalDivergence,
    DataDivergence,
    GaussianLikelihood,
    LaplaceLikelihood,
    LatentDivergence,
    Rate,
    Term,
    entropy,
    mixture_information,
    squared_error,
)

__all__ = [
    "OBJECTIVES",
    "AdditiveNoise",
    "ClassLikelihood",
    "Code",
    "ConcatenatedNoise",
    "ConditionalDivergence",
    "DataDivergence",
    "Divergence",
    "Draw",
    "GaussianLikelihood",
    "InputNoise",
    "JensenShannon",
    "KullbackLeibler",
    "LaplaceLikelihood",
    "LatentDivergence",
    "MaximumMeanDiscrepancy",
    "Objective",
    "Part",
    "PriorNoise",
    "Quantised",
    "Rate",
    "Term",
    "TotalVariation",
    "Wasserstein",
    "entropy",
    "find",
    "mixture_information",
    "squared_error",
]
