"""Texture codes: what they say of a residual, and what the detail network makes of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import codec
from codec.images.strips import Strips
from codec.models.tiny import TINY, tiny_model
from codec.models.torch_model import torch_engine
from codec.networks.config import TEXTURE_DIM, ModelConfig, texture_stage
from codec.runtime import texture

TEXTURED = replace(TINY, texture=8)
STAGE = texture_stage(TEXTURED.stages)


def waves(height, width, amplitude=20.0):
    columns = np.mgrid[0:height, 0:width][1]
    image = 120 + amplitude * np.sin(columns / 1.5)
    return np.repeat(image[..., None], 3, 2)


@pytest.fixture(scope="module")
def model():
    model = tiny_model(config=TEXTURED)
    generator = torch.Generator().manual_seed(3)
    for layer in torch_engine(model).detail.texture:
        torch.nn.init.normal_(layer.weight, std=0.2, generator=generator)
    return model


def test_the_stage_stands_after_those_of_its_level():
    assert [(s.cell, s.texture) for s in TEXTURED.stages[:3]] == [
        (32, False),
        (32, True),
        (16, False),
    ]
    assert TEXTURED.stages[STAGE].dim == TEXTURE_DIM
    assert TEXTURED.coded_stages(50) == TINY.coded_stages(50) + 1
    assert TEXTURED.condition(50, 5) == TINY.condition(50, 4)
    assert TEXTURED.condition(50, 2) == TEXTURED.condition(50, 1) == TINY.condition(50, 1)
    assert ModelConfig.from_json(TEXTURED.to_json()) == TEXTURED
    assert "texture" not in TINY.to_json()


def test_energies_are_those_of_the_pixels():
    e = np.random.default_rng(0).normal(0, 0.1, (2, 3, 64, 32)).astype(np.float32)
    luma, chroma = texture.energies(e)
    grey = e.sum(1) / 3**0.5
    blocks = grey.reshape(2, 8, 8, 4, 8)
    variance = np.square(blocks - blocks.mean((2, 4), keepdims=True)).mean((2, 4))
    np.testing.assert_allclose(luma.sum(3), variance, rtol=1e-4)
    whole = np.square(e).sum(1).mean() - np.square(grey).mean()
    np.testing.assert_allclose(chroma.mean(), whole, rtol=1e-4)
    for mine, theirs in zip((luma, chroma), texture.energies(torch.from_numpy(e)), strict=True):
        np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-5, atol=1e-8)


def test_a_direction_and_a_frequency_are_told_apart():
    def strongest(image):
        e = np.repeat(image[None, None], 3, 1).astype(np.float32)
        return int(texture.statistics(e)[0, 0, 0, :9].argmax())

    rows, columns = np.mgrid[0:32, 0:32]
    found = [
        strongest(0.1 * np.cos(np.pi * frequency * (along + 0.5) / 8))
        for frequency in (1, 4, 7)
        for along in (columns, rows)
    ]
    assert found == [0, 1, 3, 4, 6, 7]


def test_flat_cells_and_even_gradients_are_none():
    x = np.zeros((1, 3, 64, 64), np.float32)
    x[:, :, :32, :32] = np.linspace(-0.5, 0.5, 32)
    x[:, :, 32:, :32] += np.linspace(-0.2, 0.3, 32)[:, None] + np.linspace(0, 0.4, 32)
    x[:, :, 32:, 32:] = 4 / 127.5 * (np.indices((32, 32)).sum(0) % 2)
    x[:, :, :32, 32:] = 0.7
    assert texture.is_flat(x)[0].tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize("realism", [0.5, 1.0])
def test_nothing_is_added_to_flat_cells(model, realism):
    """Black bars stay as g makes them, whatever the texture beside them is."""
    image = np.zeros((128, 160, 3), np.uint8)
    image[:, 64:] = np.random.default_rng(1).integers(0, 256, (128, 96, 3))
    analysis = model.analyze(Strips([image.copy()]))
    coding = model.quantize(analysis, 50)
    codes = coding.indices[STAGE]
    assert (codes[:, :2] == texture.NONE).all() and (codes[:, 2:] > texture.NONE).all()
    mean = model.synthesize(coding.indices, 50, 128, 160)
    image = model.synthesize(coding.indices, 50, 128, 160, realism=realism, seed=4)
    assert (image[..., :64] == mean[..., :64]).all()
    assert (image[..., 80:] != mean[..., 80:]).mean() > 0.5


def test_codes_change_the_detail_only(model):
    image = waves(96, 96).astype(np.uint8)
    coding = model.quantize(model.analyze(Strips([image])), 30)
    other = [grid.copy() for grid in coding.indices]
    other[STAGE] = (other[STAGE] - 1) % 6 + 2
    one, two = (
        [model.synthesize(indices, 30, 96, 96, realism=a, seed=1) for a in (0.0, 1.0)]
        for indices in (coding.indices, other)
    )
    assert (one[0] == two[0]).all() and (one[1] != two[1]).any()


def test_tiles_equal_the_whole(model):
    image = np.random.default_rng(2).integers(0, 256, (700, 900, 3), np.uint8)
    codings = [model.quantize(model.analyze(Strips([image.copy()]), t), 40) for t in (512, 4096)]
    for one, two in zip(codings[0].indices, codings[1].indices, strict=True):
        assert (one == two).all()
    pixels = [
        model.synthesize(codings[0].indices, 40, 700, 900, realism=1.0, seed=9, tile=t)
        for t in (512, 4096)
    ]
    np.testing.assert_allclose(pixels[0], pixels[1], atol=1e-6)


def test_a_file_goes_there_and_back_and_its_prefixes_too(model):
    image = waves(70, 100).astype(np.uint8)
    data = codec.encode(image, quality=40, model=model)
    assert codec.info(data).stages == TEXTURED.coded_stages(40)
    whole = codec.decode(data, model=model, realism=1.0)
    assert whole.size == (100, 70)
    cut = codec.decode(data[:-3], model=model, realism=1.0, allow_partial=True)
    assert cut.size == (100, 70)
