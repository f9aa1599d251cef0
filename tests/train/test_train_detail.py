"""Training the synthesis of detail: what moves, what stays, and a run that is resumed."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from bitstream.errors import CodecError
from codec.models.loading import load_model
from codec.models.tiny import TINY as MODEL
from codec.models.tiny import tiny_model
from codec.models.torch_model import save_model
from codec.train.config import configured
from codec.train.detail.discriminator import LeCam
from codec.train.detail.loop import DetailTraining, train_detail
from codec.train.detail.losses import DIVERGENCES, Judge, Weights, octaves_apart

TINY = [
    "detail.widths=[8, 8, 8]",
    "detail.blocks=[1, 1, 1]",
    "detail.noise=[4, 2, 2]",
    "batch=2",
    "crop=64",
    "log_steps=2",
    "rate=0.005",
    "warmup=1",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for number in range(4):
        noisy = rng.integers(0, 255, (96, 96, 3), np.uint8)
        Image.fromarray(noisy).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    save_model(tiny_model(), folder)
    return folder


@pytest.fixture(scope="module")
def textured(tmp_path_factory):
    """The same with texture codes, which its r, of the model without, has never seen."""
    folder = tmp_path_factory.mktemp("textured")
    save_model(tiny_model(config=replace(MODEL, texture=8)), folder)
    return folder


def settings(base, *more):
    return configured(DetailTraining(), None, [f"base={json.dumps(str(base))}", *TINY, *more])


def losses(out):
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(tmp_path, base, data):
    train_detail(settings(base, "steps=8"), data, tmp_path / "whole")
    train_detail(settings(base, "steps=4"), data, tmp_path / "parts")
    train_detail(settings(base, "steps=8"), data, tmp_path / "parts", resume=True)
    assert losses(tmp_path / "whole") == losses(tmp_path / "parts")
    assert len(losses(tmp_path / "whole")) == 4
    whole, parts = (
        load_file(tmp_path / name / "model" / "detail.safetensors") for name in ("whole", "parts")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    with pytest.raises(CodecError, match="holds a training run: add --resume"):
        train_detail(settings(base, "steps=8"), data, tmp_path / "whole")
    with pytest.raises(CodecError, match="of another configuration"):
        wider = settings(base, "steps=8", "detail.widths=[16, 8, 8]")
        train_detail(wider, data, tmp_path / "parts", resume=True)


def test_only_detail_is_trained(tmp_path, base, data):
    train_detail(settings(base, "steps=3"), data, tmp_path)
    assert [line["step"] for line in losses(tmp_path)] == [2, 3]  # as many as were asked for
    trained, before = (load_model(f, engine="torch") for f in (tmp_path / "model", base))
    assert trained.fingerprint == before.fingerprint
    start = before.engine.detail.state_dict()
    moved = [not torch.equal(v, start[n]) for n, v in trained.engine.detail.state_dict().items()]
    assert sum(moved) > len(moved) / 2


def test_r_learns_to_fool_and_not_to_bias():
    """Descending the losses with a fixed critic: the pixel bias falls where r had one."""
    torch.manual_seed(0)
    none = dict.fromkeys(("feature", "pixel_critic", "feature_critic", "coarse_critic"), 0.0)
    judge = Judge(Weights(bias=1.0, sample=0, spectrum=0, **none))
    x, g = torch.rand(2, 3, 64, 64) * 2 - 1, torch.zeros(2, 3, 64, 64)
    bias = torch.full((1, 3, 1, 1), 0.5, requires_grad=True)
    spread = torch.full((1, 3, 1, 1), 0.5, requires_grad=True)
    u, v = torch.randn(2, 2, 3, 64, 64)
    optimizer = torch.optim.SGD([bias, spread], lr=0.05)
    for _ in range(60):
        other = (bias + spread * v).detach()
        view = judge.look(x, g, bias + spread * u, other)
        loss, _ = judge.loss(view, judge.critic_loss(view)[1])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert bias.abs().max() < 0.05  # the mean over samples is g
    assert (spread - 0.5).abs().max() < 0.1  # and what is noise is not pulled to zero


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_critics_tell_noise_from_photographs(divergence):
    torch.manual_seed(0)
    judge = Judge(Weights(divergence=divergence))
    optimizer = torch.optim.Adam(judge.critics(), lr=1e-3)
    g = torch.zeros(4, 3, 64, 64)
    smooth = torch.nn.functional.interpolate(torch.randn(4, 3, 8, 8), scale_factor=8.0)
    for _ in range(15):
        view = judge.look(smooth * 0.3, g, torch.randn_like(g) * 0.3, g)
        loss, _, figures = judge.critic_loss(view)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert figures["right"] > 0.9
    assert figures["right_features"] > 0.9


def test_lecam_holds_logits_near_the_running_means():
    lecam = LeCam(decay=0.5)
    assert lecam(torch.zeros(4), torch.zeros(4)) == 0
    for _ in range(20):
        penalty = lecam(torch.full((4,), 3.0), torch.full((4,), -3.0))
    assert float(penalty) == pytest.approx(72, rel=1e-3)  # 6² on both sides


def test_texture_codes_are_learned_from_an_r_that_had_none(tmp_path, base, textured, data):
    before = load_model(base, engine="torch").engine.detail.state_dict()
    start = f"start={json.dumps(str(base))}"
    train_detail(settings(textured, start, "steps=2", "untold=0"), data, tmp_path / "r")
    after = load_model(tmp_path / "r" / "model", engine="torch").engine.detail.state_dict()
    assert all(after[name].any() for name in after.keys() - before.keys())
    assert {name.split(".")[0] for name in after.keys() - before.keys()} == {"texture"}
    near = max((after[name] - value).abs().max().item() for name, value in before.items())
    assert 0 < near < 0.05


@pytest.mark.parametrize("shape", ["detail.widths=[16, 8, 8]", "detail.noise=[2, 2, 2]"])
def test_an_r_of_another_shape_is_no_start(tmp_path, base, data, shape):
    start = f"start={json.dumps(str(base))}"
    with pytest.raises(CodecError, match="expected a model whose r has the shape of `detail`"):
        train_detail(settings(base, start, "steps=2", shape), data, tmp_path)


def test_the_spectrum_of_r_is_drawn_to_that_of_what_is_missing():
    torch.manual_seed(0)
    e = torch.randn(2, 3, 64, 64)
    gain = torch.tensor(0.2, requires_grad=True)
    other = torch.randn(2, 3, 64, 64)
    octaves_apart(gain * other, e).backward()
    assert gain.grad < 0
    assert octaves_apart(other, e) < 0.4
    assert 4 < octaves_apart(0.2 * other, e) < 5
