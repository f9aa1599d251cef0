"""Novelty: its percentile, its calibration, and what the user gets to see of it."""

import json
import re
import warnings

import numpy as np
import pytest
import torch
from command import run_command
from PIL import Image

import codec
from bitstream import Header, encode_indices, write
from bitstream.errors import CodecError
from bitstream.prior import grid_shape
from codec.errors import UnusualImageWarning
from codec.images.strips import Strips
from codec.models.loading import load_model
from codec.models.tiny import tiny_model
from codec.models.torch_model import save_model
from codec.novelty import (
    FILE,
    Calibration,
    Spread,
    distance,
    error_statistics,
    gaussian,
    load_calibration,
)
from codec.train.novelty import calibrate, measure, spread

SIDE = 256


def smooth(seed):
    """What the model of these tests takes for a photograph: (256, 256, 3) uint8."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def blocks():
    """What it does not know: black, white and pure colours, 16 pixels a side."""
    colours = 255 * np.random.default_rng(0).integers(0, 2, (16, 16, 3), dtype=np.uint8)
    return colours.repeat(16, 0).repeat(16, 1)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """A folder with a tiny model that expects smooth pictures, calibrated on sixty of them."""
    folder = tmp_path_factory.mktemp("calibrated")
    model = tiny_model()
    analyses = [model.analyze(Strips([smooth(seed)])) for seed in range(300, 310)]
    for stage, grids in enumerate(
        zip(*(model.quantize(a, 50).indices for a in analyses), strict=True)
    ):
        counts = torch.from_numpy(np.bincount(np.concatenate(grids, None), minlength=16) + 0.1)
        model.engine.networks.quantizer.shares[:, stage] = (counts / counts.sum()).float()
    save_model(model, folder)
    network = load_model(folder)
    assert network.calibration is None
    calibrate(network, [smooth(seed) for seed in range(60)]).save(folder)
    return folder


def gaussians(count, features, qualities):
    """The spread of Gaussian statistics whose deviation doubles from quality 0 to 100."""
    rng = np.random.default_rng(0)
    mean, covariance, distances = [], [], []
    for k in range(len(qualities)):
        x = (1 + k) * rng.normal(size=(count, features)) + 10 * k
        m, c = gaussian(x)
        mean.append(m.tolist())
        covariance.append(c.tolist())
        distances.append(np.sort(distance(x, m, c)).tolist())
    return Spread(mean, covariance, distances)


def made(count=200, qualities=(0, 100)):
    """A calibration on three Gaussian statistics of the code and two of the error."""
    spreads = [gaussians(count, features, qualities) for features in (3, 2)]
    return Calibration("00" * 4, count, list(qualities), *spreads)


def test_percentiles_of_like_samples_are_even_and_of_others_are_high():
    calibration, rng = made(count=1000), np.random.default_rng(1)
    for quality, middle, scale in ((0, 0, 1), (100, 10, 2), (50, 5, 1.5)):
        like = middle + scale * rng.normal(size=(1000, 3))
        found = np.array([calibration.percentile(x, None, quality) for x in like])
        # a mean of 1,000 even percentiles has a standard error of 0.9
        assert abs(found.mean() - 50) < 8
        assert 0 < found.min() < found.max() < 100
        assert (found >= 99).mean() < 0.03
        far = middle + scale * np.array([[6.0, 0, 0], [-6.0, 0, 0]])  # too much and too little
        assert all(calibration.percentile(x, None, quality) > 99 for x in far)


def test_the_larger_percentile_counts():
    calibration, usual, far = made(count=1000), np.ones(3), np.array([0.0, 6.0])
    alone = calibration.percentile(usual, None, 0)
    assert calibration.percentile(usual, np.zeros(2), 0) == alone < 90
    assert calibration.percentile(usual, far, 0) > 99
    assert calibration.percentile(usual + 6, np.zeros(2), 0) > 99


def test_energy_is_what_the_codes_left(calibrated, monkeypatch):
    """In whole images and in tiles: means over the cells of ‖e − Σ c‖² and ‖e‖²."""
    network = load_model(calibrated, engine="torch")
    quantizer, seen = network.engine.networks.quantizer, {}

    def search(stages, latent, *more):
        codes = type(quantizer).search(quantizer, stages, latent, *more)
        rest = latent - quantizer.centroids(stages, codes)
        seen[quantizer.stages[stages[0]].level] = [
            part.square().sum(1).mean().item() for part in (rest, latent)
        ]
        return codes

    analysis = network.analyze(Strips([smooth(1)]))
    plain = network.quantize(analysis, 50)
    with monkeypatch.context() as patch:
        patch.setattr(quantizer, "search", search)
        found = network.quantize(analysis, 50)
    energy = found.energy
    assert all(np.array_equal(a, b) for a, b in zip(plain.indices, found.indices, strict=True))
    np.testing.assert_allclose(energy, [seen[level] for level in range(3)], rtol=1e-5)
    shares = [rest / whole for rest, whole in energy]
    np.testing.assert_allclose(np.exp(error_statistics(energy)), shares, rtol=0.05)

    wide = np.tile(smooth(2), (3, 3, 1))  # 768 x 768
    whole = network.quantize(network.analyze(Strips([wide])), 50).energy
    tiled = network.quantize(network.analyze(Strips([wide]), tile=512), 50).energy
    np.testing.assert_allclose(tiled, whole, rtol=1e-4)


@pytest.mark.parametrize("count", [200, 1000])
def test_calibrations_of_any_size_load(count, tmp_path, monkeypatch):
    """Up to 200 photographs their distances are kept, of more as many quantiles."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(5, count, 16))
    spreads = spread(table), spread(table[:, :, :3])
    Calibration("00" * 4, count, [0, 25, 50, 75, 100], *spreads).save(tmp_path)
    found = load_calibration(tmp_path, bytes(4), 15, 3)
    assert found is not None
    assert len(found.code.distances[0]) == 200
    monkeypatch.setattr("codec.train.novelty.QUANTILES", count)
    whole = spread(table)
    for x in rng.normal(size=(50, 16)):
        percentiles = [part.percentile(x, 1, 2, 0.5) for part in (found.code, whole)]
        assert percentiles[0] == pytest.approx(percentiles[1], abs=0.6)


def test_novelty_is_information_about_the_file(calibrated):
    usual = codec.encode(smooth(100), model=calibrated)
    with pytest.warns(UnusualImageWarning, match=r"percentile 99\.\d of photographs"):
        unusual = codec.encode(blocks(), model=calibrated)
    assert codec.info(usual).novelty is None
    assert codec.info(usual, novelty=True, model=calibrated).novelty < 99
    assert codec.info(unusual, novelty=True, model=calibrated).novelty > 99


def test_a_target_warns_once_and_about_the_file_that_is_kept(calibrated):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        codec.encode(blocks(), model=calibrated, target_size=3000)
    assert [warning.category for warning in caught] == [UnusualImageWarning]


def test_usual_pictures_are_not_warned_of(calibrated):
    """At calibrated qualities and between them: of twelve pictures one at most."""
    warned = 0
    for seed, quality in enumerate((0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 90, 100)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            codec.encode(smooth(200 + seed), model=calibrated, quality=quality)
        warned += len(caught)
    assert warned <= 1


def test_small_images_and_models_without_calibration_are_not_judged(calibrated, model_dir):
    small = codec.encode(blocks()[:255], model=calibrated)
    assert codec.info(small, novelty=True, model=calibrated).novelty is None
    unknown = codec.encode(blocks(), model=model_dir)
    assert codec.info(unknown, novelty=True, model=model_dir).novelty is None


def test_files_of_fewer_stages_than_the_model_are_not_judged(calibrated):
    network = load_model(calibrated)
    header = Header(SIDE, SIDE, 50, 2, network.fingerprint)
    shapes = [grid_shape(SIDE, SIDE, cell) for cell in network.cells[:2]]
    payload = encode_indices([np.zeros(s, np.int32) for s in shapes], network.prior, header)
    assert codec.info(write(header, payload), novelty=True, model=network).novelty is None


def test_command_line(calibrated, tmp_path):
    Image.fromarray(blocks()).save(tmp_path / "blocks.png")
    done = run_command(["encode", f"{tmp_path}/blocks.png", "-m", str(calibrated)])
    assert done.exit_code == 0
    assert done.stderr.count("bibcodec: unusual image: at percentile 99") == 1
    assert "consider decoding with realism 0.3" in done.stderr
    file = f"{tmp_path}/blocks.bibc"
    done = run_command(["info", file, "--novelty", "-m", str(calibrated), "--json"])
    assert json.loads(done.stdout)["novelty"] > 99
    shown = run_command(["info", file, "--novelty", "-m", str(calibrated)]).stdout
    assert re.search(r"^novelty +99\.\d, a percentile among photographs$", shown, re.MULTILINE)
    assert "novelty" not in run_command(["info", file]).stdout


def test_calibration_is_of_one_model(calibrated, tmp_path):
    network = load_model(calibrated)
    again = network.calibration
    assert again is not None
    code, error = (part[0] for part in measure(network, smooth(5), [50]))
    assert 0 < again.percentile(code, error, 50) < 100
    sizes = len(network.cells), len(network.config.levels)
    assert load_calibration(calibrated, b"else", *sizes) is None
    assert load_calibration(tmp_path, network.fingerprint, *sizes) is None
    with pytest.raises(CodecError, match="expected 50 photographs or more"):
        calibrate(network, [smooth(0)] * 49)


@pytest.mark.parametrize(
    "change",
    [
        {"code": {"mean": [[0.0]]}},
        {"photographs": 10**9},
        {"error": {"covariance": None}},
        {"qualities": ["a"]},
        {"error": {"distances": [[float("nan")] * 60] * 5}},
        {"code": {"more": 1}},
        {"error": 1},
        {"more": 1},
        {"code": {"distances": [[10**400] * 60] * 5}},
        "{",
        "[]",
        "[" * 60_000,
    ],
)
def test_broken_calibrations_are_refused(change, calibrated, tmp_path):
    table = json.loads((calibrated / FILE).read_text())
    if isinstance(change, dict):
        for name, value in change.items():
            table[name] = table[name] | value if isinstance(value, dict) else value
        change = json.dumps(table)
    (tmp_path / FILE).write_text(change)
    network = load_model(calibrated)
    with pytest.raises(CodecError, match="no calibration of novelty"):
        load_calibration(tmp_path, network.fingerprint, len(network.cells), 3)
