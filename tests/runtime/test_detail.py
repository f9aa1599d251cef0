"""The noise and the synthesis of detail: which seed gives what, where."""

import numpy as np
import pytest
import torch
from PIL import Image

import codec
from codec.models.loading import load_model
from codec.models.tiny import tiny_model
from codec.models.torch_model import save_model
from codec.networks.config import CELLS
from codec.runtime.noise import draw, noise


def photo(width=160, height=128, seed=0):
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 255, (height // 16, width // 16, 3), np.uint8)
    return Image.fromarray(base).resize((width, height), Image.Resampling.BICUBIC)


def decoded(data, model, **options):
    return np.asarray(codec.decode(data, model=model, **options)).astype(int)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def data(model):
    return codec.encode(photo(), quality=40, model=model, seed=11)


@pytest.fixture(scope="module")
def field():
    return noise(3, 8, (0, 0), (16, 128, 128))


def test_noise_is_standard_normal(field):
    values = field.astype(np.float64)
    n = values.size  # 262,144: five standard errors of each moment
    assert abs(values.mean()) < 5 / n**0.5
    assert abs(values.var() - 1) < 5 * (2 / n) ** 0.5
    assert abs((values**3).mean()) < 5 * (15 / n) ** 0.5
    assert abs((values**4).mean() - 3) < 5 * (96 / n) ** 0.5


@pytest.mark.parametrize(
    "other",
    [
        lambda f: noise(4, 8, (0, 0), (16, 128, 128)),  # a seed beside
        lambda f: noise(3 + 2**32, 8, (0, 0), (16, 128, 128)),  # its upper half
        lambda f: noise(3, 4, (0, 0), (16, 128, 128)),  # another plane
        lambda f: np.roll(f, 1, 1),  # the channel beside
        lambda f: np.roll(f, 1, 2),
        lambda f: np.roll(f, 1, 3),
        lambda f: f.swapaxes(2, 3),
    ],
)
def test_noise_is_not_correlated_with(field, other):
    product = (field * other(field)).astype(np.float64)
    assert not np.array_equal(field, field.swapaxes(2, 3))
    assert abs(product.mean()) < 5 * product.std() / product.size**0.5


def test_noise_far_out_in_a_plane():
    """Coordinates and seeds use all of their bits."""
    seeds = [0, 1, 2**31, 2**32, 2**63, 2**64 - 1]
    places = [(0, 0), (2**31 - 2, 0), (2**31, 5), (2**32 - 4, 2**32 - 4)]
    drawn = {
        tuple(noise(seed, 2, place, (2, 4, 4)).flatten().tolist())
        for seed in seeds
        for place in places
    }
    assert len(drawn) == len(seeds) * len(places)


def test_a_crop_sees_the_noise_of_the_whole():
    planes = tiny_model().engine.noise
    whole = draw(planes, 5, (0, 0), (128, 96))
    part = draw(planes, 5, (32, 64), (64, 32))
    assert [cell for cell, _ in planes] == list(CELLS)
    for (cell, _), a, b in zip(planes, whole, part, strict=True):
        rows, columns = slice(32 // cell, 96 // cell), slice(64 // cell, 96 // cell)
        assert np.array_equal(a[:, :, rows, columns], b)


def test_seeds_and_realism(data, model):
    mean = decoded(data, model, realism=0)
    stored = decoded(data, model)
    assert np.array_equal(stored, decoded(data, model, seed=11))
    assert np.array_equal(mean, decoded(data, model, realism=0, seed=12))
    other = decoded(data, model, seed=12)
    assert (stored != other).mean() > 0.5
    assert (stored != mean).mean() > 0.5
    half = decoded(data, model, realism=0.5)
    inside = (stored > 0) & (stored < 255) & (mean > 0) & (mean < 255)
    assert np.abs(half - (stored + mean) / 2)[inside].max() <= 1
    assert (decoded(data, model, seed="random") != decoded(data, model, seed="random")).any()


def test_one_seed_is_one_image_on_one_and_two_threads(data, model):
    threads = torch.get_num_threads()
    images = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            images.append(decoded(data, model))
    finally:
        torch.set_num_threads(threads)
    assert np.array_equal(*images)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"realism": -0.1}, "realism is -0.1: expected 0..1"),
        ({"realism": 1.5}, "realism is 1.5: expected 0..1"),
        ({"realism": float("nan")}, "realism is nan"),
        ({"seed": -1}, "seed is -1: expected stored, random or 0..2"),
        ({"seed": 2**64}, "expected stored, random or 0..2"),
        ({"seed": "best"}, "seed is 'best'"),
    ],
)
def test_wrong_arguments(data, model, options, named):
    with pytest.raises(ValueError, match=named.replace("*", r"\*")):
        codec.decode(data, model=model, **options)


def test_a_model_keeps_its_detail_network(tmp_path, data):
    model = tiny_model()
    save_model(model, tmp_path)
    detail, again = model.engine.detail, load_model(tmp_path, "cpu", "torch").engine.detail
    assert again.config == detail.config
    for name, value in detail.state_dict().items():
        assert torch.equal(value.half(), again.state_dict()[name].half())


def test_a_model_without_detail_decodes_to_the_mean(data):
    model = tiny_model()
    model.engine.detail = None
    assert np.array_equal(decoded(data, model), decoded(data, model, realism=0))
