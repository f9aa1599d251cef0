"""Training: settings, schedule, search, and several processes; see also test_train_faults.py."""

import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from bitstream.errors import CodecError
from codec.models.loading import load_model
from codec.networks.config import Stage
from codec.networks.quantizer import ResidualQuantizer, smallest
from codec.train.codec.linear import GRID, entropy_kmeans
from codec.train.codec.loop import Log, schedule, train
from codec.train.config import TrainConfig, configured, load_config
from codec.train.data import Crops, Pool, Source, load_images
from codec.train.detail.loop import DetailTraining
from codec.train.dispatch import run
from codec.train.family.loop import FamilyConfig

TOY: dict[str, Any] = {
    "model.levels": [
        {"cell": 32, "dim": 8, "stages": 1, "codes": 16},
        {"cell": 16, "dim": 8, "stages": 2, "codes": 16},
        {"cell": 8, "dim": 8, "stages": 1, "codes": 16},
    ],
    "model.encoder": [8, 8, 8, 8],
    "model.decoder": [8, 8, 8, 8],
    "steps": 30,
    "batch": 2,
    "crop": 64,
    "start_batches": 12,
    "contexts": 8,
    "context_batches": 16,
    "context_epochs": [2, 1],
    "log_steps": 1,
    "save_seconds": 0,
    "rate": 0.002,
}
WIDE = json.dumps([{"cell": cell, "dim": 256, "stages": 1} for cell in (32, 16, 8)])


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight smooth random pictures."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for number in range(8):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        coarse.resize((128, 96), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


def start(
    photographs: Path, out: Path, *more: str, launcher: tuple[str, ...] = ()
) -> subprocess.Popen[bytes]:
    settings = [
        text for key, value in TOY.items() for text in ("--set", f"{key}={json.dumps(value)}")
    ]
    command = [
        sys.executable,
        *launcher,
        "-m",
        "codec.cli",
        "train",
        "--data",
        str(photographs),
        "--out",
        str(out),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, *settings, *more], env=environment, stderr=subprocess.PIPE)


def curve(out: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines]


def test_settings_are_checked() -> None:
    assert load_config(None, ["model.lambda_fine=0.01"]).model.lambda_fine == 0.01
    with pytest.raises(CodecError, match="unknown training setting 'stepz'"):
        load_config(None, ["stepz=3"])
    with pytest.raises(CodecError, match="--set"):
        load_config(None, ["steps=many"])


@pytest.mark.parametrize(
    ("kind", "setting", "sentence"),
    [
        (TrainConfig, "log_steps=-1", "log_steps is -1, expected an integer in 1..1000000000"),
        (TrainConfig, "warmup=0", "warmup is 0, expected an integer in 1.."),
        (TrainConfig, "crop=100", "crop is 100, expected a multiple of 32"),
        (TrainConfig, 'steps="abc"', "steps is 'abc', expected an integer"),
        (TrainConfig, "rate=[1]", "rate is (1,), expected a number in 0..1"),
        (TrainConfig, "rate=NaN", "rate is nan, expected a number in 0..1"),
        (TrainConfig, "seed=-1", "seed is -1, expected an integer in 0..4294967295"),
        (TrainConfig, "batch=0", "batch is 0, expected an integer in 1..65536"),
        (TrainConfig, "context_epochs=3", "context_epochs is 3, expected 2 numbers in 0..1000"),
        (TrainConfig, "tensorboard=1", "tensorboard is 1, expected a bool"),
        (TrainConfig, "contexts=4000", "contexts is 4000, expected at most 100, the cells"),
        (TrainConfig, "model.encoder=3", "object is not iterable"),
        (TrainConfig, f"model.levels={WIDE}", "dim of the cells of 8 pixels is 256, expected an"),
        (TrainConfig, "model=3", "model is 3, expected a table of settings"),
        (TrainConfig, "steps.more=3", "steps is {'more': 3}, expected one value"),
        (DetailTraining, "warmup=0", "warmup is 0, expected an integer in 1.."),
        (DetailTraining, "qualities=[90, 0]", "qualities is (90, 0), expected the lower one first"),
        (DetailTraining, "weights.lecam=-1", "lecam is -1, expected a number in 0..1000000"),
        (DetailTraining, 'weights.divergence="jsd"', "divergence is 'jsd', expected one of ['kl',"),
        (FamilyConfig, "batch=1", "batch is 1, expected an integer in 2..65536"),
        (FamilyConfig, 'likelihood="cauchy"', "likelihood is 'cauchy', expected one of ['gaussian"),
    ],
)
def test_settings_that_cannot_be_trained_with(kind: Any, setting: str, sentence: str) -> None:
    few = ["crop=64", "batch=5", "context_batches=5"] if kind is TrainConfig else []
    with pytest.raises(CodecError) as caught:
        configured(kind(), None, [*few, setting])
    assert "training settings: " in str(caught.value)
    assert sentence in str(caught.value)


def test_a_linear_start_of_too_few_or_flat_blocks_is_refused() -> None:
    generator = torch.Generator()
    for rows, sentence in ((3, "starts from 15 vectors: expected 16"), (9, "have no detail")):
        groups = [torch.zeros(rows, 4)] * 5
        with pytest.raises(CodecError, match=sentence):
            entropy_kmeans(
                groups, lambdas=GRID, codes=16, zero=False, rounds=1, generator=generator
            )


def test_schedule_visits_all_qualities_and_prefixes() -> None:
    config = load_config(None, [])
    visits = [schedule(config, step) for step in range(2000)]
    shares = np.histogram([quality for quality, _ in visits], bins=10, range=(0, 100))[0] / 2000
    assert np.abs(shares - 0.1).max() < 0.005
    cut = [stages for _, stages in visits if stages < len(config.model.stages)]
    assert 0.1 < len(cut) / 2000 < 0.2
    assert set(cut) == set(range(1, len(config.model.stages)))


def test_wider_search_never_costs_more() -> None:
    generator = torch.Generator().manual_seed(1)
    quantizer = ResidualQuantizer([Stage(0, 8, 16, 64)] * 4)
    for stage in range(4):
        book = torch.randn(64, 16, generator=generator) * 0.6**stage
        quantizer.codebook(stage).copy_(book)
    latent = torch.randn(500, 16, generator=generator)
    biases = [torch.rand(64, generator=generator) for _ in range(4)]

    def cost(width: int) -> float:
        codes = quantizer.search(range(4), latent, biases, width)
        picked = sum(quantizer.codebook(s)[codes[:, s]] for s in range(4))
        bias = sum(biases[s][codes[:, s]] for s in range(4))
        return float((latent - picked).square().sum(1).add(bias).mean())

    costs = [cost(width) for width in (1, 2, 4, 16)]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] < 0.95 * costs[0]


def test_least_is_topk() -> None:
    score = torch.randn(200, 512, generator=torch.Generator().manual_seed(2))
    value, column = smallest(score, 5)
    expected, where = torch.topk(score, 5, largest=False)
    assert torch.equal(value, expected)
    assert torch.equal(column, where)


TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.mark.timeout(600)  # half a minute on an idle machine
def test_two_processes_train_as_one_and_one_goes_on(photographs: Path, tmp_path: Path) -> None:
    """Under torchrun: the same loss curve but for rounding, and on with another number of them."""
    more = ("--set", "batch=4", "--set", "steps=14", "--set", "contexts=0")
    one, two = tmp_path / "one", tmp_path / "two"
    assert start(photographs, one, *more).wait() == 0
    run = start(photographs, two, *more, launcher=TWO)
    log = two / "log.jsonl"
    while run.poll() is None and not (log.exists() and log.read_text().count("\n") >= 5):
        time.sleep(0.01)
    run.terminate()  # torchrun passes it on, each process at another moment
    run.wait(timeout=60)
    reached = len(curve(two))
    assert 5 <= reached < 14
    assert (two / "checkpoint.pt").exists()
    assert start(photographs, two, *more, "--resume").wait() == 0
    steps, losses = zip(*curve(two), strict=True)
    assert steps == tuple(range(1, 15))
    expected = [loss for _, loss in curve(one)]
    assert np.allclose(losses, expected, rtol=2e-3)
    assert not np.allclose(losses, expected[1:] + expected[:1], rtol=0.02)  # the curve does move


@pytest.mark.parametrize("shard", [False, True])
def test_a_broken_photograph_is_named(shard: bool, photographs: Path, tmp_path: Path) -> None:
    """In a folder and in a tar shard; a shard that is cut is named, too."""
    whole = (photographs / "0.png").read_bytes()
    for name, content, sentence in (
        ("a.png", whole[:-100], "/a.png: damaged image: .*: take it out of the training data"),
        ("b.jpg", b"no image", "/b.jpg: not an image.*: take it out of the training data"),
        ("train-0.tar", b"no shard" * 999, "/train-0.tar: not a whole tar file"),
    ):
        (tmp_path / name).write_bytes(content)
        inside = shard and name != "train-0.tar"
        if inside:
            with tarfile.open(tmp_path / "train-0.tar", "w") as tar:
                tar.add(tmp_path / name, name)
        with pytest.raises(CodecError, match=f"train-0.tar{sentence}" if inside else sentence):
            load_images(tmp_path)
        for path in tmp_path.iterdir():
            path.unlink()


def test_one_run_at_a_time_has_a_folder(tmp_path: Path) -> None:
    log = Log(tmp_path, 0, tensorboard=False)
    with pytest.raises(CodecError, match="another training run is at work in this folder"):
        Log(tmp_path, 0, tensorboard=False)
    del log
    Log(tmp_path, 0, tensorboard=False)


def test_training_has_the_cores_that_it_may_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 4, 5})
    seen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    for value in (None, "1"):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if value:
            monkeypatch.setenv("OMP_NUM_THREADS", value)
        with pytest.raises(CodecError, match="unknown objective"):
            run("none", None, tmp_path, tmp_path, resume=False, overrides=[])
    assert seen == [3]


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    images = [np.zeros((64, 64, 3), np.uint8)]
    with pytest.raises(CodecError, match="multiple"):
        Crops([Pool(images)], 64, 5, 0, share=(0, 2))
    whole = Crops([Pool(images)], 64, 4, 0)(3)
    shares = [Crops([Pool(images)], 64, 4, 0, share=(rank, 2))(3) for rank in (0, 1)]
    assert torch.equal(torch.cat(shares), whole)


def test_crops_of_several_sources() -> None:
    """Each source as often as its weight says, each scale as often; batches depend on the step."""
    white = np.full((64, 64, 3), 255, np.uint8)
    ramp = np.repeat(np.arange(0, 128, dtype=np.uint8)[None, :, None], 100, axis=0).repeat(3, 2)
    sources = [Pool([white], weight=3), Pool([ramp], scales=(1, 1.5, 2))]
    crops = Crops(sources, 32, 8, seed=1)
    batches = [crops(step) for step in range(60)]
    slopes = torch.cat([(b[:, 0, 16, 24] - b[:, 0, 16, 8]).abs() * 127.5 / 16 for b in batches])
    shares = [float((slopes - slope).abs().lt(0.1).float().mean()) for slope in (0, 1, 1.5, 2)]
    assert sum(shares) == pytest.approx(1)
    assert np.allclose(shares, [3 / 4, 1 / 12, 1 / 12, 1 / 12], atol=0.05)
    for step in (59, 3, 4):  # made ahead or not
        assert torch.equal(Crops(sources, 32, 8, seed=1)(step), batches[step])
        assert torch.equal(crops(step), batches[step])
    with pytest.raises(CodecError, match="both sides >= 96 pixels"):
        Crops([Pool([white], scales=(3,))], 32, 8, seed=1)


def test_sources_are_read_from_settings() -> None:
    native = {"shards": "train-native-*.tar", "weight": 0.5, "scales": [1, 1.5, 2]}
    config = load_config(None, [f"sources={json.dumps([native, {'shards': 'train-0*.tar'}])}"])
    assert config.sources == (
        Source("train-native-*.tar", 0.5, (1, 1.5, 2)),
        Source("train-0*.tar"),
    )
    for setting, sentence in (
        ("[]", "sources names none"),
        ("3", "sources is 3, expected a list of tables"),
        ('[{"scale": 2}]', "unknown training setting 'scale'"),
        ('[{"weight": 0}]', "weight is 0, expected a number above 0"),
        ('[{"scales": [0.5]}]', "scales is (0.5,), expected numbers in 1..16"),
        ('[{"scales": []}]', "scales is (), expected numbers in 1..16"),
        ('[{"shards": 3}]', "shards is 3, expected a pattern"),
    ):
        with pytest.raises(CodecError) as caught:
            load_config(None, [f"sources={setting}"])
        assert sentence in str(caught.value)


def test_a_run_begins_with_a_trained_model(photographs: Path, tmp_path: Path) -> None:
    """One of the same shape is taken over, a smaller one grows."""
    toy = [f"{key}={json.dumps(value)}" for key, value in TOY.items()]
    first, second = tmp_path / "first", tmp_path / "second"
    train(load_config(None, [*toy, "contexts=0", "steps=3"]), photographs, first)
    start = f"start={json.dumps(str(first / 'model'))}"
    train(load_config(None, [*toy, "contexts=0", "steps=1", "rate=0", start]), photographs, second)
    before, after = (
        load_file(folder / "model" / "weights.safetensors") for folder in (first, second)
    )
    still = [name for name in before if "quantizer" not in name]  # codebooks are means of what came
    assert all(torch.equal(before[name], after[name]) for name in still)
    wider = [dict(level) | {"dim": 12} for level in TOY["model.levels"]]
    larger = load_config(
        None, [*toy, "contexts=0", "steps=1", start, f"model.levels={json.dumps(wider)}"]
    )
    train(larger, photographs, tmp_path / "third")
    assert load_model(tmp_path / "third" / "model").config == larger.model
