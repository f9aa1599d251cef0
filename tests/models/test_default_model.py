"""The model in the package, on a real photo."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codec
from bitstream import container, stream

PHOTO = Path(__file__).parents[2] / "examples" / "kodim23.png"


@pytest.fixture(scope="module")
def photo():
    """384x256 of it: quick, and large enough for figures."""
    with Image.open(PHOTO) as image:
        return image.convert("RGB").crop((192, 64, 576, 320))


@pytest.fixture(scope="module")
def default():
    return codec.load_model("default", "cpu")


def psnr(a, b):
    return 10 * np.log10(255**2 / np.square(np.subtract(a, b, dtype=np.float64)).mean())


def test_quality_is_a_scale_of_rate_and_distortion(photo, default):
    points = []
    for quality in (0, 25, 50, 75, 100):
        data = codec.encode(photo, quality=quality, model=default)
        mean = codec.decode(data, model=default, realism=0)
        points.append((codec.info(data).bpp, psnr(photo, mean)))
    assert points == sorted(points)
    (first, _), (last, best) = points[0], points[-1]
    assert first < 0.03
    assert last > 0.2
    assert best > 29


def test_overhead(photo, default):
    for quality in (5, 50, 95):
        data = codec.encode(photo, quality=quality, model=default)
        file = container.parse(data)
        indices = stream.decode_indices(file.payload, default.prior, file.header)
        ideal = stream.ideal_bits(indices, default.prior, file.header) / 8
        assert 0 < len(data) - ideal <= 24 + 0.005 * ideal


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_targets_are_met(photo, default, share):
    least, most = (len(codec.encode(photo, quality=q, model=default)) for q in (0, 100))
    target = int(least * (most / least) ** share)
    assert 0.95 * target <= len(codec.encode(photo, target_size=target, model=default)) <= target
    bpp = 8 * target / (photo.width * photo.height)
    found = codec.info(codec.encode(photo, target_bpp=bpp, model=default)).bpp
    assert 0.95 * bpp <= found <= bpp


def test_every_prefix_is_a_coarser_image(photo, default):
    data = codec.encode(photo, quality=60, model=default)
    header = container.parse(data).header
    indices = stream.decode_indices(container.parse(data).payload, default.prior, header)
    values = []
    for stages in range(1, len(indices) + 1):
        pixels = default.synthesize(indices[:stages], 60, photo.height, photo.width)
        values.append(psnr(photo, pixels[0].transpose(1, 2, 0) * 255))
    assert values[0] > 15
    assert values[-1] == max(values)
    assert values[-1] - values[0] > 4


def test_effort_lowers_the_cost_that_the_encoder_minimizes(photo, default):
    """D + λ·R, with D the squared error of pixels in [-1, 1] and R the bits of the whole file."""
    costs = []
    for effort in (1, 5, 9):
        data = codec.encode(photo, quality=50, model=default, effort=effort)
        error = np.subtract(codec.decode(data, model=default), photo, dtype=np.float64) / 127.5
        costs.append(np.square(error).sum() + default.config.lambda_at(50) * 8 * len(data))
    assert costs == sorted(costs, reverse=True)
    assert costs[1] < 0.99 * costs[0]
    assert costs[2] < 0.99 * costs[1]


def test_detail_costs_what_theory_allows_and_is_noise(photo, default):
    """MSE(sample) <= 2 MSE(g), and averaging samples leads back to about g."""
    data = codec.encode(photo, target_bpp=0.1, model=default)
    original = np.asarray(photo, np.float64)

    def decoded(**options):
        return np.asarray(codec.decode(data, model=default, **options), np.float64)

    samples = [decoded(seed=seed) for seed in range(8)]
    mean_error = np.square(decoded(realism=0) - original).mean()
    error = np.mean([np.square(sample - original).mean() for sample in samples])
    error_of_mean = np.square(np.mean(samples, axis=0) - original).mean()
    assert 1.05 < error / mean_error < 10**0.2  # the slider does something, for 2 dB at most
    assert error_of_mean / mean_error < 1.15
    spread = np.std(samples, axis=0).mean(axis=2)
    assert spread.max() > 4 * np.median(spread)  # in some places, not everywhere
