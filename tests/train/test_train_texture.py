"""The codebook of texture codes is fitted to what the mean lacks, and prices follow its use."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from codec.models.tiny import TINY, tiny_model
from codec.models.torch_model import torch_engine
from codec.networks.config import texture_stage
from codec.runtime import texture
from codec.train.codec.coding import coded_mean
from codec.train.codec.sample import collect
from codec.train.codec.texture import fit_texture, texture_codes
from codec.train.data import Crops, Pool

CODES = 16


@pytest.fixture(scope="module")
def crops():
    """Pictures that are black on the left, with noise of ever more strength to the right."""
    rng = np.random.default_rng(0)
    image = 128 + rng.normal(0, 1, (192, 320, 3)) * np.linspace(0, 60, 320)[:, None]
    image[:, :100] = 0
    return Crops([Pool([np.clip(image, 0, 255).astype(np.uint8)])], 64, 8, 0)


@pytest.fixture(scope="module")
def networks(crops):
    """A model whose means are one colour: what they lack is all of a picture's texture."""
    networks = torch_engine(tiny_model(config=replace(TINY, texture=CODES))).networks
    for number in range(len(networks.config.stages)):
        networks.quantizer.codebook(number).zero_()
    fit_texture(networks, crops, batches=4, seed=0)
    return networks


def test_codes_have_their_meaning(networks):
    stage = texture_stage(networks.config.stages)
    book, shares = networks.quantizer.codebook(stage), networks.quantizer.shares[:, stage, :CODES]
    flags = book[:, texture.STATISTICS :].nonzero().tolist()
    assert flags == [[texture.UNKNOWN, 0], [texture.NONE, 1]]
    assert not book[texture.UNKNOWN, : texture.STATISTICS].any()
    assert len(book.unique(dim=0)) == CODES
    torch.testing.assert_close(shares.sum(1), torch.ones(len(shares)))


def test_codes_say_what_is_missing(networks, crops):
    """The centroids of other pictures' codes explain most of the variance of their statistics."""
    stage = texture_stage(networks.config.stages)
    book = networks.quantizer.codebook(stage)[:, : texture.STATISTICS].numpy()
    x = torch.cat([crops(number) for number in range(4)])
    mean = coded_mean(networks, x, 50)[0].pixels.detach()
    codes = texture_codes(networks, stage, x, mean, 50).numpy()
    told = (codes > texture.NONE).nonzero()
    found = texture.statistics((x - mean).numpy())[told]
    left = np.square(found - book[codes[told]]).sum()
    assert left < 0.4 * np.square(found - found.mean(0)).sum()
    black = torch.full((1, 3, 32, 32), -1.0)
    assert texture_codes(networks, stage, black, black + 0.02, 50).item() == texture.NONE


def test_tables_are_counted_with_and_without_texture_codes(networks, crops):
    stage = texture_stage(networks.config.stages)
    grids = collect(networks, crops, batches=33, first=0).indices
    assert [grid.shape[1] for grid in grids] == [64 // s.cell for s in networks.config.stages]
    least = [grid.min().item() for grid in grids[stage].split(8)]  # of each batch
    assert [number for number, code in enumerate(least) if code == texture.UNKNOWN] == [0, 32]
