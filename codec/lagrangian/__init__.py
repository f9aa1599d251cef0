"""The paper's Lagrangian: terms A, B, C and D, and the named objectives that they make.

Example:
    The numbers are equations of arXiv:1912.00830; the last model has a section.

    >>> for name, objective in OBJECTIVES.items():
    ...     print(f"{name} ({objective.equation}): {objective}")
    supervised-ib (7): A - B - β·S
    bib-ae (26): A - B - β·C + β·D
    vae (30): A - C
    beta-vae (31): A - β·C
    aae (32): B - β·C
    infovae (33): A - B - β·C
    gan (25): D - β·C
    vae-gan (34): A - β·C + β·D
    shannon-ae (35): R - β·C
    gc-ae (36): R - β·C + β·D
    novelty-ae (4.3): B - β·C + β·D
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
    Quantized,
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
    "Quantized",
    "Rate",
    "Term",
    "TotalVariation",
    "Wasserstein",
    "entropy",
    "find",
    "mixture_information",
    "squared_error",
]
