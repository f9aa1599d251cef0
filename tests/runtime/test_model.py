"""The model: its linear start, prefixes, sizes, files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from codec.errors import CodecError
from codec.images.strips import Strips
from codec.models.loading import load_model
from codec.models.tiny import tiny_model
from codec.models.torch_model import save_model, torch_engine
from codec.networks.config import ModelConfig
from codec.networks.pyramid import Networks
from codec.runtime.encoder_pass import Analysis
from codec.runtime.model import CodecModel


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("cuda:99", "no CUDA device cuda:99 was found: use the device cpu, or auto"),
        ("gpu", "no device is named 'gpu': expected auto, cpu, cuda or cuda:N"),
        ("meta", "no device is named 'meta'"),
    ],
)
def test_a_device_that_is_not_there_gets_a_sentence(
    device: str, sentence: str, model_dir: Path
) -> None:
    with pytest.raises(CodecError, match=sentence):
        load_model(model_dir, device, "torch")


def noisy(height: int, width: int) -> Strips:
    samples = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Strips([samples])


def analyzed(model: CodecModel) -> Analysis:
    return model.analyze(noisy(50, 75))


def test_a_new_model_is_its_linear_transforms() -> None:
    """Last layers start at zero: latents are block transforms, pixels their linear synthesis."""
    torch.manual_seed(0)
    networks = Networks(tiny_model().config)
    x = torch.rand(2, 3, 64, 96) * 2 - 1
    latents = networks.encoder(x)
    pixels = torch.zeros_like(x)

    def keep(level: int, prediction: torch.Tensor) -> torch.Tensor:
        nonlocal pixels
        transform = list(networks.decoder.transforms)[level]
        assert torch.allclose(prediction, transform.analysis(pixels), atol=1e-5)
        remainder = latents[level] - prediction
        pixels = pixels + transform.synthesis(remainder)
        return remainder

    condition = torch.tensor([networks.config.condition(30, 4)] * 2)
    output = networks.decoder(condition, keep, x.shape).pixels
    for latent, transform in zip(latents, networks.encoder.transforms, strict=True):
        assert torch.allclose(latent, transform.analysis(x), atol=1e-5)
    assert torch.allclose(output, pixels, atol=1e-5)


def test_orthonormal_transforms_invert_what_they_keep() -> None:
    transform = list(Networks(tiny_model().config).decoder.transforms)[1]
    z = torch.randn(1, transform.dim, 3, 5)
    assert torch.allclose(transform.analysis(transform.synthesis(z)), z, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (31, 33), (8, 100), (64, 64)])
def test_grids_cover_the_image_and_every_prefix_is_an_image(
    model: CodecModel, height: int, width: int
) -> None:
    indices = model.quantize(model.analyze(noisy(height, width)), 60).indices
    for grid, cell, codes in zip(indices, model.cells, model.codes, strict=True):
        assert grid.shape == (-(-height // cell), -(-width // cell))
        assert grid.dtype == np.int32
        assert 0 <= grid.min() <= grid.max() < codes
    for stages in range(1, len(indices) + 1):
        out = model.synthesize(indices[:stages], 60, height, width)
        assert out.shape == (1, 3, height, width)
        assert 0 <= float(out.min()) <= float(out.max()) <= 1


def test_more_stages_come_closer(model: CodecModel) -> None:
    """In the latents: the remainder of each level shrinks with every stage at λ = 0."""
    quantizer = torch_engine(model).networks.quantizer
    latent = torch.from_numpy(analyzed(model).latents[1][0]).flatten(1).T.contiguous()
    stages = quantizer.stages_of_level(1)
    free = [torch.zeros(quantizer.stages[s].codes) for s in stages]
    errors = []
    for count in range(1, len(stages) + 1):
        codes = quantizer.search(stages[:count], latent, free[:count], 8)
        kept = sum(quantizer.codebook(s)[codes[:, k]] for k, s in enumerate(stages[:count]))
        errors.append(float((latent - kept).square().sum()))
    assert errors == sorted(errors, reverse=True)


def test_condition_counts_stages_level_by_level() -> None:
    config = ModelConfig()
    total = len(config.stages)
    assert config.condition(0, total) == [-1, 1, 1, 1]
    assert config.condition(100, 0) == [1, 0, 0, 0]
    first = config.levels[0].stages
    assert config.condition(50, first + 1) == [0, 1, 1 / config.levels[1].stages, 0]
    assert config.lambda_at(0) == config.lambda_coarse
    assert config.lambda_at(100) == pytest.approx(config.lambda_fine)


def test_saved_model_is_the_same_and_its_fingerprint_covers_every_file(
    model: CodecModel, tmp_path: Path
) -> None:
    save_model(model, tmp_path)
    first, again = load_model(tmp_path, "cpu"), load_model(tmp_path, "cpu")
    assert first.fingerprint == again.fingerprint
    one = first.quantize(analyzed(first), 70).indices
    other = again.quantize(analyzed(again), 70).indices
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    config = tmp_path / "config.json"
    changed = json.loads(config.read_text()) | {"lambda_fine": 0.03}
    config.write_text(json.dumps(changed))
    assert load_model(tmp_path, "cpu").fingerprint != first.fingerprint
    assert all((tmp_path / name).stat().st_mode & 0o777 == 0o644 for name in ("config.json",))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("weights.safetensors", lambda data: data[: len(data) // 2]),
        ("weights.safetensors", lambda data: b""),
        ("prior.safetensors", lambda data: data[:-1]),
        ("config.json", lambda data: b"{}"),
        ("config.json", lambda data: b"not json"),
        ("config.json", lambda data: data.replace(b'"dim": 16', b'"dim": 24')),
    ],
)
def test_a_damaged_model_is_one_sentence(
    model: CodecModel, tmp_path: Path, name: str, damage
) -> None:
    save_model(model, tmp_path)
    file = tmp_path / name
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CodecError) as caught:
        load_model(tmp_path, "cpu")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"config\.json, weights\.safetensors, prior\.safetensors"):
        load_model(tmp_path / "nothing")
