"""The learned peer trains, goes on where it was, and is measured by its files."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.studies import learned_peer

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


def test_trains_resumes_and_is_measured(photos, model_dir, tmp_path):
    run = tmp_path / "run"
    command = ["train", str(photos), str(run), "--lmbda", "0.01", "--batch", "2", "--crop", "64"]
    learned_peer.main([*command, "--steps", "6", "--log-steps", "3"])
    lines = [json.loads(line) for line in (run / learned_peer.LOG).read_text().splitlines()]
    assert [line["step"] for line in lines] == [3, 6]
    assert lines[1]["psnr"] > lines[0]["psnr"]
    learned_peer.main([*command, "--steps", "6", "--log-steps", "3"])  # finished: nothing to do
    assert len((run / learned_peer.LOG).read_text().splitlines()) == 2
    with pytest.raises(SystemExit, match="was made with"):
        learned_peer.main([*command, "--steps", "7"])

    command[2] = str(tmp_path / "next")
    learned_peer.main([*command, "--steps", "1", "--start", str(run)])
    runs = [str(run), str(tmp_path / "next")]
    model = ["-m", str(model_dir), "-o", str(tmp_path)]
    learned_peer.main(["measure", str(photos), *runs, "--name", "two", *model])
    peer, ours = (
        json.loads((tmp_path / f"rdp_two_{name}.json").read_text())
        for name in ("mbt2018-mean", "bibcodec")
    )
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


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(photos, tmp_path, monkeypatch):
    common = ["--lmbda", "0.01", "--batch", "2", "--crop", "64", "--steps", "4"]
    learned_peer.main(["train", str(photos), str(tmp_path / "whole"), *common])

    class Cut(Exception):
        pass

    crops = learned_peer.Crops.__call__

    def cut_off(self, step):
        if step == 2:
            raise Cut
        return crops(self, step)

    command = ["train", str(photos), str(tmp_path / "cut"), *common, "--save-seconds", "0"]
    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(learned_peer.Crops, "__call__", cut_off)
        learned_peer.main(command)
    learned_peer.main(command)
    states = [
        torch.load(tmp_path / name / learned_peer.CHECKPOINT, weights_only=True)
        for name in ("whole", "cut")
    ]
    assert states[0]["step"] == states[1]["step"] == 4
    for name, tensor in states[0]["net"].items():
        assert torch.equal(tensor, states[1]["net"][name]), name
