"""A grown model computes what the small one did, until training changes it."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from codec.errors import CodecError
from codec.models.tiny import TINY, tiny_model
from codec.models.torch_model import torch_engine
from codec.networks.config import Level, ModelConfig
from codec.networks.pyramid import Networks
from codec.train.codec.grow import grow
from codec.train.codec.objective import Objective
from codec.train.data import Crops, Pool

SMALL = TINY
LARGE = ModelConfig(
    levels=(
        *(Level(32, 24, 1, 16), Level(16, 24, 2, 16), Level(8, 16, 2, 16)),
        Level(4, 12, 2, 16, begin=60),
    ),
    encoder=(8, 8, 8, 8),
    decoder=(8, 8, 8, 8),
    blocks=(1, 2, 1, 1),
    lambda_fine=0.003,
)


@pytest.fixture(scope="module")
def crops():
    rows, columns = np.mgrid[0:160, 0:160]
    waves = [np.sin(rows / (3 + k)) * 60 + np.cos(columns / (5 + k)) * 60 + 128 for k in range(3)]
    image = np.stack(waves, axis=2) + np.random.default_rng(0).normal(0, 6, (160, 160, 3))
    return Crops([Pool([np.clip(image, 0, 255).astype(np.uint8)])], 64, 4, 0)


@pytest.fixture(scope="module")
def small():
    """The tiny model, with random weights everywhere, so that nothing is the identity by chance."""
    networks = torch_engine(tiny_model()).networks
    torch.manual_seed(1)
    for parameter in [*networks.decoder.parameters(), *networks.encoder.heads.parameters()]:
        if parameter.dim() == 4:
            torch.nn.init.normal_(parameter, std=0.02)
    return networks


@pytest.fixture(scope="module")
def grown(small, crops):
    return grow(small, LARGE, crops, batches=8, seed=0)


@pytest.mark.parametrize("lam", [4.0, 0.5])
def test_image_and_rate_are_those_of_the_small_model(small, grown, crops, lam):
    grown = copy.deepcopy(grown)
    grown.quantizer.codebook(4).zero_()  # the new stage of 8 pixels: as if it had no codes
    grown.quantizer.shares[:, 4, 0] = 1.0
    x = crops(3)
    with torch.no_grad():
        was = Objective(small, 0.1, 0.35, 5)(x, SMALL.quality_of(lam), 4)
        now = Objective(grown, 0.1, 0.35, 5)(x, LARGE.quality_of(lam), 5)
    assert now.mse.item() == pytest.approx(was.mse.item(), rel=1e-3)
    assert now.bits.item() == pytest.approx(was.bits.item(), rel=0.1)  # λ's ranges are others


def test_the_new_level_begins_at_the_old_image(small, grown, crops):
    """Coded with remainders of zero it gives what the small model gives."""
    x = crops(5)
    with torch.no_grad():
        was = small.encoder(x)
        condition = torch.tensor([SMALL.condition(80, 4)]).expand(len(x), -1)
        old = small.decoder(condition, lambda k, p: was[k] * 0.5, x.shape)
        quality = LARGE.quality_of(SMALL.lambda_at(80))
        condition = torch.tensor([LARGE.condition(quality, 7)]).expand(len(x), -1)

        def code(level, prediction):
            r = torch.zeros_like(prediction)
            if level < 3:
                r[:, : was[level].shape[1]] = was[level] * 0.5
            return r

        new = grown.decoder(condition, code, x.shape)
    torch.testing.assert_close(new.pixels, old.pixels, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(new.h4, old.h4, rtol=1e-3, atol=1e-3)


def test_new_codebooks_pay(small, grown, crops):
    """At fine λ the new stages lower the cost, squared error plus λ bits."""
    x, lam = crops(7), 0.015
    with torch.no_grad():
        was = Objective(small, 0.1, 0.35, 5)(x, 100, 4)
        now = Objective(grown, 0.1, 0.35, 5)(x, LARGE.quality_of(lam), 7)
    assert 3 * now.mse + lam * now.bits < 3 * was.mse + lam * was.bits


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder": (8, 8, 8, 16)},
        {"levels": (Level(32, 8, 1, 16), *SMALL.levels[1:])},
        {"lambda_fine": 0.1},
    ],
)
def test_what_does_not_fit_is_refused(small, crops, changes):
    with pytest.raises(CodecError, match="does not grow into"):
        grow(small, replace(SMALL, **changes), crops, batches=1, seed=0)


def test_blocks_are_not_lost(crops):
    """They hold what was learned, and a smaller number of them would drop it in silence."""
    deep = Networks(replace(SMALL, blocks=(1, 2, 1)))
    with pytest.raises(CodecError, match="no dim or number of stages or blocks smaller"):
        grow(deep, replace(SMALL, lambda_fine=0.01), crops, batches=1, seed=0)
