"""The learned peer trains, goes on where it was, and is measured by its files."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import harness
from benchmarks.studies import learned_peer, learned_peer_training

pytestmark = pytest.mark.skipif(
    find_spec("compressai") is None,
    reason="compressai is not installed, though the package depends on it",
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    rows, columns = np.mgrid[0:180, 0:200]
    for seed in (0, 1):
        noise = np.random.default_rng(seed).normal(0, 6, (180, 200, 3))
        colour = np.stack([columns, rows, 90 + 90 * (columns > rows)], axis=2)
        image = Image.fromarray(np.clip(colour + noise, 0, 255).astype(np.uint8))
        image.save(folder / f"photo{seed}.png")
    return folder


@pytest.fixture
def train(photos, tmp_path, monkeypatch):
    """Train a run of this name for some steps."""
    monkeypatch.setattr(harness, "CACHE", tmp_path / "cache")

    def trained(name, *options):
        common = ("--lmbda", "0.01", "--batch", "2", "--crop", "64")
        texts = [str(photos), "--folder", str(tmp_path / name), *common, *options]
        command("learned_peer_training", texts)
        return tmp_path / name

    return trained


def command(name, texts):
    [benchmark] = [one for one in harness.known() if one.name == name]
    return harness.run(benchmark, texts)


def test_trains_resumes_and_is_measured(photos, model_dir, tmp_path, train):
    run = train("run", "--steps", "6", "--log-steps", "3")
    log = run / learned_peer_training.LOG
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6]
    assert lines[1]["psnr"] > lines[0]["psnr"]
    train("run", "--steps", "6", "--log-steps", "3")  # finished: nothing to do
    assert len(log.read_text().splitlines()) == 2
    with pytest.raises(RuntimeError, match="was made with"):
        train("run", "--steps", "7")

    other = train("next", "--steps", "1", "--start", str(run))
    model = ["--model", str(model_dir), "-o", str(tmp_path)]
    texts = [str(photos), f"{run},{other}", "--name", "two", *model]
    peer, ours = (json.loads(path.read_text()) for path in command("learned_peer", texts))
    assert len(peer["results"]["bpp"]) == 2
    assert ours["results"]["realism"] == [0, 1, 0, 1]
    assert "target-bpp" not in ours["results"]
    for theirs, image in zip(peer["images"], ours["images"], strict=True):
        for i, point in enumerate(image["points"]):
            assert point["bytes"] <= theirs["points"][i // 2]["bytes"]
        for point in theirs["points"]:
            assert point["bpp"] == pytest.approx(8 * point["bytes"] / (180 * 200))
    first, second = peer["meta"]["runs"]
    assert (first["step"], first["start"]) == (6, {})
    assert (second["step"], second["start"]["step"]) == (1, 6)


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(train, monkeypatch):
    whole = train("whole", "--steps", "4")

    class Cut(Exception):
        pass

    crops = learned_peer_training.Crops.__call__

    def cut_off(self, step):
        if step == 2:
            raise Cut
        return crops(self, step)

    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(learned_peer_training.Crops, "__call__", cut_off)
        train("cut", "--steps", "4", "--save-seconds", "0")
    cut = train("cut", "--steps", "4", "--save-seconds", "0")
    states = [torch.load(run / learned_peer.CHECKPOINT, weights_only=True) for run in (whole, cut)]
    assert states[0]["step"] == states[1]["step"] == 4
    for name, tensor in states[0]["net"].items():
        assert torch.equal(tensor, states[1]["net"][name]), name
