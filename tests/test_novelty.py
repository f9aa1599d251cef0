"""Novelty: its percentile, its calibration, and what the user gets to see of it."""

import json
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import codec
from bitstream.errors import CodecError
from codec.cli import app
from codec.errors import UnusualImageWarning
from codec.model import load_model, tiny_model
from codec.novelty import FILE, Calibration, distance, gaussian, load_calibration
from codec.train.novelty import calibrate, measure

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
    pictures = [torch.from_numpy(smooth(seed).copy()) for seed in range(300, 310)]
    analyses = [model.analyse(x.permute(2, 0, 1)[None] / 255) for x in pictures]
    for stage, grids in enumerate(zip(*(model.quantise(a, 50) for a in analyses), strict=True)):
        counts = torch.from_numpy(np.bincount(np.concatenate(grids, None), minlength=16) + 0.1)
        model.networks.quantizer.shares[:, stage] = (counts / counts.sum()).float()
    model.save(folder)
    network = load_model(folder)
    assert network.calibration is None
    calibrate(network, [smooth(seed) for seed in range(60)]).save(folder)
    return folder


def made(count=200, features=3, qualities=(0, 100)):
    """A calibration on Gaussian statistics whose spread doubles from quality 0 to 100."""
    rng = np.random.default_rng(0)
    mean, covariance, distances = [], [], []
    for k in range(len(qualities)):
        x = (1 + k) * rng.normal(size=(count, features)) + 10 * k
        m, c = gaussian(x)
        mean.append(m.tolist())
        covariance.append(c.tolist())
        distances.append(np.sort(distance(x, m, c)).tolist())
    return Calibration("00" * 4, count, list(qualities), mean, covariance, distances)


def test_percentiles_of_like_samples_are_even_and_of_others_are_high():
    calibration, rng = made(count=1000), np.random.default_rng(1)
    for quality, middle, scale in ((0, 0, 1), (100, 10, 2), (50, 5, 1.5)):
        like = middle + scale * rng.normal(size=(1000, 3))
        found = np.array([calibration.percentile(x, quality) for x in like])
        # a mean of 1,000 even percentiles has a standard error of 0.9
        assert abs(found.mean() - 50) < 8
        assert 0 < found.min() < found.max() < 100
        assert (found >= 99).mean() < 0.03
        far = middle + scale * np.array([[6.0, 0, 0], [-6.0, 0, 0]])  # too much and too little
        assert all(calibration.percentile(x, quality) > 99 for x in far)


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


def test_command_line(calibrated, tmp_path):
    Image.fromarray(blocks()).save(tmp_path / "blocks.png")
    run = CliRunner().invoke
    done = run(app, ["encode", f"{tmp_path}/blocks.png", "-m", str(calibrated)])
    assert done.exit_code == 0
    assert done.stderr.count("bibcodec: unusual image: at percentile 99") == 1
    assert "consider decoding with realism 0.3" in done.stderr
    file = f"{tmp_path}/blocks.bibc"
    done = run(app, ["info", file, "--novelty", "-m", str(calibrated), "--json"])
    assert json.loads(done.stdout)["novelty"] > 99
    assert "novelty" in run(app, ["info", file, "--novelty", "-m", str(calibrated)]).stdout
    assert "novelty" not in run(app, ["info", file]).stdout


def test_calibration_is_of_one_model(calibrated, tmp_path):
    network = load_model(calibrated)
    again = network.calibration
    assert again is not None
    x = measure(network, smooth(5), [50])[0]
    assert 0 < again.percentile(x, 50) < 100
    stages = len(network.cells)
    assert load_calibration(calibrated, b"else", stages) is None
    assert load_calibration(tmp_path, network.fingerprint, stages) is None
    with pytest.raises(CodecError, match="expected 50 photographs or more"):
        calibrate(network, [smooth(0)] * 49)


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [[0.0]]},
        {"photographs": 10**9},
        {"covariance": None},
        {"qualities": ["a"]},
        {"distances": [[float("nan")] * 60] * 5},
        {"more": 1},
        None,
    ],
)
def test_broken_calibrations_are_refused(change, calibrated, tmp_path):
    table = json.loads((calibrated / FILE).read_text())
    text = "{" if change is None else json.dumps(table | change)
    (tmp_path / FILE).write_text(text)
    network = load_model(calibrated)
    with pytest.raises(CodecError, match="no calibration of novelty"):
        load_calibration(tmp_path, network.fingerprint, len(network.cells))
