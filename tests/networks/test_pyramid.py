"""Networks of any levels: their shapes come from the configuration alone."""

import json

import pytest
import torch

from codec.networks.config import Level, ModelConfig
from codec.networks.pyramid import Networks

FOUR = ModelConfig(
    levels=(Level(32, 8, 1, 8), Level(16, 8, 2, 8), Level(8, 8, 1, 8), Level(4, 6, 1, 8, begin=40)),
    encoder=(8, 8, 8, 8),
    decoder=(8, 8, 8, 8),
    blocks=(1, 2, 1, 1),
)
FIVE = ModelConfig(
    levels=tuple(Level(64 >> k, 8, 1, 8) for k in range(5)),
    encoder=(8, 8, 8, 8, 16),
    decoder=(8, 8, 8, 8, 16),
)
TWO = ModelConfig(
    levels=(Level(16, 8, 1, 8), Level(8, 8, 1, 8)), encoder=(8, 8, 8), decoder=(8, 8, 8)
)


@pytest.mark.parametrize("config", [TWO, FOUR, FIVE])
def test_any_number_of_levels(config):
    networks = Networks(config)
    side = 2 * config.levels[0].cell
    x = torch.rand(2, 3, side, side) * 2 - 1
    latents = networks.encoder(x)
    assert [latent.shape[1:] for latent in latents] == [
        (level.dim, side // level.cell, side // level.cell) for level in config.levels
    ]
    condition = torch.tensor([config.condition(50, len(config.stages))]).expand(2, -1)
    mean = networks.decoder(condition, lambda level, prediction: latents[level], x.shape)
    assert mean.pixels.shape == x.shape
    assert mean.h4.shape[2] == side // 4
    assert mean.h8.shape[2] == side // 8


def test_a_level_that_is_not_coded_stands_as_predicted():
    """It costs no features, and the image differs from that of a remainder of zero only by them."""
    torch.manual_seed(0)
    networks = Networks(FOUR)
    for parameter in networks.decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    x = torch.zeros(1, 3, 64, 64)
    condition = torch.tensor([FOUR.condition(20, FOUR.coded_stages(20))])
    left_out = networks.decoder(
        condition, lambda level, p: torch.ones_like(p) if level < 3 else None, x.shape
    )
    coded = networks.decoder(condition, lambda level, p: torch.ones_like(p) * (level < 3), x.shape)
    assert torch.equal(left_out.h8, coded.h8)
    assert not torch.equal(left_out.h4, coded.h4)


def test_stages_of_a_quality():
    assert [FOUR.coded_stages(q) for q in (0, 39, 40, 100)] == [4, 4, 5, 5]
    assert ModelConfig().coded_stages(0) == 15


def test_the_text_of_a_model_of_format_1_is_as_it_was():
    """Its config.json is part of the fingerprint."""
    assert set(json.loads(ModelConfig().to_json())) == {
        *("levels", "encoder", "decoder", "lambda_coarse", "lambda_fine"),
    }
    assert "begin" not in ModelConfig().to_json()
    assert ModelConfig.from_json(FOUR.to_json()) == FOUR


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ((), "the cells are"),
        ((Level(32, 8, 1), Level(8, 8, 1)), "the cells are"),
        ((Level(16, 8, 1),), "the cells are"),
        ((Level(8, 8, 1, begin=3),), "the quality from which the coarsest level is coded"),
        ((Level(16, 8, 33), Level(8, 8, 33)), "stages is 66"),
    ],
)
def test_levels_that_cannot_be(levels, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig(levels=levels, encoder=(8, 8), decoder=(8, 8))
