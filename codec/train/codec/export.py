"""From trained networks to a model: the tables that belong to them."""

from __future__ import annotations

import copy

import numpy as np

from bitstream.context import ContextPrior
from bitstream.prior import QUALITIES, Prior, StaticPrior
from bitstream.tables import frequencies_from_counts
from codec.models.torch_model import torch_model
from codec.networks.config import quality_range
from codec.networks.pyramid import Networks
from codec.runtime.model import CodecModel
from codec.train.codec.context import Fit
from codec.train.codec.sample import collect
from codec.train.config import CLUSTERED, TrainConfig
from codec.train.data import Crops

COUNT = 1 << 20  # shares become counts of so many symbols
FIRST = 1 << 30  # number of the first batch coded for a fit: none that training sees
FEATURES, CONTEXT = 12, 12  # features of a code, length of a context vector


def static_prior(networks: Networks) -> StaticPrior:
    """The prior that prices codes as the training run last saw them, per range of qualities."""
    quantizer = networks.quantizer
    counts = (quantizer.shares.cpu().double().numpy() * COUNT).round().astype(np.int64) + 1
    tables = [
        frequencies_from_counts(counts[:, number, : stage.codes])
        for number, stage in enumerate(quantizer.stages)
    ]
    ranges = [quality_range(quality) for quality in range(QUALITIES)]
    return StaticPrior(tuple(stage.cell for stage in quantizer.stages), list(tables), ranges)


def context_prior(networks: Networks, crops: Crops, config: TrainConfig) -> ContextPrior:
    """The prior of `config.contexts` tables a stage, fitted on crops coded by these networks."""
    networks = copy.deepcopy(networks).eval()
    sample = collect(networks, crops, config.context_batches, first=FIRST)
    books = [networks.quantizer.codebook(n).cpu() for n in range(len(networks.quantizer.stages))]
    fit = Fit(networks.quantizer.stages, books, config.contexts, FEATURES, CONTEXT)
    linear, mixed = config.context_epochs
    fit.linear(sample, linear)
    fit.cluster(sample.part(slice(0, CLUSTERED)))
    fit.mix(sample, mixed)
    return fit.prior(sample)


def as_model(networks: Networks, prior: Prior) -> CodecModel:
    """A codec of these networks and tables; `save_model` writes it."""
    return torch_model(networks, prior, bytes(4))
