"""`train --objective` on a folder: every name leaves a run, and wrong ones leave a sentence."""

import json

import numpy as np
import pytest
from command import run_command
from PIL import Image
from safetensors.torch import load_file

from codec.lagrangian import OBJECTIVES, find

TINY = ["side=8", "crops=64", "latent=4", "width=16", "steps=60", "batch=32"]
FILES = {"config.json", "log.jsonl", "model.safetensors", "samples.png"}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Two folders of four smooth random pictures, dark and light: two classes."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 128)):
        (folder / name).mkdir()
        for number in range(4):
            coarse = rng.integers(low, low + 128, (4, 6, 3), dtype=np.uint8)
            picture = Image.fromarray(coarse).resize((48, 32), Image.Resampling.BICUBIC)
            picture.save(folder / name / f"{number}.png")
    return folder


def train(data, out, name, *more):
    settings = [text for setting in (*TINY, *more) for text in ("--set", setting)]
    arguments = ["train", "--objective", name, "--data", data, "-o", out, *settings]
    return run_command([str(argument) for argument in arguments])


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_trains_from_the_command_line(name, photographs, tmp_path):
    done = train(photographs, tmp_path, name)
    assert done.exit_code == 0, done.output
    assert {path.name for path in tmp_path.iterdir()} == FILES
    written = json.loads((tmp_path / "config.json").read_text())
    assert (written["objective"], written["loss"]) == (name, str(find(name)))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [50, 60]
    assert set(log[-1]) == {"step", "loss", *find(name).coefficients()}
    assert any(key.startswith("encoder") or name == "gan" for key in _weights(tmp_path))
    with Image.open(tmp_path / "samples.png") as image:
        terms = set(find(name).coefficients())
        rows = 1 + ("C" in terms and name != "gan") + ("S" not in terms and "R" not in terms)
        assert image.size == (8 * 8, rows * 8)


def _weights(out):
    return load_file(out / "model.safetensors")


def test_classes_are_the_folders(photographs, tmp_path):
    """Dark and light are told apart: a guess has S = -log 2 = -0.69."""
    assert train(photographs, tmp_path, "supervised-ib", "steps=150").exit_code == 0
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert last["S"] > -0.4


def test_beta_of_the_command_line_is_used(photographs, tmp_path):
    """0 makes the original GAN of the paper's one; without it the objective's own β is written."""
    weights = []
    for beta, more in ((0.001, []), (0.001, ["beta=0.001"]), (0, ["beta=0"])):
        out = tmp_path / str(len(weights))
        assert train(photographs, out, "gan", *more).exit_code == 0
        assert json.loads((out / "config.json").read_text())["beta"] == beta
        weights.append((out / "model.safetensors").read_bytes())
    assert weights[0] == weights[1] != weights[2]


@pytest.mark.parametrize(
    ("name", "more", "sentence"),
    [
        ("vqvae", [], "unknown objective 'vqvae': expected one of codec, detail, supervised-ib"),
        ("vae", ["stepz=3"], "unknown training setting 'stepz'"),
        ("gc-ae", ["latent=5"], "groups is 4, expected a divisor of latent = 5"),
        ("beta-vae", ["beta=-1"], "beta is -1, expected a number in 0..1000000"),
        ("beta-vae", ['beta="high"'], "beta is 'high', expected a number in 0..1000000"),
        ("vae", ["side=64"], "no training image has both sides >= 64 pixels"),
    ],
)
def test_wrong_arguments_leave_a_sentence(name, more, sentence, photographs, tmp_path):
    out = tmp_path / "run"
    done = train(photographs, out, name, *more)
    assert done.exit_code == 1
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not out.exists()


def test_a_folder_without_classes_and_a_resumed_run_are_refused(photographs, tmp_path):
    done = train(photographs / "dark", tmp_path / "run", "supervised-ib")
    assert done.exit_code == 1
    assert "has no labels" in done.stderr
    arguments = ["train", "--objective", "vae", "--data", photographs, "-o", tmp_path, "--resume"]
    done = run_command([str(argument) for argument in arguments])
    assert done.exit_code == 1
    assert "without --resume" in done.stderr
